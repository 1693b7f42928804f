"""Crops whose bins have channels of their own: planes of a map are read where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate, pairwise

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines.compiled.door import Cells, Listed, Work, bins_of, slices
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array
from lucid.roi.workers import Workers

BINS_AT_ONCE = 1 << 14  # are worth a call, and a turn of a thread


def pool(listed: Listed, crops: Array, workers: Workers[Workspace]) -> None:
    """Write crops into their rows."""
    workers.each(partial(_write, listed, crops), _works(listed, crops))


def _works(listed: Listed, crops: Array) -> Iterator[Work]:
    """Yield channels of crops that are written at once; one by one where planes are cast."""
    regions, bins = listed.rois.regions, crops.shape[2] * crops.shape[3]
    edges = accumulate((region.rois for region in regions), initial=0)
    for number, (first, end) in enumerate(pairwise(edges)):
        fits, some = listed.fits(regions[number].features), slice(first, end)
        window = listed.window(some)
        step = BINS_AT_ONCE // (bins * max(end - first, 1)) if fits else 1
        for channels in slices(0, crops.shape[1], step):
            yield Work(number, some, channels, window)


def _write(listed: Listed, crops: Array, _: Workspace, work: Work) -> None:
    """Write some channels of crops."""
    planes, rows = _planes(listed, crops, work), listed.rois.rows[work.some]
    out = bins_of(crops, listed, work)
    if out is not None:
        listed.apply(kernel.own_crops, work.some, planes, out, rows)
        return
    made = np.empty((len(rows), *crops[0, work.channels].shape), listed.rois.dtype)
    listed.apply(kernel.own_crops, work.some, planes, made, np.arange(len(made)))
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        crops[rows, work.channels] = made


def _planes(listed: Listed, crops: Array, work: Work) -> Cells:
    """Return the planes that channels of crops are read from, in the dtype that is weighted in."""
    features, _, (top, left) = listed.rois.regions[work.region]
    (down, across), bins = work.window, crops.shape[2] * crops.shape[3]
    own = features[work.channels.start * bins : work.channels.stop * bins]
    part = own[:, down.start - top :, across.start - left :]
    part = part[:, : down.stop - down.start, : across.stop - across.start]
    if not listed.fits(part):
        part = np.require(part, listed.rois.dtype, ["C", "A"])
    return Cells(part.transpose(1, 2, 0), down.start, across.start)
