"""The largest cells of bins: of rows of cells first, then of columns of those."""

from typing import Any

import numpy as np

from lucid.roi.engines import PlacedRois, WholeBins, parts_of
from lucid.roi.types import Array, Ints
from lucid.roi.workers import Workers


def pool(rois: PlacedRois, bins: WholeBins, crops: Array, workers: Workers[Any]) -> None:
    """Write the largest cells of bins."""
    for region, some in parts_of(rois):
        cells = np.ascontiguousarray(region.features.transpose(1, 2, 0), rois.dtype)
        rows, cols = bins.seen_from(*region.origin)
        for k in range(some.start, some.stop):
            crops[rois.rows[k]] = _largest_of(cells, rows[k], cols[k])


def _largest_of(cells: Array, rows: Ints, cols: Ints) -> Array:
    """Return the largest of cells (h, w, C) of the bins of a RoI, (C, PH, PW)."""
    left = max(int(cols[:, 0].min()), 0)
    window = cells[:, left : max(int(cols[:, 1].max()), left)]
    line = np.stack([_largest(window[_slice(ends)], 0) for ends in rows])
    bins = [_largest(line[:, _slice(ends - left)], 1) for ends in cols]
    return np.stack(bins, axis=1).transpose(2, 0, 1)


def _slice(ends: Ints) -> slice:
    """Return the cells between two, none if they are beyond the part of the map."""
    begin, end = ends.tolist()
    return slice(begin, end) if begin < end else slice(0, 0)


def _largest(values: Array, axis: int) -> Array:
    """Return the largest values along an axis, 0 where there are none."""
    if values.shape[axis]:
        largest: Array = values.max(axis=axis)
        return largest
    return np.zeros([*values.shape[:axis], *values.shape[axis + 1 :]], values.dtype)
