"""What each RoI touches and with which weights, known before a pixel is read.

RoIAlign is separable: the mask and the bilinear weights of a sample factor into a part of its
row and a part of its column, so the average over a bin's grid of samples is

    crop[p, q] = sum over h, w of row_weights[p, h] * features[h, w] * col_weights[q, w]

Each axis is laid out on its own. This is the only place where x, y becomes y, x.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.operator import Operator

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAR = 2.0**1020  # cells; positions are held inside, so that sums of them stay finite
MOST_SAMPLES = 2.0**40  # per bin; a bin so long averages to zero on any map that can exist
PART = 1 << 18  # samples and weights laid out at once: a few MB, which the cache holds


class Weights(NamedTuple):
    """Matrices (pooled, count) of the RoIs of one axis, one after the other."""

    flat: Array
    offset: Ints  # (K,) where the matrix of a RoI begins


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of K RoIs on a map: a grid of samples each, and the cells it touches."""

    size: int  # cells of the map
    pooled: int  # bins of a RoI
    scale: float
    start: Floats  # (K,) in cells
    bin: Floats  # (K,) length of a bin in cells
    held: NDArray[np.bool_]  # (K,) the extent is the minimum of one cell, whatever the end
    grid: Ints  # (K,) samples per bin
    first: Ints  # (K,) first touched cell
    count: Ints  # (K,) touched cells; 0 when every sample is out of range

    def __getitem__(self, part: slice | NDArray[np.intp]) -> "Axis":
        return Axis(
            self.size,
            self.pooled,
            self.scale,
            self.start[part],
            self.bin[part],
            self.held[part],
            self.grid[part],
            self.first[part],
            self.count[part],
        )

    def weights(self, dtype: DTypeLike) -> Weights:
        """Return the averaged bilinear weights."""
        samples = _in_range(self)
        share = 1 / samples.grid
        flat = self._scatter(samples, (1 - samples.fraction) * share, samples.fraction * share)
        return Weights(flat.astype(dtype), self._offset())

    def slopes(self, dtype: DTypeLike) -> list[Weights]:
        """Return the derivatives of the weights by the start and by the end, in box units."""
        samples = _in_range(self)
        moves = (samples.position >= 0) & (samples.position < self.size - 1)  # not clamped
        share = self.scale * moves / samples.grid
        by_end = np.where(self.held[samples.roi], 0, share * samples.along)
        by_start = share - by_end
        return [
            Weights(self._scatter(samples, -rise, rise).astype(dtype), self._offset())
            for rise in (by_start, by_end)
        ]

    def _offset(self) -> Ints:
        cells = self.pooled * self.count
        return np.cumsum(cells) - cells

    def _scatter(self, samples: "_Samples", at_low: Floats, at_high: Floats) -> Floats:
        """Sum what the samples give to their low and high cell, per bin and cell."""
        roi, low = samples.roi, samples.low
        cell = self._offset()[roi] + samples.bin * self.count[roi] + low - self.first[roi]
        total = self.pooled * int(self.count.sum())
        # On the last cell the upper weight is 0 and falls one behind: hence one more.
        flat: Array = np.bincount(cell, at_low, total + 1)
        flat += np.bincount(cell + 1, at_high, total + 1)
        return flat[:total]


class _Samples(NamedTuple):
    """The samples of all RoIs of an axis that are in range, flat."""

    roi: Ints
    bin: Ints
    grid: Ints  # of its RoI
    along: Floats  # 0 at the start of the RoI, 1 at its end
    position: Floats  # in cells
    low: Ints
    fraction: Floats  # of the way from cell low to cell low + 1


@dataclass(frozen=True, slots=True)
class Geometry:
    """K RoIs on a map: their rows and their columns."""

    rows: Axis
    cols: Axis

    def __len__(self) -> int:
        return len(self.rows.start)

    def __getitem__(self, part: slice | NDArray[np.intp]) -> "Geometry":
        return Geometry(self.rows[part], self.cols[part])

    def touched(self) -> NDArray[np.int64]:
        """Return the number of cells in each RoI's window, (K,)."""
        return self.rows.count * self.cols.count

    def bounds(self) -> tuple[slice, slice]:
        """Return the rows and columns of the smallest window that holds all windows."""
        some = self.touched() > 0
        return _span(self.rows, some), _span(self.cols, some)

    def parts(self, limit: int = PART) -> Iterator[slice]:
        """Yield runs of RoIs whose weights are worth laying out together."""
        if len(self) == 1:
            yield slice(0, 1)
            return
        cost = np.cumsum(_cost(self.rows) + _cost(self.cols))
        begin = 0
        while begin < len(self):
            before = cost[begin - 1] if begin else 0
            end = int(np.searchsorted(cost, before + limit, side="right"))
            yield slice(begin, begin := max(end, begin + 1))


def lay_out(boxes: Floats, operator: Operator, size: tuple[int, int], dtype: DTypeLike) -> Geometry:
    """Return the geometry of boxes (K, 4) on a map of `size` (H, W) cells.

    `dtype` is the one that features are weighted in: the number of samples is decided in it.
    """
    rows, cols = boxes[:, [1, 3]].T, boxes[:, [0, 2]].T
    return Geometry(
        *(
            _lay_axis(edges, operator, axis, size[axis], np.dtype(dtype))
            for axis, edges in enumerate((rows, cols))
        )
    )


def _lay_axis(
    edges: Floats, operator: Operator, axis: int, size: int, dtype: np.dtype[Any]
) -> Axis:
    pooled, scale = operator.output_size[axis], operator.spatial_scale[axis]
    start, extent = _extent(edges, scale, operator.aligned, np.dtype(np.float64))
    held = (extent < 1) & (not operator.aligned)
    extent = np.where(held, 1, extent)
    if operator.sampling_ratio > 0:
        grid = np.full(len(start), operator.sampling_ratio)
    else:
        # Counted in the features' precision, as the reference kernels count: a side of exactly 14
        # cells must not become 15 samples because float64 sees what float32 rounds away.
        _, counted = _extent(edges, scale, operator.aligned, dtype)
        counted = counted if operator.aligned else np.maximum(counted, dtype.type(1))
        samples = np.ceil(counted / dtype.type(pooled))
        grid = np.minimum(samples, MOST_SAMPLES).astype(np.int64)
    first, count = _window(start, extent / pooled, grid, pooled, size)
    return Axis(size, pooled, scale, start, extent / pooled, held, grid, first, count)


def _extent(
    edges: Floats, scale: float, aligned: bool, dtype: np.dtype[Any]
) -> tuple[Array, Array]:
    """Return start and end - start in cells, each step rounded to `dtype`, never infinite."""
    largest = float(np.finfo(dtype).max)
    far = min(FAR, largest / 8)
    factor, offset = dtype.type(min(scale, largest)), dtype.type(0.5 * aligned)

    with np.errstate(over="ignore", under="ignore"):
        scaled = np.clip(edges, -largest, largest).astype(dtype) * factor
    start, end = np.clip(scaled, -far, far) - offset
    return start, end - start


def _window(
    start: Floats, axis_bin: Floats, grid: Ints, pooled: int, size: int
) -> tuple[Ints, Ints]:
    """Return the first touched cell and the number of them, from the outermost samples."""
    some = np.maximum(grid, 1)
    lowest = start + 0.5 / some * axis_bin
    highest = start + (pooled - 1 + (some - 0.5) / some) * axis_bin
    first = np.floor(np.clip(lowest, 0, size - 1)).astype(np.int64)
    last = np.minimum(np.floor(np.clip(highest, 0, size - 1)).astype(np.int64) + 1, size - 1)
    touches = (grid > 0) & (lowest <= size) & (highest >= -1)
    return first, np.where(touches, last - first + 1, 0)


def _candidates(axis: Axis) -> tuple[Ints, Ints]:
    """Return, per RoI, the first sample that may be in range and how many may be.

    A RoI's samples are numbered through its bins. A box may be far larger than the map; only the
    samples near it are ever listed, two more on each side than arithmetic asks for.
    """
    total = (axis.grid * axis.pooled).astype(np.float64)
    step = axis.bin / np.maximum(axis.grid, 1)
    apart = step > 0
    step = np.where(apart, step, 1)
    with np.errstate(over="ignore"):
        low = np.ceil((-1 - axis.start) / step - 0.5) - 2
        high = np.floor((axis.size - axis.start) / step - 0.5) + 3
    low = np.clip(np.where(apart, low, 0), 0, total).astype(np.int64)
    high = np.clip(np.where(apart, high, total), 0, total).astype(np.int64)
    return low, np.where(axis.count > 0, np.maximum(high - low, 0), 0)


def _in_range(axis: Axis) -> _Samples:
    """List the samples in range of all RoIs: positions, and the cells that they fall between."""
    low, many = _candidates(axis)
    roi = np.repeat(np.arange(len(many)), many)
    number = np.arange(len(roi)) + np.repeat(low - (np.cumsum(many) - many), many)
    grid = axis.grid[roi]
    of_bin = number // grid
    bins = of_bin + (number - of_bin * grid + 0.5) / grid
    position = axis.start[roi] + bins * axis.bin[roi]
    inside = (position >= -1) & (position <= axis.size)
    if not inside.all():
        roi, of_bin, grid, bins, position = (
            column[inside] for column in (roi, of_bin, grid, bins, position)
        )
    clamped = np.clip(position, 0, axis.size - 1)
    cell = np.floor(clamped).astype(np.int64)
    return _Samples(roi, of_bin, grid, bins / axis.pooled, position, cell, clamped - cell)


def _cost(axis: Axis) -> Ints:
    """Return, per RoI, how many numbers its samples and weights are."""
    return _candidates(axis)[1] + axis.pooled * axis.count


def _span(axis: Axis, some: NDArray[np.bool_]) -> slice:
    """Return the cells from the first to the last that these RoIs touch."""
    if not some.any():
        return slice(0, 0)
    first, count = axis.first[some], axis.count[some]
    return slice(int(first.min()), int((first + count).max()))
