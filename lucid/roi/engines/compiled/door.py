"""The one way to the C file: arrays are made what it takes, and parts of maps are laid out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.geometry import Geometry
from lucid.roi.types import Array, Ints

STEP = 32  # channels whose sums the processor's registers hold
TABLE_BYTES = 448 << 10  # of cells, which a core's own cache holds
SHARED_ROIS = 256  # of one region that repay another thread
NO_ROWS = np.zeros(0, np.intp)  # where crops have no part


class Cells(NamedTuple):
    """Some channels of a map's cells, side by side; they begin at a corner on the map."""

    values: Array  # (h, w, channels)
    top: int
    left: int


class Work(NamedTuple):
    """Some channels of some RoIs of one region."""

    region: int
    first: int  # of its RoIs
    end: int
    channels: slice


def lists_of(geometry: Geometry, slopes: bool) -> kernel.Lists:
    """Return the taps of RoIs, merged."""
    taps = geometry.operator.taps(geometry, slopes)
    line, bins, cell = (_counted(each) for each in (taps.line, taps.bin, taps.cell))
    weights, *ends = (
        np.ascontiguousarray(each, np.float64) for each in (taps.weights, *taps.slopes)
    )
    start, end = ends or (b"", b"")
    sizes = _counted(geometry.size)
    return kernel.lists(line, bins, cell, weights, start, end, sizes, geometry.pooled, slopes)


def _counted(values: Array) -> Ints:
    return np.ascontiguousarray(values, np.int64)


def works(rois: PlacedRois, lists: kernel.Lists, threads: int = 1) -> Iterator[Work]:
    """Yield what may be done at the same time, with as many channels as the cache holds."""
    edges = accumulate((region.rois for region in rois.regions), initial=0)
    for number, (first, end) in enumerate(pairwise(edges)):
        channels, cells = len(rois.regions[number].features), _cells(lists, first, end)
        blocks = [*_slices(0, channels, channels_at_once(cells, rois.dtype.itemsize))]
        shares = _shares(first, end, -(-2 * threads // max(len(blocks), 1)))
        yield from (Work(number, own.start, own.stop, some) for some in blocks for own in shares)


def _cells(lists: kernel.Lists, first: int, end: int) -> int:
    top, bottom, left, right = kernel.window(lists, first, end)
    return (bottom - top) * (right - left)


def _shares(first: int, end: int, most: int) -> list[slice]:
    """Return RoIs in at most so many parts, each worth a thread."""
    parts = max(min(most, (end - first) // SHARED_ROIS), 1)
    return list(_slices(first, end, -(-(end - first) // parts)))


def channels_at_once(cells: int, itemsize: int) -> int:
    """Return how many channels of so many cells are worked on at once."""
    return max(TABLE_BYTES // max(cells * itemsize, 1) // STEP, 1) * STEP


def _slices(begin: int, end: int, step: int) -> Iterator[slice]:
    return (slice(at, min(at + step, end)) for at in range(begin, end, max(step, 1)))


def cells_of(rois: PlacedRois, lists: kernel.Lists, work: Work, space: Workspace) -> Cells:
    """Return the cells that RoIs touch: the map's own if their channels lie side by side."""
    features, _, (y, x) = rois.regions[work.region]
    some = features[work.channels]
    if _is_plain(some, rois) and (len(some) == 1 or some.strides[0] == some.itemsize):
        return Cells(some.transpose(1, 2, 0), y, x)
    table = empty_cells(rois, lists, work, space)
    part = place_of(table, rois, work)
    if not _is_plain(part, rois):
        part = np.ascontiguousarray(part, rois.dtype)
    kernel.lay_out(lists, work.first, work.end, *table, part, NO_ROWS, rois.dtype.itemsize)
    return table


def place_of(cells: Cells, rois: PlacedRois, work: Work) -> Array:
    """Return the part of a region (channels, h, w) that cells are, or belong to."""
    features, _, (y, x) = rois.regions[work.region]
    height, width, _ = cells.values.shape
    return features[work.channels, cells.top - y :, cells.left - x :][:, :height, :width]


def bins_of(array: Array, rois: PlacedRois, work: Work) -> Array | None:
    """Return some channels of crops, or their gradient, if the C file takes them as they are."""
    some = array[:, work.channels]
    gapless = some.strides[2:] == (some.shape[3] * some.itemsize, some.itemsize)
    return some if gapless and _is_plain(some, rois) else None


def _is_plain(values: Array, rois: PlacedRois) -> bool:
    return values.dtype == rois.dtype and values.flags.aligned


def empty_cells(rois: PlacedRois, lists: kernel.Lists, work: Work, space: Workspace) -> Cells:
    """Return room for the cells of the window of some RoIs."""
    top, bottom, left, right = kernel.window(lists, work.first, work.end)
    channels = work.channels
    shape = bottom - top, right - left, channels.stop - channels.start
    return Cells(space.table.array(shape, rois.dtype), top, left)
