"""Crops: some channels of a map after the other, all RoIs on each."""

from __future__ import annotations

from functools import partial

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.compiled.door import Cells, Work, bins_of, cells_of, lists_of, works
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array
from lucid.roi.workers import Workers

SMALL_VALUES = 1 << 18  # of crops that are not worth a thread
CAST_BYTES = 1 << 20  # of crops that are cast at once


def pool(rois: PlacedRois, crops: Array, workers: Workers[Workspace]) -> None:
    """Write crops into their rows; see `lucid.roi.engines.Engine`."""
    if not len(rois.geometry):
        return
    lists = lists_of(rois.geometry, slopes=False)
    alone = len(rois.rows) * crops[0].size < SMALL_VALUES
    work = partial(_write_crops, rois, lists, crops)
    items = works(rois, lists, 1 if alone else len(workers))
    with workers.in_background(work, items, alone=alone):
        pass


def _write_crops(
    rois: PlacedRois, lists: kernel.Lists, crops: Array, space: Workspace, work: Work
) -> None:
    """Write some channels of crops."""
    cells, out = cells_of(rois, lists, work, space), bins_of(crops, rois, work)
    if out is not None:
        rows, size = rois.rows[work.first : work.end], rois.dtype.itemsize
        kernel.crops(lists, work.first, work.end, *cells, out, rows, size)
        return
    out = crops[:, work.channels]
    step = max(CAST_BYTES // max(out[0].size * rois.dtype.itemsize, 1), 1)
    for first in range(work.first, work.end, step):
        _cast_crops(rois, lists, cells, out, slice(first, min(first + step, work.end)))


def _cast_crops(
    rois: PlacedRois, lists: kernel.Lists, cells: Cells, out: Array, some: slice
) -> None:
    """Write the crops of a few RoIs to an array of another dtype or layout."""
    few = np.empty((some.stop - some.start, *out.shape[1:]), rois.dtype)
    rows = np.arange(len(few))
    kernel.crops(lists, some.start, some.stop, *cells, few, rows, rois.dtype.itemsize)
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        out[rois.rows[some]] = few
