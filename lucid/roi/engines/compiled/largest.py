"""The largest cells of bins in C: some channels of a map after the other, all RoIs on each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

import lucid.roi.engines.compiled._largest as kernel
from lucid.roi.engines import PlacedRois, Region, WholeBins, parts_of
from lucid.roi.engines.compiled.door import channels_at_once, slices
from lucid.roi.engines.compiled.turned import lay_out
from lucid.roi.engines.numpy.channels_last import Copy
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array, Indices
from lucid.roi.workers import Workers

CROP_VALUES = 1 << 18  # that are made at once, where they are cast


class Work(NamedTuple):
    """Some channels of the RoIs of one region."""

    region: Region
    some: slice  # of all RoIs
    channels: slice

    def part(self, down: slice, across: slice) -> Array:
        """Return the channels of rows and columns of the map."""
        features, _, (top, left) = self.region
        some = features[self.channels, down.start - top :, across.start - left :]
        return some[:, : down.stop - down.start, : across.stop - across.start]


class Ready(NamedTuple):
    """Bins, and the cells (h, w, channels) that they are counted on."""

    rois: PlacedRois
    bins: WholeBins
    cells: Array

    def write(self, crops: Array, some: slice) -> None:
        """Write some crops; those of another dtype or layout are made first, a few at a time."""
        rows, size = self.rois.rows, self.cells.itemsize
        gapless = crops.strides[2:] == (crops.shape[3] * size, size)
        if crops.dtype == self.cells.dtype and crops.flags.aligned and gapless:
            self._call(some, crops, rows[some])
            return
        for few in slices(some.start, some.stop, CROP_VALUES // max(crops[:1].size, 1)):
            made = np.empty((few.stop - few.start, *crops.shape[1:]), self.cells.dtype)
            self._call(few, made, np.arange(len(made)))
            with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
                crops[rows[few]] = made

    def _call(self, some: slice, crops: Array, places: Indices) -> None:
        rows, cols = (np.ascontiguousarray(ends[some]) for ends in self.bins)
        about = rows, cols, self.rois.geometry.pooled
        kernel.crops(*about, self.cells, crops, places, self.cells.itemsize)


def pool(rois: PlacedRois, bins: WholeBins, crops: Array, workers: Workers[Workspace]) -> None:
    """Write the largest cells of bins."""
    workers.each(partial(_write, rois, bins, crops), _works(rois))


def _works(rois: PlacedRois) -> Iterator[Work]:
    """Yield what may be done at the same time, with as many channels as the cache holds."""
    for region, some in parts_of(rois):
        step = channels_at_once(region.features[0].size, rois.dtype.itemsize)
        for channels in slices(0, len(region.features), step):
            yield Work(region, some, channels)


def _write(rois: PlacedRois, bins: WholeBins, crops: Array, space: Workspace, work: Work) -> None:
    """Write some channels of crops."""
    down, across = rois.geometry[work.some].bounds()
    corner = down.start, across.start
    part = work.part(down, across)
    cells = space.table.array((*part.shape[1:], len(part)), rois.dtype)
    lay_out(space, Copy(part, cells))
    of_cells = Ready(rois, bins.seen_from(*corner), cells)
    of_cells.write(crops[:, work.channels], work.some)
