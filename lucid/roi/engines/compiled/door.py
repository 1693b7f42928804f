"""The one way to the C file: arrays are made what it takes, and parts of maps are laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.compiled.stacked import stacked
from lucid.roi.engines.numpy.workspace import Scratch, Workspace
from lucid.roi.geometry import Geometry
from lucid.roi.taps import Grids
from lucid.roi.types import Array, Indices, Ints

STEP = 32  # channels whose sums the processor's registers hold
TABLE_BYTES = 448 << 10  # of cells, which a core's own cache holds
SMALL_VALUES = 1 << 18  # of crops that are not worth a thread
SHARED_ROIS = 256  # of one region that repay another thread
ALL = 1 << 62  # channels
CASTS = 4  # of the cells of a map, one after the other
LISTED_TAPS = 1 << 17  # at once
FOR_CROPS, FOR_FEATURES, FOR_BOXES = range(3)  # taps are listed
NO_ROWS, NO_SLOPES = np.zeros(0, np.intp), np.zeros(0)


class Cells(NamedTuple):
    """Some channels of a map's cells, side by side; they begin at a corner on the map."""

    values: Array  # (h, w, channels)
    top: int
    left: int


class Work(NamedTuple):
    """Some channels of some RoIs of one region, and the part of the map that these lie on."""

    region: int
    some: slice  # of all RoIs
    channels: slice
    window: tuple[slice, slice]


class Part(NamedTuple):
    """The taps of some RoIs, merged."""

    first: int  # of all RoIs
    end: int
    taps: kernel.Lists


class Listed(NamedTuple):
    """RoIs with their taps."""

    rois: PlacedRois
    parts: list[Part]

    def apply(
        self,
        function: Callable[..., Any],
        some: slice,
        cells: Cells,
        other: Array,
        rows: Indices | None = None,
    ) -> list[Any]:
        """Call a function of the C file on some RoIs, cells, and what belongs to both."""
        found, size = [], self.rois.dtype.itemsize
        for *about, here in self._within(some):
            own = NO_ROWS if rows is None else rows[here]
            found.append(function(*about, *cells, other, own, size))
        return found

    def _within(self, some: slice) -> Iterator[tuple[kernel.Lists, int, int, slice]]:
        """Yield the taps of parts, which of their RoIs are meant, and where among all of these."""
        for first, until, taps in self.parts:
            begin, end = max(first, some.start), min(until, some.stop)
            if begin < end:
                here = slice(begin - some.start, end - some.start)
                yield taps, begin - first, end - first, here

    def window(self, some: slice) -> tuple[slice, slice]:
        """Return the rows and columns of the map that some RoIs lie on."""
        windows = [kernel.window(*about[:3]) for about in self._within(some)]
        lie = [window for window in windows if window[1]] or [(0, 0, 0, 0)]
        top, bottom, left, right = zip(*lie, strict=True)
        return slice(min(top), max(bottom)), slice(min(left), max(right))

    def fits(self, array: Array) -> bool:
        """Return whether the C file takes the values as they are."""
        return array.dtype == self.rois.dtype and array.flags.aligned


def listed(rois: PlacedRois, what: int, space: Workspace) -> Listed:
    """Return RoIs with their taps, of which few are listed at once before they are merged."""
    rois, above = stacked(rois, space)
    geometry = rois.geometry
    if grids := geometry.tap_operator.grids(geometry):
        return Listed(rois, [Part(0, len(geometry), _of_grids(*grids, geometry, above, what))])
    parts = [
        Part(first, end, _merged(geometry[slice(first, end)], above[first:end], what))
        for first, end in _cut(geometry)
    ]
    return Listed(rois, parts)


def _of_grids(
    grids: Grids, scale: tuple[float, float], geometry: Geometry, above: Ints, what: int
) -> kernel.Lists:
    """Return the taps that the operator would list, bit for bit, merged."""
    start, length = map(np.ascontiguousarray, (grids.start, grids.bin))
    samples, sizes, above = map(_whole, (grids.samples, geometry.size, above))
    fixed = np.ascontiguousarray(grids.min_extent)
    return kernel.grid_lists(
        start, length, fixed, samples, sizes, above, scale, geometry.pooled, what
    )


def _cut(geometry: Geometry) -> Iterator[tuple[int, int]]:
    """Yield the first RoIs of parts of few taps, and where they end."""
    first, K = 0, len(geometry)
    total = np.cumsum(geometry.tap_operator.tap_counts(geometry).sum(axis=0))
    while first < K:
        before = total[first - 1] if first else 0
        end = int(np.searchsorted(total, before + LISTED_TAPS, side="right"))
        yield first, (first := max(end, first + 1))


def _merged(geometry: Geometry, above: Ints, what: int) -> kernel.Lists:
    taps = geometry.tap_operator.taps(geometry, what == FOR_BOXES)
    line, bins, cell = map(_whole, (taps.line, taps.bin, taps.cell))
    values = taps.weights, *(taps.slopes or (NO_SLOPES, NO_SLOPES))
    weights, start, end = (np.ascontiguousarray(each, np.float64) for each in values)
    maps = _whole(geometry.size), _whole(above)
    return kernel.lists(line, bins, cell, weights, start, end, *maps, geometry.pooled, what)


def _whole(values: Array) -> Ints:
    return np.ascontiguousarray(values, np.int64)


def is_small(rois: PlacedRois, crops: Array) -> bool:
    """Return whether crops, or their gradient, are not worth a thread."""
    return len(rois.rows) * crops[:1].size < SMALL_VALUES


def works(listed: Listed, threads: int = 1, most: int = ALL) -> Iterator[Work]:
    """Yield what may be done at the same time, with as many channels as the cache holds.

    Only for several threads are RoIs shared out where channels are few.
    """
    wanted = 2 * threads if threads > 1 else 1
    regions, size = listed.rois.regions, listed.rois.dtype.itemsize
    edges = accumulate((region.rois for region in regions), initial=0)
    for number, (first, end) in enumerate(pairwise(edges)):
        down, across = window = listed.window(slice(first, end))
        cells = (down.stop - down.start) * (across.stop - across.start)
        blocks = slices(0, len(regions[number].features), min(channels_at_once(cells, size), most))
        shares = _shares(first, end, -(-wanted // max(len(blocks), 1)))
        yield from (Work(number, some, channels, window) for channels in blocks for some in shares)


def channels_at_once(cells: int, itemsize: int) -> int:
    """Return how many channels of so many cells are worked on at once."""
    return max(TABLE_BYTES // max(cells * itemsize, 1) // STEP, 1) * STEP


def _shares(first: int, end: int, most: int) -> list[slice]:
    """Return RoIs in at most so many parts, each worth a thread."""
    parts = max(min(most, (end - first) // SHARED_ROIS), 1)
    return slices(first, end, -(-(end - first) // parts))


def slices(begin: int, end: int, step: int) -> list[slice]:
    """Return a range in parts of so many, at least one; the last may be shorter."""
    step = max(step, 1)
    return [slice(at, min(at + step, end)) for at in range(begin, end, step)]


def cells_of(listed: Listed, work: Work, space: Workspace) -> Cells:
    """Return the cells that RoIs touch: the map's own if their channels lie side by side."""
    features, _, (y, x) = listed.rois.regions[work.region]
    own = features[work.channels]
    if listed.fits(own) and (len(own) == 1 or own.strides[0] == own.itemsize):
        return Cells(own.transpose(1, 2, 0), y, x)
    cells = room_for(listed, work, space.table)
    part = place_of(cells, listed, work)
    apart = [stride % part.itemsize for stride in part.strides]
    if part.dtype == listed.rois.dtype and not any(apart):  # at whatever byte it begins
        listed.apply(kernel.lay_out, work.some, cells, part)
        return cells
    for few in slices(0, len(part), -(-len(part) // CASTS)):
        cast = np.require(part[few], listed.rois.dtype, ["C", "A"])
        listed.apply(kernel.lay_out, work.some, cells._replace(values=cells.values[..., few]), cast)
    return cells


def room_for(listed: Listed, work: Work, memory: Scratch) -> Cells:
    """Return room for the cells of a window."""
    down, across = work.window
    shape = [each.stop - each.start for each in (down, across, work.channels)]
    return Cells(memory.array(tuple(shape), listed.rois.dtype), down.start, across.start)


def place_of(cells: Cells, listed: Listed, work: Work) -> Array:
    """Return the part of a region (channels, h, w) that cells are, or belong to."""
    features, _, (y, x) = listed.rois.regions[work.region]
    height, width, _ = cells.values.shape
    return features[work.channels, cells.top - y :, cells.left - x :][:, :height, :width]


def bins_of(array: Array, listed: Listed, work: Work) -> Array | None:
    """Return some channels of crops, or their gradient, if the C file takes them as they are."""
    some = array[:, work.channels]
    gapless = some.strides[2:] == (some.shape[3] * some.itemsize, some.itemsize)
    return some if gapless and listed.fits(some) else None
