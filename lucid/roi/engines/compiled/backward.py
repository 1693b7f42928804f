"""From the gradient of crops to those of features and boxes, some channels after the other."""

from __future__ import annotations

from functools import partial

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.compiled.door import (
    FOR_BOXES,
    FOR_FEATURES,
    NO_ROWS,
    STEP,
    Cells,
    Listed,
    Work,
    bins_of,
    cells_of,
    is_small,
    listed,
    place_of,
    room_for,
    works,
)
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers


def pool_adjoint(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> None:
    """Write the gradient of the only region; see `lucid.roi.engines.Engine`."""
    ready = listed(rois, FOR_FEATURES, workers.space)
    alone = is_small(rois, gradient)
    each = -(-gradient.shape[1] // len(workers))  # channels of all RoIs: a cell's sum has an order
    items = works(ready, most=-(-each // STEP) * STEP)
    with workers.in_background(partial(_write_features, ready, gradient), items, alone=alone):
        pass


def _write_features(listed: Listed, gradient: Array, space: Workspace, work: Work) -> None:
    """Write the gradient of some channels, to all of them."""
    cells = room_for(listed, work, space.sums)
    try:
        listed.apply(kernel.features, work.some, cells, *_bins(listed, gradient, work))
        _write_back(cells, listed, work)
    except BaseException:
        space.sums.free()
        raise


def _write_back(cells: Cells, listed: Listed, work: Work) -> None:
    """Write cells to their place in the region, and zeros around them; leave zeros."""
    place, own = place_of(cells, listed, work), listed.rois.regions[work.region]
    part, (down, across) = own.features[work.channels], work.window
    part[:, : down.start - own.origin[0]] = part[:, down.stop - own.origin[0] :] = 0
    part[..., : across.start - own.origin[1]] = part[..., across.stop - own.origin[1] :] = 0
    fits = listed.fits(place) and place.strides[2] == place.itemsize
    out = place if fits else np.empty(place.shape, listed.rois.dtype)
    kernel.lay_back(listed.parts[0].taps, 0, 0, *cells, out, NO_ROWS, out.itemsize)
    if not fits:
        place[...] = out


def box_gradient(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> Floats:
    """Return the gradient of x1, y1, x2, y2, (K, 4); see `lucid.roi.engines.Engine`."""
    ready = listed(rois, FOR_BOXES, workers.space)
    alone = is_small(rois, gradient)
    parts = np.zeros((-(-gradient.shape[1] // STEP), len(rois.rows), 4))
    items = works(ready, 1 if alone else len(workers), most=STEP)
    with workers.in_background(partial(_write_boxes, ready, gradient, parts), items, alone=alone):
        pass
    result = np.zeros(parts.shape[1:])
    for part in parts:  # one after the other: sums have an order
        result += part
    result[np.isnan(result)] = np.nan  # one of them
    return result


def _write_boxes(
    listed: Listed, gradient: Array, parts: Floats, space: Workspace, work: Work
) -> None:
    """Write what some channels bring to the gradient of some boxes."""
    cells = cells_of(listed, work, space)
    found = listed.apply(kernel.boxes, work.some, cells, *_bins(listed, gradient, work))
    part = parts[work.channels.start // STEP, work.some]
    part[...] = np.frombuffer(b"".join(found)).reshape(part.shape)


def _bins(listed: Listed, gradient: Array, work: Work) -> tuple[Array, Indices]:
    """Return the gradient of some channels of crops, and the rows of RoIs in it."""
    own, rows = bins_of(gradient, listed, work), listed.rois.rows[work.some]
    if own is not None:
        return own, rows
    own = np.ascontiguousarray(gradient[rows, work.channels], listed.rois.dtype)
    return own, np.arange(len(rows))
