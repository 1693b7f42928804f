"""From the gradient of crops to those of features and boxes, some channels after the other."""

from __future__ import annotations

from functools import partial

import numpy as np

import lucid.roi.engines.compiled._kernel as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.compiled.door import (
    NO_ROWS,
    Cells,
    Work,
    bins_of,
    cells_of,
    empty_cells,
    lists_of,
    place_of,
    works,
)
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers


def pool_adjoint(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> None:
    """Write the gradient of the only region; see `lucid.roi.engines.Engine`."""
    lists = lists_of(rois.geometry, slopes=False)
    workers.each(partial(_write_features, rois, lists, gradient), works(rois, lists))


def _write_features(
    rois: PlacedRois, lists: kernel.Lists, gradient: Array, space: Workspace, work: Work
) -> None:
    """Write the gradient of some channels, to all of them."""
    cells = empty_cells(rois, lists, work, space)
    cells.values[...] = 0
    bins, rows = _bins(rois, gradient, work)
    kernel.features(lists, work.first, work.end, *cells, bins, rows, rois.dtype.itemsize)
    _write_back(rois, lists, cells, work)


def _write_back(rois: PlacedRois, lists: kernel.Lists, cells: Cells, work: Work) -> None:
    """Write cells to their place in the region, and zeros to the rest of it."""
    features, place = rois.regions[work.region].features, place_of(cells, rois, work)
    features[work.channels] = 0
    out = np.require(place, rois.dtype, "A") if place.strides[2] == place.itemsize else None
    out = np.empty(place.shape, rois.dtype) if out is None else out
    kernel.lay_back(lists, work.first, work.end, *cells, out, NO_ROWS, rois.dtype.itemsize)
    if out is not place:
        place[...] = out


def box_gradient(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> Floats:
    """Return the gradient of x1, y1, x2, y2, (K, 4); see `lucid.roi.engines.Engine`."""
    result = np.zeros((len(rois.geometry), 4))
    lists = lists_of(rois.geometry, slopes=True)
    for work in works(rois, lists):  # one after the other: sums have an order
        found = _box_gradient(rois, lists, gradient, workers.space, work)
        result[work.first : work.end] += np.frombuffer(found).reshape(-1, 4)
    result[np.isnan(result)] = np.nan  # one of them
    return result


def _box_gradient(
    rois: PlacedRois, lists: kernel.Lists, gradient: Array, space: Workspace, work: Work
) -> bytearray:
    """Return what some channels add to the gradient of boxes."""
    cells, (bins, rows) = cells_of(rois, lists, work, space), _bins(rois, gradient, work)
    return kernel.boxes(lists, work.first, work.end, *cells, bins, rows, rois.dtype.itemsize)


def _bins(rois: PlacedRois, gradient: Array, work: Work) -> tuple[Array, Indices]:
    """Return the gradient of some channels of crops, and the rows of RoIs in it."""
    some, rows = bins_of(gradient, rois, work), rois.rows[work.first : work.end]
    if some is not None:
        return some, rows
    return np.ascontiguousarray(gradient[rows, work.channels], rois.dtype), np.arange(len(rows))
