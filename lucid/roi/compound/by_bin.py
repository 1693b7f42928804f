"""Position-sensitive crops: gradients of boxes bin by bin, all else at once."""

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

PLAIN_BYTES = 16 << 20  # of the gradient of plain crops at once, or that of a channel


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
        self._engine.pool(_of_base(rois)._replace(apart=True), crops, workers)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features to all of the only region.

        It is that of plain crops of all channels, which is 0 but for the bin that reads a channel.
        """
        region, whole = rois.regions[0], _of_base(rois)._replace(rows=np.arange(len(rois.rows)))
        for some, plain in _plain_gradients(gradient[rois.rows], rois.dtype):
            part = region._replace(features=region.features[some])
            self._engine.pool_adjoint(whole._replace(regions=[part]), plain, workers)

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


def _of_base(rois: PlacedRois) -> PlacedRois:
    """Return RoIs with the operator whose bins are read in channels of their own."""
    operator = cast(PositionSensitive, rois.geometry.operator)
    return rois._replace(geometry=replace(rois.geometry, operator=operator.base))


def _plain_gradients(gradient: Array, dtype: np.dtype[Any]) -> Iterator[tuple[slice, Array]]:
    """Yield some channels of the features, and the gradient of their plain crops."""
    K, C, PH, PW = gradient.shape
    own, bins = gradient.reshape(K, C * PH * PW), PH * PW
    step = max(PLAIN_BYTES // max(K * bins * dtype.itemsize, 1), 1)
    for first in range(0, C * bins, step):
        channels = np.arange(first, min(first + step, C * bins))
        plain = np.zeros((K, len(channels), bins), dtype)
        plain[:, channels - first, channels % bins] = own[:, channels]
        yield slice(first, first + step), plain.reshape(K, len(channels), PH, PW)


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
