"""Crops and gradients of turned grids in C: samples are listed there, as they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

import lucid.roi.engines.compiled._turned as kernel
from lucid.roi.engines import PlacedRois, WorkingBytes
from lucid.roi.engines.numpy.channels_last import (
    ChannelsLastTable,
    Copy,
    from_channels_last,
    lay_out_table,
    to_channels_last,
)
from lucid.roi.engines.numpy.turned import table_for_gradient
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.geometry import TurnedOperator
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers

ROIS_AT_ONCE = 64  # are worth a call, and a turn of a thread
CROP_VALUES = 1 << 18  # that are made at once, where they are cast
STEP = 32  # channels whose sums the processor's registers hold
SCRATCH_BYTES = 64 << 10  # and of channels, so many more:
SCRATCH_BINS = 66
SMALL_VALUES = 1 << 18  # of crops that are not worth a thread


class Ready(NamedTuple):
    """RoIs with the table of the cells that they touch."""

    rois: PlacedRois
    table: ChannelsLastTable

    def apply(
        self, function: Callable[..., Any], some: slice, cells: Array, bins: Array, rows: Indices
    ) -> Any:
        """Call a function of the C file on some RoIs, cells, and bins."""
        geometry = self.rois.geometry[some]
        grids = geometry.turned_operator.turned(geometry)
        of_rois = *map(np.ascontiguousarray, (*grids, geometry.size)), self.table.base[some]
        about = *of_rois, self.table.pitch[some], geometry.pooled
        return function(*about, cells, bins, rows, self.rois.dtype.itemsize)

    def some(self) -> list[slice]:
        """Return the RoIs in parts that are worth a call each."""
        edges = range(0, len(self.rois.rows), ROIS_AT_ONCE)
        return [slice(at, min(at + ROIS_AT_ONCE, len(self.rois.rows))) for at in edges]

    def fits(self, array: Array) -> bool:
        """Return whether the C file takes crops, or their gradient, as they are."""
        gapless = array.strides[2:] == (array.shape[3] * array.itemsize, array.itemsize)
        return array.dtype == self.rois.dtype and array.flags.aligned and gapless


def pool(rois: PlacedRois, crops: Array, workers: Workers[Workspace]) -> None:
    """Write crops into their rows; see `lucid.roi.engines.Engine`."""
    write_crops(kernel.crops, rois, crops, workers)


def write_crops(
    function: Callable[..., Any], rois: PlacedRois, crops: Array, workers: Workers[Workspace]
) -> None:
    """Write crops into their rows, as a function of the C file makes them."""
    if len(rois.geometry):
        ready, alone = laid_out(rois, workers), _is_small(rois, crops)
        work = partial(_write_crops, function, ready, crops)
        with workers.in_background(work, ready.some(), alone=alone):
            pass


def laid_out(rois: PlacedRois, workers: Workers[Workspace]) -> Ready:
    """Return RoIs with the table of the cells that they touch."""
    table, copies = lay_out_table(rois, workers.space)
    with workers.in_background(lay_out, copies, alone=table.cells.size < SMALL_VALUES):
        pass
    return Ready(rois, table)


def lay_out(space: Workspace, copy: Copy) -> None:
    """Copy a part of a map to its place in a table, in C if it takes the values as they are."""
    part, place = copy
    alike = part.dtype == place.dtype and part.flags.aligned
    if alike and (part.strides[2] == part.itemsize or part.shape[2] < 2):
        kernel.lay_out(part, place, place.itemsize)
    else:
        to_channels_last(space, copy)


def _is_small(rois: PlacedRois, crops: Array) -> bool:
    """Return whether crops, or their gradient, are not worth a thread."""
    return len(rois.rows) * crops[:1].size < SMALL_VALUES


def _write_crops(
    function: Callable[..., Any], ready: Ready, crops: Array, _: Workspace, some: slice
) -> None:
    """Write some crops; those of another dtype or layout are made first, a few at a time."""
    if ready.fits(crops):
        ready.apply(function, some, ready.table.cells, crops, ready.rois.rows[some])
        return
    step = max(CROP_VALUES // max(crops[:1].size, 1), 1)
    for first in range(some.start, some.stop, step):
        few = slice(first, min(first + step, some.stop))
        made = np.empty((few.stop - few.start, *crops.shape[1:]), ready.rois.dtype)
        ready.apply(function, few, ready.table.cells, made, np.arange(len(made)))
        with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
            crops[ready.rois.rows[few]] = made


def pool_adjoint(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> None:
    """Write the gradient of the only region; see `lucid.roi.engines.Engine`."""
    table, copy = table_for_gradient(rois, workers.space)
    small = _is_small(rois, gradient)
    work = partial(_add_features, Ready(rois, table), gradient)
    with workers.in_background(work, _shares(gradient.shape[1], len(workers)), alone=small):
        pass
    table.cells[np.isnan(table.cells)] = np.nan  # one of them
    from_channels_last(copy)


def _shares(channels: int, count: int) -> list[slice]:
    """Return channels in so many parts: a cell's sum has an order, and one thread makes it."""
    each = max(-(-channels // count // STEP) * STEP, 1)
    return [slice(first, first + each) for first in range(0, channels, each)]


def _add_features(ready: Ready, gradient: Array, _: Workspace, channels: slice) -> None:
    """Add the gradient of some channels."""
    cells = ready.table.cells[:, channels]
    for some in ready.some():
        own, rows = _bins(ready, gradient[:, channels], some)
        ready.apply(kernel.features, some, cells, own, rows)


def _bins(ready: Ready, gradient: Array, some: slice) -> tuple[Array, Indices]:
    """Return the gradient of crops, and the rows of RoIs in it."""
    rows = ready.rois.rows[some]
    if ready.fits(gradient):
        return gradient, rows
    return np.ascontiguousarray(gradient[rows], ready.rois.dtype), np.arange(len(rows))


def box_gradient(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> Floats:
    """Return the gradient of boxes, (K, 5); see `lucid.roi.engines.Engine`."""
    result = np.zeros((len(rois.rows), 5))
    ready, alone = laid_out(rois, workers), _is_small(rois, gradient)
    work = partial(_write_boxes, ready, gradient, result)
    with workers.in_background(work, ready.some(), alone=alone):
        pass
    result[np.isnan(result)] = np.nan  # one of them
    return result * rois.geometry.turned_operator.units


def _write_boxes(ready: Ready, gradient: Array, result: Floats, _: Workspace, some: slice) -> None:
    """Write the gradient of some boxes."""
    own, rows = _bins(ready, gradient, some)
    found = ready.apply(kernel.boxes, some, ready.table.cells, own, rows)
    result[some] = np.frombuffer(found).reshape(-1, 5)


def working_bytes(
    operator: TurnedOperator, channels: int, size: tuple[int, int], dtype: DTypeLike
) -> WorkingBytes:
    """Return what is held for RoIs on a part of a map; see `lucid.roi.engines.Engine`."""
    itemsize = np.dtype(dtype).itemsize
    return WorkingBytes(
        region=channels * size[0] * size[1] * itemsize,
        weights=SCRATCH_BYTES + SCRATCH_BINS * channels * itemsize + CROP_VALUES * itemsize,
    )
