"""Bins of whole cells: the pooling of Fast R-CNN, and the position-sensitive one of R-FCN.

Corners and bins are rounded to cells, in the dtype that features are weighted in, as the reference
kernels do it. Bins overlap, and their ends have no gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lucid.roi.forms import UPRIGHT, BoxForm
from lucid.roi.geometry import Geometry, Windows, as_column, clip, edges_of, numbered
from lucid.roi.operator import OutputSize, SpatialScale, as_output_size, as_spatial_scale
from lucid.roi.operators.align import scaled
from lucid.roi.taps import Grids, Taps
from lucid.roi.types import Array, Floats, Ints


class CellBins(NamedTuple):
    """The bins of lines that touch their map, (n,) each: cells from `begin` on, ends exclusive."""

    line: Ints
    bin: Ints
    begin: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class WholeCells:
    """What operators have in common whose bins are whole cells."""

    form: ClassVar[BoxForm] = UPRIGHT
    offset: ClassVar[float] = 0.0

    output_size: tuple[int, int]
    spatial_scale: tuple[float, float]

    @classmethod
    def checked(cls, output_size: OutputSize, spatial_scale: SpatialScale = 1.0) -> "WholeCells":
        """Return the operator that a caller asked for, or say which argument cannot be."""
        return cls(as_output_size(output_size), as_spatial_scale(spatial_scale))

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes; bin p is `floor(p * length + inner) + outer` and on."""
        with np.errstate(over="ignore", under="ignore"):
            notes = self._placed(edges_of(boxes), dtype)
        pooled = as_column(self.output_size)
        first = clip(_edge(0, notes, np.floor), 0, sizes).astype(np.int64)
        end = clip(_edge(pooled, notes, np.ceil), 0, sizes).astype(np.int64)
        count = np.maximum(end - first, 0)
        return Windows(first=np.minimum(first, sizes - 1), count=count, notes=notes)

    def _placed(self, edges: Floats, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
        """Return the lengths of bins, and what is added before and after they are rounded."""
        raise NotImplementedError

    def bins(self, geometry: Geometry) -> CellBins:
        """Return the cells of all bins of lines that touch their map."""
        pooled = np.repeat(self.output_size, len(geometry)) * (geometry.count.ravel() > 0)
        line, number = numbered(np.zeros_like(pooled), pooled)
        notes = [column.ravel()[line] for column in geometry.windows.notes]
        size = geometry.size.ravel()[line]
        begin = clip(_edge(number, notes, np.floor), 0, size).astype(np.int64)
        end = clip(_edge(number + 1, notes, np.ceil), 0, size).astype(np.int64)
        return CellBins(line, number, begin, end)

    def most_taps(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return how many cells the bins of a RoI may have along each axis."""
        (PH, PW), (height, width) = self.output_size, size
        return height + 2 * PH, width + 2 * PW

    def tap_counts(self, geometry: Geometry) -> Ints:
        """Return how many cells bins may have, (2, K)."""
        counts: Ints = (geometry.count + 2 * as_column(self.output_size)) * (geometry.count > 0)
        return counts

    def grids(self, geometry: Geometry) -> tuple[Grids, tuple[float, float]] | None:
        """Return None: there are no samples."""
        return None

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return the cells of bins, each with its share in the mean."""
        bins = self.bins(geometry)
        count = np.maximum(bins.end - bins.begin, 0)
        of, cell = numbered(bins.begin, count)
        weights = (1 / count[of])[None]
        gains = (np.zeros_like(weights),) * 2 if slopes else ()
        return Taps(bins.line[of], bins.bin[of], cell, weights, gains)


@dataclass(frozen=True, slots=True)
class RoiPool(WholeCells):
    """The largest cell of each bin; both ends of a rounded box are part of it."""

    def _placed(self, edges: Floats, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
        start, end = rounded(scaled(edges, self.spatial_scale, dtype))
        extent = np.maximum(end - start + dtype.type(1), dtype.type(1))
        length = extent / as_column(self.output_size).astype(dtype)
        return length, np.zeros_like(start), start


@dataclass(frozen=True, slots=True)
class PsRoiPool(WholeCells):
    """The mean of the cells of each bin; corners are rounded before they are scaled."""

    def _placed(self, edges: Floats, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
        corners = rounded(scaled(edges, (1.0, 1.0), dtype))
        corners[1] += dtype.type(1)
        start, end = scaled(corners, self.spatial_scale, dtype)
        extent = np.maximum(end - start, dtype.type(0.1))
        return extent / as_column(self.output_size).astype(dtype), start, np.zeros_like(start)


def rounded(values: Array) -> Array:
    """Return whole numbers, halves away from 0."""
    whole = np.trunc(values)
    nearest: Array = whole + np.copysign(np.abs(values - whole) >= 0.5, values)
    return nearest


def _edge(number: Any, notes: Sequence[Array], rounding: Any) -> Array:
    """Return an edge of bins, each step in the dtype of their lengths."""
    length, inner, outer = notes
    edge: Array = rounding(np.asarray(number).astype(length.dtype) * length + inner) + outer
    return edge
