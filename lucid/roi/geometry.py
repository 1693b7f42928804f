"""What each RoI touches, known before a pixel is read.

RoIAlign is separable: a RoI has a grid of samples along each axis, and each axis is laid out on
its own. This is the only place where x, y becomes y, x: arrays are (2, K), rows before columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lucid.roi.operator import Operator

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Part = slice | NDArray[np.intp]

FAR = 2.0**1020  # cells; positions are held inside, so that sums of them stay finite
MOST_SAMPLES = 2.0**40  # per bin; a bin so long averages to zero on any map that can exist
PART = 1 << 18  # samples and weights laid out at once: a few MB, which the cache holds


@dataclass(frozen=True, slots=True)
class Geometry:
    """K RoIs on their maps: along each axis a grid of samples, and the window that it touches."""

    pooled: tuple[int, int]  # bins of a RoI
    scale: tuple[float, float]
    size: Ints  # (2, K) cells of the map
    start: Floats  # (2, K) in cells
    bin: Floats  # (2, K) length of a bin in cells
    held: NDArray[np.bool_]  # (2, K) the extent is the minimum of one cell, whatever the end
    grid: Ints  # (2, K) samples per bin
    first: Ints  # (2, K) first touched cell
    count: Ints  # (2, K) touched cells; 0 when every sample is out of range

    def __len__(self) -> int:
        return len(self.start[0])

    def __getitem__(self, part: Part) -> "Geometry":
        return Geometry(self.pooled, self.scale, *(column[:, part] for column in self._columns()))

    def _columns(self) -> tuple[Array, ...]:
        return self.size, self.start, self.bin, self.held, self.grid, self.first, self.count

    @staticmethod
    def joined(parts: Sequence["Geometry"]) -> "Geometry":
        """Return the RoIs of several geometries by one operator, one after the other."""
        if len(parts) == 1:
            return parts[0]
        columns = zip(*(part._columns() for part in parts), strict=True)
        first, joined = parts[0], (np.concatenate(column, axis=1) for column in columns)
        return Geometry(first.pooled, first.scale, *joined)

    def touched(self) -> Ints:
        """Return the number of cells in each RoI's window, (K,)."""
        cells: Ints = self.count[0] * self.count[1]
        return cells

    def bounds(self) -> tuple[slice, slice]:
        """Return the rows and columns of the smallest window that holds all windows."""
        some = self.touched() > 0
        if not some.any():
            return slice(0, 0), slice(0, 0)
        begin = self.first[:, some].min(axis=1).tolist()
        end = (self.first + self.count)[:, some].max(axis=1).tolist()
        return slice(begin[0], end[0]), slice(begin[1], end[1])

    def candidates(self) -> tuple[Ints, Ints]:
        """Return, per axis and RoI, the first sample that may be in range and how many may be.

        A RoI's samples are numbered through its bins. A box may be far larger than the map; only
        the samples near it are ever listed, two more on each side than arithmetic asks for.
        """
        total = (self.grid * _column(self.pooled)).astype(np.float64)
        step = self.bin / np.maximum(self.grid, 1)
        apart = step > 0
        step = np.where(apart, step, 1)
        with np.errstate(over="ignore"):
            low = np.ceil((-1 - self.start) / step - 0.5) - 2
            high = np.floor((self.size - self.start) / step - 0.5) + 3
        low = clip(np.where(apart, low, 0), 0, total).astype(np.int64)
        high = clip(np.where(apart, high, total), 0, total).astype(np.int64)
        return low, np.where(self.count > 0, np.maximum(high - low, 0), 0)

    def parts(self) -> Iterator[NDArray[np.intp]]:
        """Yield the RoIs, those with like windows together, in parts to be laid out at once."""
        if len(self) == 1:
            yield np.zeros(1, np.intp)
            return
        order = np.lexsort(self.count)
        numbers = self.candidates()[1] + _column(self.pooled) * self.count
        cost = np.cumsum(numbers.sum(axis=0)[order] + 2 * max(self.pooled))  # also of no cells
        begin = 0
        while begin < len(self):
            before = cost[begin - 1] if begin else 0
            end = int(np.searchsorted(cost, before + PART, side="right"))
            yield order[begin : (begin := max(end, begin + 1))]


def lay_out(boxes: Floats, operator: Operator, size: ArrayLike, dtype: DTypeLike) -> Geometry:
    """Return the geometry of boxes (K, 4) on maps of `size` cells: (H, W), or one each, (2, K).

    `dtype` is the one that features are weighted in: the number of samples is decided in it.
    """
    dtype = np.dtype(dtype)
    sizes: Ints = np.asarray(size, np.int64).reshape(2, -1) + np.zeros((1, len(boxes)), np.int64)
    edges = boxes.T[[1, 0, 3, 2]].reshape(2, 2, -1)  # (start or end, axis, K)
    pooled = _column(operator.output_size)
    start, extent = _extent(edges, operator, np.dtype(np.float64))
    held = (extent < 1) & (not operator.aligned)
    extent = np.where(held, 1, extent)
    if operator.sampling_ratio > 0:
        grid = np.full(extent.shape, operator.sampling_ratio)
    else:
        # Counted in the features' precision, as the reference kernels count: a side of exactly 14
        # cells must not become 15 samples because float64 sees what float32 rounds away.
        _, counted = _extent(edges, operator, dtype)
        counted = counted if operator.aligned else np.maximum(counted, dtype.type(1))
        samples = np.ceil(counted / pooled.astype(dtype))
        grid = np.minimum(samples, MOST_SAMPLES).astype(np.int64)
    bins = extent / pooled
    first, count = _window(start, bins, grid, pooled, sizes)
    scale = operator.spatial_scale
    return Geometry(operator.output_size, scale, sizes, start, bins, held, grid, first, count)


def _extent(edges: Floats, operator: Operator, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return start and end - start in cells, each step rounded to `dtype`, never infinite."""
    largest = float(np.finfo(dtype).max)
    far = min(FAR, largest / 8)
    factor = np.minimum(_column(operator.spatial_scale), largest).astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        scaled = clip(edges, -largest, largest).astype(dtype) * factor
    start, end = clip(scaled, -far, far) - dtype.type(0.5 * operator.aligned)
    return start, end - start


def _window(start: Floats, bins: Floats, grid: Ints, pooled: Ints, size: Ints) -> tuple[Ints, Ints]:
    """Return the first touched cell and the number of them, from the outermost samples."""
    some = np.maximum(grid, 1)
    lowest = start + 0.5 / some * bins
    highest = start + (pooled - 1 + (some - 0.5) / some) * bins
    first = np.floor(clip(lowest, 0, size - 1)).astype(np.int64)
    last = np.minimum(np.floor(clip(highest, 0, size - 1)).astype(np.int64) + 1, size - 1)
    touches = (grid > 0) & (lowest <= size) & (highest >= -1)
    return first, np.where(touches, last - first + 1, 0)


def clip(values: Array, least: ArrayLike, most: ArrayLike) -> Array:
    """Return what `np.clip` does, which takes several times as long for few values."""
    clipped: Array = np.minimum(np.maximum(values, least), most)
    return clipped


def _column(pair: tuple[Any, Any]) -> Array:
    """Return a pair, height before width, as (2, 1)."""
    return np.array(pair)[:, None]
