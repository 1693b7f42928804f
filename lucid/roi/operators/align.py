"""RoIAlign: each bin is the mean of bilinear samples on a regular grid inside it."""

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple, SupportsIndex

import numpy as np

from lucid.roi.forms import UPRIGHT, BoxForm
from lucid.roi.geometry import Geometry, Windows, as_column, clip, edges_of, numbered
from lucid.roi.operator import (
    OutputSize,
    SpatialScale,
    as_aligned,
    as_output_size,
    as_sampling_ratio,
    as_spatial_scale,
)
from lucid.roi.taps import Grids, Rule, Taps
from lucid.roi.types import Array, Bools, Floats, Ints

FLOAT64 = np.dtype(np.float64)
FAR_CELLS = 2.0**1020  # positions are held inside, so that sums of them stay finite
MAX_BIN_SAMPLES = 2**40  # a bin of more averages to zero on any map that can exist


class Samples(NamedTuple):
    """Samples in range, (n,) each; those of a bin are averaged."""

    line: Ints
    bin: Ints
    per_bin: Array  # samples of its bin, in range or not: one has a weight of 1 / per_bin
    bins_from_start: Floats
    position: Floats  # in cells
    last: Ints  # cell of the map


@dataclass(frozen=True, slots=True)
class RoiAlign:
    """RoIAlign with its parameters fixed; pairs are height before width."""

    form: ClassVar[BoxForm] = UPRIGHT

    output_size: tuple[int, int]
    spatial_scale: tuple[float, float]
    sampling_ratio: int
    aligned: bool
    max_samples: int = MAX_BIN_SAMPLES  # of a bin along an axis, where they are counted

    @classmethod
    def checked(
        cls,
        output_size: OutputSize,
        spatial_scale: SpatialScale = 1.0,
        sampling_ratio: SupportsIndex = -1,
        aligned: bool = False,
    ) -> "RoiAlign":
        """Return the operator that a caller asked for, or say which argument cannot be.

        Raises
        ------
        TypeError, ValueError
            If an argument has no meaning.
        """
        return cls(
            as_output_size(output_size),
            as_spatial_scale(spatial_scale),
            int(as_sampling_ratio(sampling_ratio)),
            as_aligned(aligned),
        )

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes, with their grids as notes."""
        edges, pooled = edges_of(boxes), as_column(self.output_size)
        with np.errstate(over="ignore", under="ignore"):
            start, extent = self._extent(edges, FLOAT64)
            samples = self._samples_per_bin(edges, dtype)
        length = np.maximum(extent, self._least_extent) / pooled
        first, count = _outermost(start, length, samples, pooled, sizes)
        notes = start, length, extent < self._least_extent, samples
        return Windows(first=first, count=count, notes=notes)

    @property
    def offset(self) -> float:
        """What is subtracted from positions, in cells."""
        return 0.5 * self.aligned

    @property
    def rule(self) -> Rule:
        """How grids follow from boxes."""
        most = min(self.max_samples, MAX_BIN_SAMPLES)
        return Rule(self.spatial_scale, self.offset, self._least_extent, self.sampling_ratio, most)

    @property
    def _least_extent(self) -> int:
        """The least extent in cells; no valid box has one below 0."""
        return 0 if self.aligned else 1

    def grids(self, geometry: Geometry) -> tuple[Grids, tuple[float, float]] | None:
        """Return the grids of samples, of none where none is in range, and the spatial scale."""
        grids = Grids._make(geometry.windows.notes)
        return grids._replace(samples=grids.samples * (geometry.count > 0)), self.spatial_scale

    def _extent(self, edges: Floats, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Return start and end - start in cells, each step rounded to `dtype`, never infinite."""
        start, end = scaled(edges, self.spatial_scale, dtype) - dtype.type(self.offset)
        return start, end - start

    def _samples_per_bin(self, edges: Floats, dtype: np.dtype[Any]) -> Ints:
        """Return the samples per bin (2, K), counted in `dtype` as the reference kernels count.

        A side of exactly 14 cells must not become 15 samples because float64 sees what float32
        rounds away.
        """
        if self.sampling_ratio > 0:
            return np.full(edges.shape[1:], self.sampling_ratio)
        _, extent = self._extent(edges, dtype)
        pooled = as_column(self.output_size).astype(dtype)
        samples = np.ceil(np.maximum(extent, dtype.type(self._least_extent)) / pooled)
        counts: Ints = np.minimum(samples, self.max_samples).astype(np.int64)
        return counts

    def most_taps(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return how many samples a RoI may have in range along each axis."""
        (PH, PW), (height, width), ratio = self.output_size, size, self.sampling_ratio
        return (PH * ratio, PW * ratio) if ratio > 0 else (2 * height + PH, 2 * width + PW)

    def tap_counts(self, geometry: Geometry) -> Ints:
        """Return how many samples may be in range, (2, K)."""
        return self._near(geometry)[1]

    def _near(self, geometry: Geometry) -> tuple[Ints, Ints]:
        """Return, per axis and RoI, the first sample that may be in range and how many may be.

        A RoI's samples are numbered through its bins. A box may be far larger than the map; only
        the samples near it are ever listed, two more on each side than arithmetic asks for.
        """
        grids = Grids._make(geometry.windows.notes)
        total = (grids.samples * as_column(self.output_size)).astype(np.float64)
        step = grids.bin / np.maximum(grids.samples, 1)
        spread = step > 0
        step = np.where(spread, step, 1)
        with np.errstate(over="ignore"):
            low = np.ceil((-1 - grids.start) / step - 0.5) - 2
            high = np.floor((geometry.size - grids.start) / step - 0.5) + 3
        low = clip(np.where(spread, low, 0), 0, total).astype(np.int64)
        high = clip(np.where(spread, high, total), 0, total).astype(np.int64)
        return low, np.where(geometry.count > 0, np.maximum(high - low, 0), 0)

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return the samples in range; each reads two cells."""
        return self.taps_of(geometry, self.samples(geometry), slopes)

    def taps_of(self, geometry: Geometry, samples: Samples, slopes: bool) -> Taps:
        """Return what some samples read."""
        clamped, share = clip(samples.position, 0, samples.last), 1 / samples.per_bin
        cell = clamped.astype(np.int64)
        fraction = clamped - cell
        return Taps(
            line=samples.line,
            bin=samples.bin,
            cell=cell,
            weights=np.array([(1 - fraction) * share, fraction * share]),
            slopes=self._slopes(geometry, samples) if slopes else (),
        )

    def coverage(self, geometry: Geometry) -> Floats:
        """Return how much of each bin is on the map, (K, PH, PW): samples in range of all."""
        rows, cols = self.covered(geometry)
        covered: Floats = rows[:, :, None] * cols[:, None]
        return covered

    def covered(self, geometry: Geometry) -> tuple[Floats, Floats]:
        """Return how much of each bin is on the map along each axis, (K, PH) and (K, PW)."""
        taps, (PH, PW), K = self.taps(geometry, False), self.output_size, len(geometry)
        sums = taps.sums(taps.weights, (PH, PW), K)
        return sums[:K, :PH], sums[K:, :PW]

    def samples(self, geometry: Geometry) -> Samples:
        """Return the samples in range of all RoIs, sorted by line and position."""
        line, number = numbered(*(column.ravel() for column in self._near(geometry)))
        grids = Grids._make(column.ravel() for column in geometry.windows.notes)
        per_bin, size = grids.samples[line], geometry.size.ravel()[line]
        of_bin = number // per_bin
        from_start = of_bin + (number - of_bin * per_bin + 0.5) / per_bin
        position = grids.start[line] + from_start * grids.bin[line]
        found = Samples(
            line=line,
            bin=of_bin,
            per_bin=per_bin,
            bins_from_start=from_start,
            position=position,
            last=size - 1,
        )
        some = np.flatnonzero((position >= -1) & (position <= size))
        if len(some) == len(line):
            return found
        return Samples._make(values[some] for values in found)

    def _slopes(self, geometry: Geometry, samples: Samples) -> tuple[Floats, Floats]:
        """Return what weights gain per input coordinate of the start, and of the end."""
        line, position = samples.line, samples.position
        moves = (position >= 0) & (position < samples.last)  # not clamped
        rise = np.repeat(self.spatial_scale, len(geometry))[line] * moves / samples.per_bin
        by_end = rise * self._end_share(geometry, line, samples.bins_from_start)
        by_start = rise - by_end
        return np.array([-by_start, by_start]), np.array([-by_end, by_end])

    def _end_share(self, geometry: Geometry, line: Ints, bins_from_start: Floats) -> Floats:
        """Return how far points of lines move if the end does by one, the start staying."""
        along = bins_from_start / np.repeat(self.output_size, len(geometry))[line]
        share: Floats = np.where(geometry.windows.notes[2].ravel()[line], 0, along)
        return share


def scaled(values: Array, scale: tuple[float, ...], dtype: np.dtype[Any]) -> Array:
    """Return values (.., axis, K) in cells, each step rounded to `dtype`, never infinite."""
    factors, largest, far = _limits(scale, dtype)
    if dtype != values.dtype:
        values = clip(values, -largest, largest).astype(dtype)
    return clip(values * factors, -far, far)


@cache
def _limits(scale: tuple[float, ...], dtype: np.dtype[Any]) -> tuple[Array, float, float]:
    """Return the factors to cells in a dtype, (2, 1), its largest number and its last position."""
    largest = float(np.finfo(dtype).max)
    factors = np.minimum(as_column(scale), largest).astype(dtype)
    return factors, largest, min(FAR_CELLS, largest / 8)


def _outermost(
    start: Floats, length: Floats, samples: Ints, pooled: Ints, size: Ints
) -> tuple[Ints, Ints]:
    """Return the first touched cell and the number of them, from the outermost samples."""
    some = np.maximum(samples, 1)
    lowest = start + 0.5 / some * length
    highest = start + (pooled - 1 + (some - 0.5) / some) * length
    return touched(lowest, highest, samples > 0, size)


def touched(lowest: Floats, highest: Floats, some: Bools, size: Ints) -> tuple[Ints, Ints]:
    """Return the first cell that samples between two positions touch, and how many they do."""
    end = size - 1
    first = clip(lowest, 0, end).astype(np.int64)
    last = np.minimum(clip(highest, 0, end).astype(np.int64) + 1, end)
    touches = some & (lowest <= size) & (highest >= -1)
    return first, (last - first + 1) * touches
