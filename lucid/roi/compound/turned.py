"""Means on turned grids, made by a part of each engine, and of what is on the map alone."""

from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import Engine, PlacedRois, WorkingBytes
from lucid.roi.geometry import Operator
from lucid.roi.operators import RoiAlignRotated
from lucid.roi.types import Array, Floats
from lucid.roi.workers import Workers

CROPS_BYTES = 8 << 20  # that are renormalized at once, or those of a RoI


class Turned:
    """An engine for turned grids, a part of one for weights."""

    def __init__(self, engine: Any) -> None:
        self._turned: Engine = engine.turned

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows."""
        if not _operator(rois).renormalize:
            self._turned.pool(rois, crops, workers)
            return
        row = np.zeros((1, *crops.shape[1:]), rois.dtype).nbytes
        step = max(CROPS_BYTES // max(row, 1), 1)
        for start in range(0, len(rois.rows), step):
            part = rois.part(np.arange(len(rois.rows))[start : start + step])
            means = np.empty((len(part.rows), *crops.shape[1:]), rois.dtype)
            self._turned.pool(part._replace(rows=np.arange(len(means))), means, workers)
            with np.errstate(over="raise", invalid="ignore"):
                crops[part.rows] = _renormalized(means, _factors(part)[:, None])

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features to all of the only region."""
        self._turned.pool_adjoint(*_of_means(rois, gradient), workers)

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of the boxes (K, 5): samples in range stay so many."""
        return self._turned.box_gradient(*_of_means(rois, gradient), workers)

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
        plain = self._turned.working_bytes(operator, channels, size, dtype)
        if not cast(RoiAlignRotated, operator).renormalize:
            return plain
        crop = channels * int(np.prod(operator.output_size)) * np.dtype(dtype).itemsize
        return plain._replace(weights=plain.weights + 3 * max(CROPS_BYTES, crop))


def _renormalized(means: Array, factors: Array) -> Array:
    """Return means times factors; those of the largest values stay finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole = means * factors
    most = np.finfo(means.dtype).max
    return np.where(np.isfinite(means), np.clip(whole, -most, most), whole)


def _operator(rois: PlacedRois) -> RoiAlignRotated:
    return cast(RoiAlignRotated, rois.geometry.operator)


def _factors(rois: PlacedRois) -> Array:
    """Return by what means over all samples are multiplied, (K, PH, PW)."""
    shares = _operator(rois).coverage(rois.geometry)
    factors: Array = (1 / np.where(shares > 0, shares, 1)).astype(rois.dtype)
    return factors


def _of_means(rois: PlacedRois, gradient: Array) -> tuple[PlacedRois, Array]:
    """Return RoIs and the gradient of means over all samples, from that of their crops."""
    if not _operator(rois).renormalize:
        return rois, gradient
    own = gradient[rois.rows] * _factors(rois)[:, None]
    return rois._replace(rows=np.arange(len(own))), own
