"""Crop and resize: crops that are turned about, and a value where nothing is read."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import Engine, PlacedRois, WorkingBytes
from lucid.roi.geometry import Operator
from lucid.roi.operators.crop_and_resize import CropAndResize
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers


class Turned(NamedTuple):
    """RoIs that are turned about along the same axes."""

    some: Indices  # of all
    rois: PlacedRois
    flips: tuple[bool, bool]  # rows, columns

    def view(self, crops: Array) -> Array:
        """Return crops as they are before they are turned about."""
        down, across = (slice(None, None, -1 if flip else 1) for flip in self.flips)
        return crops[:, :, down, across]


class Resized:
    """An engine for crop and resize, made of one for weights."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows."""
        for each in _alike(rois):
            view = each.view(crops)
            self._engine.pool(each.rois, view, workers)
            _fill(each.rois, view)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features to all of the only region."""
        (region,) = rois.regions
        region.features[...] = 0
        for each in _alike(rois):
            part = np.empty(region.features.shape, rois.dtype)
            own = each.rois._replace(regions=[each.rois.regions[0]._replace(features=part)])
            self._engine.pool_adjoint(own, each.view(gradient), workers)
            region.features[...] += part

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of the boxes (K, 4) from that of the crops."""
        result = np.zeros((len(rois.geometry), 4))
        for each in _alike(rois):
            found = self._engine.box_gradient(each.rois, each.view(gradient), workers)
            for axis, flip in zip((1, 0), each.flips, strict=True):
                ends = [axis, axis + 2]
                result[each.some[:, None], ends] = found[:, ends[::-1] if flip else ends]
        return result

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
        return self._engine.working_bytes(operator, channels, size, dtype)


def _operator(rois: PlacedRois) -> CropAndResize:
    return cast(CropAndResize, rois.geometry.operator)


def _alike(rois: PlacedRois) -> Iterator[Turned]:
    """Yield RoIs that are turned about along the same axes."""
    flipped = _operator(rois).flipped(rois.geometry)
    for down, across in np.ndindex(2, 2):
        some = np.flatnonzero((flipped[0] == down) & (flipped[1] == across))
        if len(some):
            yield Turned(some, rois.part(some), (bool(down), bool(across)))


def _fill(rois: PlacedRois, crops: Array) -> None:
    """Write the value of bins that are not read on the map."""
    operator = _operator(rois)
    if operator.extrapolation_value == 0:
        return
    off = ~operator.on_map(rois.geometry)
    with np.errstate(over="raise"):
        value = np.float64(operator.extrapolation_value).astype(crops.dtype)
    for k in np.flatnonzero(off.any(axis=(1, 2))).tolist():
        crops[rois.rows[k]][:, off[k]] = value
