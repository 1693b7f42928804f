"""Maps as tables of cells: the channels of a cell side by side, as the kernel gathers them."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.blas import transposition
from lucid.roi.geometry import Geometry, Ints
from lucid.roi.workers import Workspace

Array = NDArray[Any]
Copy = tuple[Array, Array]  # a part of a map (C, h, w), and where its cells belong, (h, w, C)

COPIED, SIDE_BY_SIDE = 1 << 20, 256  # numbers, and channels, that are copied in one go
STREAMS = 64  # channels that NumPy copies at once: it would read more too slowly
LONG = 1 << 14  # numbers of a row that repay a call
STAGED = 1 << 18  # numbers
ACROSS = 256  # cells that are copied back at once
LINE = 64  # bytes that the cache holds together
# Channels that lie at a multiple of so many bytes share a few places of the cache; so many of
# them, with so many cells, drive each other out.
CROWDED, MANY, LARGE = 1 << 10, 32, 256


class Region(NamedTuple):
    """A map, or a part of one, and how many of the RoIs of a geometry lie on it."""

    features: Array  # (C, h, w)
    rois: int
    origin: tuple[int, int] = (0, 0)  # the cell of the map that the part begins at


class Cells(NamedTuple):
    """The cells that RoIs touch: cell (y, x) of RoI k is in row `base[k] + y * pitch[k] + x`."""

    table: Array  # (cells, C)
    base: Ints  # (K,)
    pitch: Ints  # (K,)


def lay_cells(
    regions: Sequence[Region], geometry: Geometry, dtype: DTypeLike, space: Workspace
) -> tuple[Cells, Iterator[Copy]]:
    """Return the cells that RoIs touch, once the copies are made that are returned with them.

    The RoIs of a region follow those of the one before. A region is copied as a whole, or window
    by window where that is less.
    """
    owner = np.repeat(np.arange(len(regions)), [region.rois for region in regions])
    leads = np.ones(len(owner), bool)
    leads[1:] = owner[1:] != owner[:-1]
    begin, sides = _bounds(geometry, leads)
    apart = np.add.reduceat(geometry.touched(), np.flatnonzero(leads)) <= sides.prod(axis=0)
    if apart.any():
        leads |= apart[owner]
        begin, sides = _bounds(geometry, leads)
    cells = sides.prod(axis=0)
    at = np.cumsum(cells) - cells
    which = np.cumsum(leads) - 1
    pitch = sides[1, which]
    shape = int(cells.sum()), regions[0].features.shape[0]
    table = space.array("cells", shape, np.dtype(dtype))
    pieces = zip(owner[leads].tolist(), *begin.tolist(), *sides.tolist(), at.tolist(), strict=True)
    base = at[which] - begin[0, which] * pitch - begin[1, which]
    return Cells(table, base, pitch), _copies(regions, pieces, table)


def _bounds(geometry: Geometry, leads: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the first cells, and the sides, of the smallest windows that hold runs of windows."""
    some, runs = geometry.touched() > 0, np.flatnonzero(leads)
    begin = np.minimum.reduceat(np.where(some, geometry.first, geometry.size), runs, axis=1)
    end = np.maximum.reduceat(np.where(some, geometry.first + geometry.count, 0), runs, axis=1)
    return begin, np.maximum(end - begin, 0)


def _copies(
    regions: Sequence[Region], pieces: Iterator[tuple[int, ...]], table: Array
) -> Iterator[Copy]:
    """Yield parts of maps, and where their cells belong."""
    channels = table.shape[1]
    for owner, y, x, height, width, at in pieces:
        features, _, (top, left) = regions[owner]
        part = features[:, y - top : y - top + height, x - left : x - left + width]
        place = table[at : at + height * width].reshape(height, width, channels)
        cells = COPIED // max(min(channels, SIDE_BY_SIDE), 1)
        step = max(cells // max(width, 1), 1)
        cuts = _cuts(height, step), _cuts(width, cells), _cuts(channels, SIDE_BY_SIDE)
        for rows, cols, some in product(*cuts):
            yield part[some, rows, cols], place[rows, cols, some]


def _cuts(size: int, step: int) -> list[slice]:
    return [slice(begin, begin + step) for begin in range(0, size, step)]


def copy(space: Workspace, what: Copy) -> None:
    """Copy a part of a map."""
    part, place = what
    if _transposed(part, place):
        return
    (channels, height, width), distance = part.shape, part.strides[0]
    crowded = distance and distance % CROWDED == 0
    large = channels >= MANY and height * width >= LARGE
    if not large or not (crowded or part.dtype != place.dtype):
        _copy_streams(part, place)
        return
    for rows in _cuts(height, max(STAGED // (channels * width), 1)):
        staged = _staggered(part[:, rows], place.dtype, space)
        if not _transposed(staged, place[rows]):
            _copy_streams(staged, place[rows])


def _copy_streams(part: Array, place: Array) -> None:
    for some in _cuts(len(part), STREAMS):
        place[:, :, some] = part[some].transpose(1, 2, 0)


def move(space: Workspace, what: Copy) -> None:
    """Copy cells back to a part of a map."""
    part, place = what
    if _transposed(part, place, back=True):
        return
    for y, some in product(range(place.shape[0]), _cuts(place.shape[1], ACROSS)):
        cells = place[y, some]
        wider = len(cells), len(part) + LINE // cells.itemsize
        padded = space.array("padded", wider, cells.dtype)[:, : len(part)]
        padded[...] = cells  # or else cells would share a few places of the cache
        part[:, y, some] = padded.T


def _transposed(part: Array, place: Array, back: bool = False) -> bool:
    """Copy a part of a map to its cells, or back, by BLAS if that can; return whether it did.

    It can do rows of float32 at a distance that any BLAS can count. They are worth it if they are
    long enough, or follow each other on the map.
    """
    transpose, (channels, height, width) = transposition(), part.shape
    distance, line, number = part.strides
    plain = part.dtype == place.dtype == np.float32 and part.flags.aligned and number == 4
    together = line == 4 * width
    apart = distance % 4 == 0 and 4 * width * (height if together else 1) <= distance < 4 << 31
    if transpose is None or not plain or not apart or channels < 2 or not part.size:
        return False
    if together:
        part, place = part.reshape(channels, 1, -1), place.reshape(1, -1, channels)
    elif channels * width < LONG:
        return False
    matrices = part.swapaxes(0, 1), place
    transpose(*(reversed(matrices) if back else matrices))
    return True


def _staggered(part: Array, dtype: np.dtype[Any], space: Workspace) -> Array:
    """Return a copy of channels that lie at a distance by which they share the cache evenly."""
    channels, cells = len(part), part.shape[1] * part.shape[2]
    lines = -(-cells * dtype.itemsize // LINE) | 1
    rows = space.array("channels", (channels, lines * LINE // dtype.itemsize), dtype)
    copied = rows[:, :cells].reshape(part.shape)
    copied[...] = part
    return copied
