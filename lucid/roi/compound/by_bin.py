"""Position-sensitive crops at once, and their gradients bin after bin on its own channels."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import Engine, PlacedRois, WorkingBytes
from lucid.roi.geometry import Operator
from lucid.roi.operators.position_sensitive import OneBin, PositionSensitive
from lucid.roi.types import Array, Floats
from lucid.roi.workers import Workers


class Bin(NamedTuple):
    """A bin of all RoIs, on the channels that are its own."""

    rois: PlacedRois
    at: tuple[slice, ...]  # in crops


class ByBin:
    """An engine for position-sensitive operators, made of one for weights."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows, all bins at once."""
        operator = cast(PositionSensitive, rois.geometry.operator)
        geometry = replace(rois.geometry, operator=operator.base)
        self._engine.pool(rois._replace(geometry=geometry, apart=True), crops, workers)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features to all of the only region."""
        for one in _bins(rois):
            self._engine.pool_adjoint(one.rois, gradient[one.at], workers)

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of the boxes (K, B) from that of the crops."""
        result = np.zeros((len(rois.geometry), len(rois.geometry.operator.form.columns)))
        for one in _bins(rois):
            with np.errstate(over="ignore", invalid="ignore"):
                result += self._engine.box_gradient(one.rois, gradient[one.at], workers)
        result[np.isnan(result)] = np.nan  # one of them
        return result

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
        return self._engine.working_bytes(operator, channels, size, dtype)


def _bins(rois: PlacedRois) -> Iterator[Bin]:
    """Yield bin after bin."""
    operator = rois.geometry.operator
    if not isinstance(operator, PositionSensitive):
        return
    PH, PW = operator.output_size
    for p, q in np.ndindex(PH, PW):
        own = slice(p * PW + q, None, PH * PW)
        regions = [each._replace(features=each.features[own]) for each in rois.regions]
        geometry = replace(rois.geometry, operator=OneBin(operator.base, p, q))
        at = slice(None), slice(None), slice(p, p + 1), slice(q, q + 1)
        yield Bin(rois._replace(regions=regions, geometry=geometry), at)
