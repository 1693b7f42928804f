"""Maps as tables of cells: the channels of a cell side by side, as the kernel gathers them."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.geometry import Geometry, Ints
from lucid.roi.workers import Workspace

Array = NDArray[Any]
Copy = tuple[Array, Array]  # a part of a map (C, h, w), and where its cells belong, (h, w, C)

SIDE_BY_SIDE = 64  # channels that are copied at once: more are too many streams to read
COPIED = 1 << 12  # cells at once
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
    leads = np.diff(owner, prepend=-1) != 0
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
        step = max(COPIED // max(width, 1), 1)
        cuts = _cuts(height, step), _cuts(width, COPIED), _cuts(channels, SIDE_BY_SIDE)
        for rows, cols, some in product(*cuts):
            yield part[some, rows, cols], place[rows, cols, some]


def _cuts(size: int, step: int) -> list[slice]:
    return [slice(begin, begin + step) for begin in range(0, size, step)]


def copy(space: Workspace, what: Copy) -> None:
    """Copy a part of a map."""
    part, place = what
    distance, cells = part.strides[0], part.shape[1] * part.shape[2]
    if distance and distance % CROWDED == 0 and len(part) >= MANY and cells >= LARGE:
        part = _staggered(part, space)
    place[...] = part.transpose(1, 2, 0)


def _staggered(part: Array, space: Workspace) -> Array:
    """Return a copy of channels that lie at a distance by which they share the cache evenly."""
    channels, cells = len(part), part.shape[1] * part.shape[2]
    lines = -(-cells * part.itemsize // LINE) | 1
    rows = space.array("channels", (channels, lines * LINE // part.itemsize), part.dtype)
    copied = rows[:, :cells].reshape(part.shape)
    copied[...] = part
    return copied
