"""Exact means of bins: the limit of RoIAlign as samples become many, and Precise RoI Pooling.

Between two neighbouring cells a surface is linear, so that its integral over a piece of a bin is
the length of the piece times the value at its middle: pieces are samples, of unequal weights.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lucid.roi.geometry import Geometry, Windows, as_column, clip, edges_of, numbered
from lucid.roi.operator import OutputSize, SpatialScale, as_output_size, as_spatial_scale
from lucid.roi.operators.align import FLOAT64, RoiAlign, Samples
from lucid.roi.taps import Grids, Taps
from lucid.roi.types import Array, Bools, Floats, Ints


class Extents(NamedTuple):
    """Where RoIs lie along each axis, (2, K)."""

    start: Floats  # in cells
    bin: Floats  # length of a bin in cells
    min_extent: Bools  # whether the extent is the minimum of one cell, whatever the end


class Bins(NamedTuple):
    """All bins of the lines of a geometry, (n,) each."""

    line: Ints
    bin: Ints
    start: Floats  # in cells
    length: Floats


class Pieces(NamedTuple):
    """Pieces of bins, (n,) each: between cell `low` and the next, beyond the map on one side."""

    of: Ints  # which of the bins
    low: Ints  # from -1 on
    begin: Floats  # from the start of the bin, in cells
    end: Floats


@dataclass(frozen=True, slots=True)
class LimitAlign(RoiAlign):
    """What RoIAlign comes to with more and more samples per bin."""

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes, with their extents as notes."""
        with np.errstate(over="ignore", under="ignore"):
            start, extent = self._extent(edges_of(boxes), FLOAT64)
        whole = np.maximum(extent, self._least_extent)
        stop, last = start + whole, sizes - 1
        first = np.floor(clip(start, 0, last)).astype(np.int64)
        end = np.minimum(np.floor(clip(stop, 0, last)).astype(np.int64) + 1, last)
        count = (end - first + 1) * ((start <= sizes) & (stop >= -1))
        notes = start, whole / as_column(self.output_size), extent < self._least_extent
        return Windows(first=first, count=count, notes=notes)

    def grids(self, geometry: Geometry) -> tuple[Grids, tuple[float, float]] | None:
        """Return None: pieces are not of one length."""
        return None

    def most_taps(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return how many pieces a RoI may have along each axis."""
        (PH, PW), (height, width) = self.output_size, size
        return 2 * PH + height, 2 * PW + width

    def tap_counts(self, geometry: Geometry) -> Ints:
        """Return how many pieces there may be, (2, K)."""
        counts: Ints = (geometry.count + 2 * as_column(self.output_size)) * (geometry.count > 0)
        return counts

    def samples(self, geometry: Geometry) -> Samples:
        """Return the middles of the pieces of all bins, as samples."""
        bins, pieces = self._pieces(geometry)
        return _middles(bins, pieces, geometry.size.ravel()[bins.line[pieces.of]] - 1)

    def _pieces(self, geometry: Geometry) -> tuple[Bins, Pieces]:
        """Return the bins of lines that touch their map, and their pieces on it."""
        bins = _bins(geometry, self.output_size)
        size = geometry.size.ravel()[bins.line]
        stop = bins.start + bins.length
        first = np.floor(clip(bins.start, -1, size - 1)).astype(np.int64)
        last = np.ceil(clip(stop, -1, size)).astype(np.int64) - 1
        last = np.where(bins.length > 0, last, first)
        touches = (bins.start <= size) & (stop >= -1)
        of, low = numbered(first, np.maximum(last - first + 1, 0) * touches)
        ahead = low - bins.start[of]
        begin, end = np.maximum(ahead, 0), np.minimum(ahead + 1, bins.length[of])
        some = np.flatnonzero((begin < end) | (bins.length[of] == 0))
        return bins, Pieces(of[some], low[some], begin[some], end[some])

    def _slopes(self, geometry: Geometry, samples: Samples) -> tuple[Floats, Floats]:
        """Return what weights gain per input coordinate of the start, and of the end.

        The surface falls to 0 one cell beyond the outermost ones: a bin across that step gains or
        loses what is there, spread over its length.
        """
        slopes = RoiAlign._slopes(self, geometry, samples)
        bins, (of, low, *_) = self._pieces(geometry)
        line, size = samples.line, geometry.size.ravel()[samples.line]
        start, length = bins.start[of], bins.length[of]
        before = np.where((low == -1) & (start < -1), -1 - start, np.nan)
        after = np.where((low == size - 1) & (start + length > size), size - start, np.nan)
        for step, sign in ((before, 1), (after, -1)):
            at = np.flatnonzero(np.isfinite(step) & (length > 0))
            gain = sign * np.repeat(self.spatial_scale, len(geometry))[line[at]] / length[at]
            passed = samples.bin[at] + step[at] / length[at]
            by_end = gain * self._end_share(geometry, line[at], passed)
            slopes[0][0, at] += gain - by_end
            slopes[1][0, at] += by_end
        return slopes


@dataclass(frozen=True, slots=True)
class PrRoiPool(LimitAlign):
    """Precise RoI Pooling: each cell is a hat, which falls to 0 at its neighbours or beyond."""

    @classmethod
    def checked(  # type: ignore[override]
        cls, output_size: OutputSize, spatial_scale: SpatialScale = 1.0
    ) -> "PrRoiPool":
        """Return the operator that a caller asked for, or say which argument cannot be."""
        size, scale = as_output_size(output_size), as_spatial_scale(spatial_scale)
        return cls(size, scale, sampling_ratio=-1, aligned=False)

    @property
    def _least_extent(self) -> int:
        return 0

    def _pieces(self, geometry: Geometry) -> tuple[Bins, Pieces]:
        """Return what has an extent."""
        bins, pieces = LimitAlign._pieces(self, geometry)
        some = np.flatnonzero(pieces.begin < pieces.end)
        return bins, Pieces._make(values[some] for values in pieces)

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return the pieces, each of which reads two cells, or one beyond the outermost."""
        bins, pieces = self._pieces(geometry)
        samples = _middles(bins, pieces, geometry.size.ravel()[bins.line[pieces.of]] - 1)
        share, part = 1 / samples.per_bin, samples.position - pieces.low
        low, last = pieces.low, samples.last
        rise = np.repeat(self.spatial_scale, len(geometry))[samples.line] * share
        by_end = rise * self._end_share(geometry, samples.line, samples.bins_from_start)
        gains = (rise - by_end, by_end) if slopes else ()
        return Taps(
            line=samples.line,
            bin=samples.bin,
            cell=np.maximum(low, 0),
            weights=_hats(low, last, (1 - part) * share, part * share),
            slopes=tuple(_hats(low, last, -gain, gain) for gain in gains),
        )


def _bins(geometry: Geometry, output_size: tuple[int, int]) -> Bins:
    """Return the bins of all lines that touch their map."""
    extents = Extents._make(column.ravel() for column in geometry.windows.notes)
    pooled = np.repeat(output_size, len(geometry)) * (geometry.count.ravel() > 0)
    line, number = numbered(np.zeros_like(pooled), pooled)
    length = extents.bin[line]
    return Bins(line, number, extents.start[line] + number * length, length)


def _middles(bins: Bins, pieces: Pieces, last: Ints) -> Samples:
    """Return pieces as samples at their middles; where a bin has no length, the sample is there."""
    start, length = bins.start[pieces.of], bins.length[pieces.of]
    has_length = length > 0
    middle, divisor = (pieces.begin + pieces.end) / 2, np.where(has_length, length, 1)
    along = np.where(has_length, middle / divisor, 0.5)
    position: Floats = np.add(clip(start - pieces.low + middle, 0, 1), pieces.low)
    from_start: Floats = np.add(bins.bin[pieces.of], along)
    piece = np.where(has_length, pieces.end - pieces.begin, 1)
    return Samples(
        line=bins.line[pieces.of],
        bin=bins.bin[pieces.of],
        per_bin=divisor / piece,
        bins_from_start=from_start,
        position=position,
        last=last,
    )


def _hats(low: Ints, last: Ints, first: Floats, second: Floats) -> Array:
    """Return weights of cell `low` and the next without those beyond the map, from cell 0 on."""
    before = low < 0
    own, other = np.where(before, second, first), np.where(before | (low == last), 0, second)
    return np.array([own, other])
