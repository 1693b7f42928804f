"""The largest cell of bins of whole cells, and its gradient."""

from itertools import product
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import Engine, PlacedRois, WholeBins, WorkingBytes
from lucid.roi.geometry import Operator
from lucid.roi.operators.whole_cells import RoiPool
from lucid.roi.types import Array, Floats, Ints
from lucid.roi.workers import Workers


class Largest:
    """What computes the largest cells of bins; crops are made by a part of each engine."""

    def __init__(self, engine: Any) -> None:
        self._engine: Engine = engine
        self._largest = engine.largest

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows."""
        self._largest.pool(rois, _bins(rois), crops, workers)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features, which the first of the largest cells have."""
        total = rois.regions[0].features
        total[...] = 0
        cells = cast(Array, rois.values).transpose(1, 2, 0)
        for row, *ends in zip(rois.rows, *_bins(rois), strict=True):
            _add_firsts(total, cells, ends, gradient[row])

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return zeros: rounded corners have no gradient."""
        return np.zeros((len(rois.geometry), len(rois.geometry.operator.form.columns)))

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
        plain = self._engine.working_bytes(operator, channels, size, dtype)
        table = 2 * channels * size[0] * size[1] * np.dtype(dtype).itemsize
        return plain._replace(region=plain.region + table)


def _add_firsts(total: Array, cells: Array, ends: list[Ints], gradient: Array) -> None:
    """Add the gradient of a crop (C, PH, PW) to the first of the largest cells of its bins."""
    by_bin = gradient.reshape(len(gradient), -1).T
    for (down, across), own in zip(product(*ends), by_bin, strict=True):
        _add_to_first(total, cells, down, across, own)


def _add_to_first(total: Array, cells: Array, down: Ints, across: Ints, gradient: Array) -> None:
    """Add the gradient of a bin to the first of its largest cells, if it has some."""
    (top, bottom), (left, right) = down, across
    if top < bottom and left < right:
        own = cells[top:bottom, left:right].reshape(-1, len(total))
        y, x = np.divmod(own.argmax(axis=0), right - left)
        total[np.arange(len(total)), top + y, left + x] += gradient


def _bins(rois: PlacedRois) -> WholeBins:
    """Return the bins of RoIs on their maps.

    Those of a RoI that is not on its map have no cells.
    """
    geometry, (PH, PW) = rois.geometry, rois.geometry.pooled
    found = cast(RoiPool, geometry.operator).bins(geometry)
    bins = np.zeros((2, len(geometry), max(PH, PW), 2), np.int64)
    axis, roi = np.divmod(found.line, max(len(geometry), 1))
    bins[axis, roi, found.bin] = np.stack([found.begin, np.maximum(found.end, found.begin)], axis=1)
    bins[:, geometry.touched() == 0] = 0
    return WholeBins(bins[0, :, :PH], bins[1, :, :PW])
