"""Crops: some channels of a map after the other, all RoIs on each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.compiled import apart
from lucid.roi.engines.compiled.door import (
    CASTS,
    FOR_CROPS,
    Cells,
    Listed,
    Work,
    bins_of,
    cells_of,
    is_small,
    listed,
    slices,
    works,
)
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.taps import Rule
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers


def pool(rois: PlacedRois, crops: Array, workers: Workers[Workspace]) -> None:
    """Write crops into their rows; see `lucid.roi.engines.Engine`."""
    if not len(rois.geometry):
        return
    ready = listed(rois, FOR_CROPS, workers.space)
    if rois.apart:
        apart.pool(ready, crops, workers)
        return
    alone = is_small(rois, crops)
    items = works(ready, 1 if alone else len(workers))
    with workers.in_background(partial(_write_crops, ready, crops), items, alone=alone):
        pass


def pool_few(features: Array, boxes: Floats, rows: Indices, crops: Array, rule: Rule) -> bool:
    """Write few crops of a map in one call, if possible; see `lucid.roi.engines.Engine`."""
    itemsize = crops.itemsize
    if features.dtype != crops.dtype or itemsize < 4 or features.strides[2] != itemsize:
        return False
    fits = crops.flags.carray and features.flags.aligned
    return fits and kernel.few_crops(features, crops, boxes, rows, itemsize, *rule)


def _write_crops(listed: Listed, crops: Array, space: Workspace, work: Work) -> None:
    """Write some channels of crops."""
    cells, out = cells_of(listed, work, space), bins_of(crops, listed, work)
    if out is not None:
        _apply(listed, work.some, cells, out, listed.rois.rows[work.some])
        return
    out = crops[:, work.channels]
    step = cells.values.size // CASTS // max(out[0].size, 1)
    for few in slices(work.some.start, work.some.stop, step):
        _cast_crops(listed, cells, out, few)


def _cast_crops(listed: Listed, cells: Cells, out: Array, few: slice) -> None:
    """Write the crops of a few RoIs to an array of another dtype or layout."""
    made = np.empty((few.stop - few.start, *out.shape[1:]), listed.rois.dtype)
    _apply(listed, few, cells, made, np.arange(len(made)))
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        out[listed.rois.rows[few]] = made


def _apply(listed: Listed, some: slice, cells: Cells, out: Array, rows: Indices) -> None:
    """Write the crops of some RoIs."""
    crops: Callable[..., None] = kernel.crops

    def write(*arguments: Any) -> None:
        crops(*arguments, listed.rois.block)

    listed.apply(write, some, cells, out, rows)
