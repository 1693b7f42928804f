"""Maps as tables of cells: the channels of a cell side by side, as the engine gathers them."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from lucid.roi.engines import PlacedRois, Region
from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.geometry import Geometry
from lucid.roi.types import Array, Bools, Ints

CACHE_LINE_BYTES = 64


class Copy(NamedTuple):
    """A part of a map, and where its cells belong in a table."""

    part: Array  # (C, h, w)
    place: Array  # (h, w, C)


class ChannelsLastTable(NamedTuple):
    """The cells that RoIs touch: cell (y, x) of RoI k is in row `base[k] + y * pitch[k] + x`."""

    cells: Array  # (cells, C)
    base: Ints  # (K,)
    pitch: Ints  # (K,)

    @property
    def cell_bytes(self) -> int:
        """The size of a cell."""
        return int(self.cells.itemsize * self.cells.shape[1])


class Blocks(NamedTuple):
    """The parts of maps that are copied, each for a run of RoIs."""

    region: Ints  # (B,) which region it is cut out of
    begin: Ints  # (2, B) its first row and column
    sides: Ints  # (2, B)

    @property
    def cells(self) -> Ints:
        """The number of cells of each."""
        cells: Ints = self.sides[0] * self.sides[1]
        return cells


def lay_out_table(rois: PlacedRois, space: Workspace) -> tuple[ChannelsLastTable, Iterator[Copy]]:
    """Return the table of cells that RoIs touch, and the copies that fill it.

    A region is copied as a whole, or window by window where that is less.
    """
    blocks, block = _blocks_of(rois)
    until, (y, x), pitch = np.cumsum(blocks.cells), blocks.begin, blocks.sides[1]
    shape = int(until[-1]), len(rois.regions[0].features)
    cells = space.table.array(shape, rois.dtype)
    base = until - blocks.cells - y * pitch - x  # where cell (0, 0) of the map would be
    table = ChannelsLastTable(cells=cells, base=base[block], pitch=pitch[block])
    return table, _copies(rois.regions, blocks, cells)


def _blocks_of(rois: PlacedRois) -> tuple[Blocks, Ints]:
    """Return the blocks that hold all windows, and that of each RoI, (K,).

    A block begins at the first RoI of a region, or at all of its RoIs where that is less.
    """
    owner = np.repeat(np.arange(len(rois.regions)), [region.rois for region in rois.regions])
    leads = np.ones(len(owner), bool)
    leads[1:] = owner[1:] != owner[:-1]
    together = _blocks(rois.geometry, owner, leads)
    each_alone = np.add.reduceat(rois.geometry.touched(), np.flatnonzero(leads))
    apart = each_alone <= together.cells
    if not apart.any():
        return together, np.cumsum(leads) - 1
    leads |= apart[owner]
    return _blocks(rois.geometry, owner, leads), np.cumsum(leads) - 1


def _blocks(geometry: Geometry, owner: Ints, leads: Bools) -> Blocks:
    """Return the smallest parts that hold the windows of runs of RoIs."""
    some, runs = geometry.touched() > 0, np.flatnonzero(leads)
    begin = np.minimum.reduceat(np.where(some, geometry.first, geometry.size), runs, axis=1)
    end = np.maximum.reduceat(np.where(some, geometry.first + geometry.count, 0), runs, axis=1)
    return Blocks(region=owner[leads], begin=begin, sides=np.maximum(end - begin, 0))


def _copies(regions: Sequence[Region], blocks: Blocks, cells: Array) -> Iterator[Copy]:
    """Yield the parts of all blocks, and where their cells belong."""
    at = 0
    lists = blocks.region.tolist(), *blocks.begin.tolist(), *blocks.sides.tolist()
    for owner, y, x, height, width in zip(*lists, strict=True):
        features, _, (top, left) = regions[owner]
        part = features[:, y - top : y - top + height, x - left : x - left + width]
        place = cells[at : (at := at + height * width)]
        yield from _cut(Copy(part, place.reshape(height, width, cells.shape[1])))


def _cut(copy: Copy) -> Iterator[Copy]:
    """Yield a copy in pieces that the cache holds."""
    now, (channels, height, width) = tuning.current, copy.part.shape
    cells = now.copied_values // max(min(channels, now.copied_channels), 1)
    cuts = (
        _slices(height, max(cells // max(width, 1), 1)),
        _slices(width, cells),
        _slices(channels, now.copied_channels),
    )
    for rows, cols, some in product(*cuts):
        yield Copy(copy.part[some, rows, cols], copy.place[rows, cols, some])


def _slices(size: int, step: int) -> list[slice]:
    return [slice(begin, begin + step) for begin in range(0, size, step)]


def to_channels_last(space: Workspace, copy: Copy) -> None:
    """Copy a part of a map to its place in a table."""
    if not _is_worth_staging(copy):
        _copy_some_channels(copy)
        return
    channels, height, width = copy.part.shape
    for rows in _slices(height, max(tuning.current.staged_values // (channels * width), 1)):
        staged = _staggered(copy.part[:, rows], copy.place.dtype, space)
        _copy_some_channels(Copy(part=staged, place=copy.place[rows]))


def _is_worth_staging(copy: Copy) -> bool:
    """Return whether to cast first, or to set channels apart that share a few lines of the cache.

    Channels that lie at a multiple of a power of two do; many of them drive each other out.
    """
    now, (channels, height, width), distance = tuning.current, copy.part.shape, copy.part.strides[0]
    many = channels >= now.staged_channels and height * width >= now.staged_cells
    crowded = bool(distance) and distance % now.crowded_stride_bytes == 0
    return many and (crowded or copy.part.dtype != copy.place.dtype)


def _staggered(part: Array, dtype: np.dtype[Any], space: Workspace) -> Array:
    """Return a copy of channels that lie at a distance by which they share the cache evenly."""
    channels, cells = len(part), part.shape[1] * part.shape[2]
    lines = -(-cells * dtype.itemsize // CACHE_LINE_BYTES) | 1
    rows = space.staged.array((channels, lines * CACHE_LINE_BYTES // dtype.itemsize), dtype)
    copied = rows[:, :cells].reshape(part.shape)
    copied[...] = part
    return copied


def _copy_some_channels(copy: Copy) -> None:
    """Copy a few channels at a time: NumPy would read more too slowly."""
    for some in _slices(len(copy.part), tuning.current.copied_streams):
        copy.place[:, :, some] = copy.part[some].transpose(1, 2, 0)


def from_channels_last(copy: Copy) -> None:
    """Copy cells of a table back to their part of a map."""
    for y, row in enumerate(copy.place):  # as NumPy copies all at once ten times more slowly
        copy.part[:, y] = row.T
