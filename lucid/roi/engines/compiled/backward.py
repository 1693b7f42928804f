"""From the gradient of crops to those of features and boxes, some channels after the other."""

from __future__ import annotations

from functools import partial

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.compiled.door import (
    STEP,
    Cells,
    Listed,
    Work,
    bins_of,
    cells_of,
    empty_cells,
    listed,
    place_of,
    works,
)
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers


def pool_adjoint(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> None:
    """Write the gradient of the only region; see `lucid.roi.engines.Engine`."""
    ready = listed(rois, slopes=False)
    workers.each(partial(_write_features, ready, gradient), works(ready))


def _write_features(listed: Listed, gradient: Array, space: Workspace, work: Work) -> None:
    """Write the gradient of some channels, to all of them."""
    cells = empty_cells(listed, work, space)
    cells.values[...] = 0
    listed.apply(kernel.features, work.some, cells, *_bins(listed, gradient, work))
    _write_back(cells, listed, work)


def _write_back(cells: Cells, listed: Listed, work: Work) -> None:
    """Write cells to their place in the region, and zeros to the rest of it."""
    place = place_of(cells, listed, work)
    if place.shape[1:] != listed.rois.regions[work.region].features.shape[1:]:
        listed.rois.regions[work.region].features[work.channels] = 0
    fits = listed.fits(place) and place.strides[2] == place.itemsize
    out = place if fits else np.empty(place.shape, listed.rois.dtype)
    listed.apply(kernel.lay_back, work.some, cells, out)
    if not fits:
        place[...] = out


def box_gradient(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> Floats:
    """Return the gradient of x1, y1, x2, y2, (K, 4); see `lucid.roi.engines.Engine`."""
    result, ready = np.zeros((rois.rows.size, 4)), listed(rois, slopes=True)
    # One after the other, in parts that neighbours have no part in: sums have an order.
    for work in works(ready, most=STEP):
        cells = cells_of(ready, work, workers.space)
        parts = ready.apply(kernel.boxes, work.some, cells, *_bins(ready, gradient, work))
        result[work.some] += np.frombuffer(b"".join(parts)).reshape(-1, 4)
    result[np.isnan(result)] = np.nan  # one of them
    return result


def _bins(listed: Listed, gradient: Array, work: Work) -> tuple[Array, Indices]:
    """Return the gradient of some channels of crops, and the rows of RoIs in it."""
    own, rows = bins_of(gradient, listed, work), listed.rois.rows[work.some]
    if own is not None:
        return own, rows
    own = np.ascontiguousarray(gradient[rows, work.channels], listed.rois.dtype)
    return own, np.arange(len(rows))
