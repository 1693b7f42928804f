"""The largest sample of each bin: samples are read as bins of their own, in blocks.

RoIs are taken together that have blocks of one size. A gradient goes to the sample that won.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import Engine, PlacedRois, WorkingBytes
from lucid.roi.geometry import Geometry, Operator
from lucid.roi.operators import RoiAlign
from lucid.roi.operators.readings import Readings, blocks_of
from lucid.roi.operators.wrapped import MaxAlign
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers

SAMPLED_BYTES = 8 << 20  # of samples at once, or those of a channel of one RoI


class Won(NamedTuple):
    """Some samples, and the gradient of those that won."""

    some: Indices  # of all RoIs
    channels: slice
    rois: PlacedRois  # with samples as bins
    gradient: Array


class Maxima:
    """An engine for maxima, made of one for weights."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows."""
        for _, group in _groups(rois):
            for channels in _channels(group):
                self._engine.pool(_of_channels(group, channels), crops[:, channels], workers)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features to all of the only region."""
        total = rois.regions[0].features
        total[...] = 0
        for won in self._won(_of_values(rois), gradient, workers):
            (region,) = won.rois.regions
            part = np.empty(region.features.shape, rois.dtype)
            own = won.rois._replace(regions=[region._replace(features=part)])
            self._engine.pool_adjoint(own, won.gradient, workers)
            total[won.channels] += part

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of the boxes (K, B) from that of the crops."""
        result = np.zeros((len(rois.geometry), len(rois.geometry.operator.form.columns)))
        for won in self._won(rois, gradient, workers):
            result[won.some] += self._engine.box_gradient(won.rois, won.gradient, workers)
        return result

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
        plain = self._engine.working_bytes(operator, channels, size, dtype)
        return plain._replace(weights=plain.weights + 4 * SAMPLED_BYTES)

    def _won(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Iterator[Won]:
        """Yield samples of all RoIs, some at a time."""
        for every, group in _groups(rois):
            for channels in _channels(group):
                few = _of_channels(group, channels)
                step = max(SAMPLED_BYTES // (_sampled_bytes(few) * _width(channels)), 1)
                for start in range(0, len(every), step):
                    some = np.arange(start, min(start + step, len(every)))
                    yield self._winners(few.part(some), every[some], channels, gradient, workers)

    def _winners(
        self,
        rois: PlacedRois,
        some: Indices,
        channels: slice,
        gradient: Array,
        workers: Workers[Any],
    ) -> Won:
        own = gradient[rois.rows, channels]
        alone = rois._replace(rows=np.arange(len(some)), block=(1, 1))
        samples = np.empty((*own.shape[:2], *rois.geometry.pooled), rois.dtype)
        self._engine.pool(alone, samples, workers)
        return Won(some, channels, alone, _to_winners(own, samples, rois.block))


def _groups(rois: PlacedRois) -> Iterator[tuple[Indices, PlacedRois]]:
    """Yield RoIs that have blocks of one size, with samples as their bins."""
    geometry, operator = rois.geometry, cast(MaxAlign, rois.geometry.operator)
    blocks = blocks_of(geometry)
    order = np.lexsort(blocks)
    ends = np.flatnonzero((np.diff(blocks[:, order]) != 0).any(axis=0)) + 1
    for each in np.split(order, ends) if len(order) else ():
        some = np.sort(each)
        block = tuple(blocks[:, some[0]].tolist())
        part = rois.part(some)
        readings = Readings(cast(RoiAlign, operator.base), block, operator.renormalize)
        as_bins = Geometry(readings, part.geometry.size, part.geometry.windows)
        yield some, part._replace(geometry=as_bins, block=block)


def _sampled_bytes(rois: PlacedRois) -> int:
    """Return what the samples of a channel of a RoI take."""
    down, across = rois.geometry.pooled
    nbytes: int = down * across * rois.dtype.itemsize
    return nbytes


def _channels(rois: PlacedRois) -> Iterator[slice]:
    """Yield channels, as many as the samples of a RoI may take."""
    count, step = len(rois.regions[0].features), max(SAMPLED_BYTES // _sampled_bytes(rois), 1)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _width(channels: slice) -> int:
    width: int = channels.stop - channels.start
    return width


def _of_channels(rois: PlacedRois, channels: slice) -> PlacedRois:
    """Return RoIs on some channels of their regions."""
    regions = [each._replace(features=each.features[channels]) for each in rois.regions]
    return rois._replace(regions=regions)


def _of_values(rois: PlacedRois) -> PlacedRois:
    """Return RoIs on the features whose gradient is asked for."""
    values = cast(Array, rois.values)
    return rois._replace(regions=[rois.regions[0]._replace(features=values)])


def _to_winners(gradient: Array, samples: Array, block: tuple[int, int]) -> Array:
    """Return the gradient of samples (k, C, PH * h, PW * w): that of a bin for its winner."""
    (k, C, PH, PW), (down, across) = gradient.shape, block
    blocks = samples.reshape(k, C, PH, down, PW, across).transpose(0, 1, 2, 4, 3, 5)
    winner = blocks.reshape(k, C, PH, PW, down * across).argmax(axis=4)
    shared = np.zeros((k, C, PH, PW, down * across), samples.dtype)
    np.put_along_axis(shared, winner[..., None], gradient[..., None], axis=4)
    apart = shared.reshape(k, C, PH, PW, down, across).transpose(0, 1, 2, 4, 3, 5)
    return apart.reshape(samples.shape)
