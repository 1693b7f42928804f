"""The largest samples on turned grids; for gradients they are listed and read, whichever engine.

A gradient goes to the sample that won. One out of range is 0 and takes part, unless it is said
not to; of equal ones the first wins, row by row.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import PlacedRois, WorkingBytes
from lucid.roi.engines.numpy import turned
from lucid.roi.engines.numpy.channels_last import from_channels_last
from lucid.roi.engines.numpy.turned import Part, Ready, bilinear
from lucid.roi.engines.numpy.turned_maxima import READ_BYTES, Sorted, channels_of, read, samples_of
from lucid.roi.geometry import Operator
from lucid.roi.operators import RotatedMax
from lucid.roi.turned_samples import Samples, listed
from lucid.roi.types import Array, Floats, Ints
from lucid.roi.workers import Workers

NONE = -1  # the cut of a bin that no sample in range has won


class Winners(NamedTuple):
    """What is largest in the bins of some RoIs so far, (bins, C), and where it was read."""

    values: Array
    cut: Ints  # rows of samples that it is in; NONE for what is not on the map
    sample: Ints  # which of those
    place: Ints  # how many samples of its bin that are in range are before it
    seen: Ints  # (bins,) samples in range
    gap: Ints  # (bins,) how many of them are before the first that is not

    @classmethod
    def none(cls, bins: int, channels: int, dtype: np.dtype[Any]) -> "Winners":
        """Return that nothing was read."""
        cut, sample, place = np.full((3, bins, channels), NONE)
        seen, gap = np.zeros((2, bins), np.int64)
        return cls(np.full((bins, channels), -np.inf, dtype), cut, sample, place, seen, gap)


class TurnedMaxima:
    """An engine for maxima on turned grids; crops are made by a part of each engine."""

    def __init__(self, engine: Any) -> None:
        self._maxima = engine.turned_maxima

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows."""
        if len(rois.geometry):
            self._maxima.pool(rois, _renormalizes(rois), crops, workers)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features to all of the only region."""
        values = _values(rois, workers)
        table, copy = turned.table_for_gradient(rois, workers.space)
        for part in values.parts():
            own = turned.bins_of(values, gradient, part[0])
            for won in _won(values, part):
                _add_cells(Ready.of(rois, table), won, own, part[0])
        from_channels_last(copy)

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of boxes, (K, 5)."""
        result = np.zeros((len(rois.rows), 5))
        ready = turned.laid_out(rois, workers)
        workers.each(partial(_write_boxes, ready, gradient, result), ready.parts())
        result[np.isnan(result)] = np.nan  # one of them
        return result * rois.geometry.turned_operator.units

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
        plain = turned.working_bytes(cast(RotatedMax, operator), channels, size, dtype)
        return plain._replace(weights=plain.weights + 8 * READ_BYTES)


def _renormalizes(rois: PlacedRois) -> bool:
    """Return whether samples out of range do not take part."""
    return cast(RotatedMax, rois.geometry.operator).renormalize


class Won(NamedTuple):
    """Samples that have won, one for each bin and channel of some RoIs."""

    samples: Samples
    bin: Ints
    channel: Ints


def _values(rois: PlacedRois, workers: Workers[Any]) -> Ready:
    """Return RoIs with a table of the features whose gradient is asked for, to be kept."""
    region = rois.regions[0]._replace(features=cast(Array, rois.values))
    ready = turned.laid_out(rois._replace(regions=[region]), workers)
    return ready._replace(table=ready.table._replace(cells=ready.table.cells.copy()))


def _winners(ready: Ready, part: Part, channels: slice) -> Winners:
    """Return the largest samples of the bins of some RoIs."""
    some, cuts = part
    frame = ready.frame(some)
    bins = (some.stop - some.start) * ready.bins
    found = Winners.none(bins, channels.stop - channels.start, ready.rois.dtype)
    for cut, lines in enumerate(cuts):
        samples = listed(frame, lines)
        by_bin = Sorted.of(ready, frame, samples)
        if len(by_bin.bins):
            _take(found, cut, read(ready, samples, by_bin.order, some, channels), by_bin)
    _take_zeros(found, samples_of(ready, frame), _renormalizes(ready.rois))
    return found


def _take(found: Winners, cut: int, values: Array, by_bin: Sorted) -> None:
    """Take in the samples of a cut, sorted: those that are larger than what was found before."""
    order, bins, first, count, rank = by_bin
    places = by_bin.places() + np.repeat(found.seen[bins], count)
    largest = np.maximum.reduceat(values, first, axis=0)
    is_one = (values == np.repeat(largest, count, axis=0)) | np.isnan(values)
    at = np.where(is_one, np.arange(len(order))[:, None], len(order))
    at = np.minimum.reduceat(at, first, axis=0)
    old, unread = found.values[bins], found.cut[bins] == NONE
    better = unread | ~(np.isnan(old) | (old >= largest))
    new: tuple[Any, ...] = largest, cut, order[at], places[at]
    for array, now in zip(found[:4], new, strict=True):
        array[bins] = np.where(better, now, array[bins])
    in_place = np.add.reduceat((rank == places).astype(np.int64), first)
    whole = found.gap[bins] == found.seen[bins]  # none was missing before
    found.gap[bins] += np.where(whole, in_place, 0)
    found.seen[bins] += count


def _take_zeros(found: Winners, every: Floats, renormalize: bool) -> None:
    """Take in the samples that are out of range, if they take part; bins without any are 0."""
    takes_part = (found.seen < every) & (not renormalize)
    with np.errstate(invalid="ignore"):
        is_first = (found.values == 0) & (found.place >= found.gap[:, None])
        zero = takes_part[:, None] & ((found.values < 0) | is_first)
    zero |= (found.seen == 0)[:, None]
    found.values[zero], found.cut[zero] = 0, NONE


def _won(ready: Ready, part: Part) -> Iterator[Won]:
    """Yield the samples of some RoIs that have won, some channels and a cut at a time."""
    some, cuts = part
    frame = ready.frame(some)
    for channels in channels_of(ready):
        winners = _winners(ready, part, channels)
        for cut, lines in enumerate(cuts):
            own, channel = np.nonzero(winners.cut == cut)
            which, samples = winners.sample[own, channel], listed(frame, lines)
            won = Samples._make(each[..., which] for each in samples)
            yield Won(won, own, channel + channels.start)


def _add_cells(ready: Ready, won: Won, own: Array, some: slice) -> None:
    """Add the gradient of bins, (bins, C), to the cells that winners read."""
    gradient, table = own[won.bin, won.channel], ready.table.cells
    weights = bilinear(won.samples).reshape(4, -1).astype(table.dtype)
    for weight, cell in zip(weights, ready.cells(won.samples, some).reshape(4, -1), strict=True):
        np.add.at(table, (cell, won.channel), weight * gradient)


def _write_boxes(ready: Ready, gradient: Array, result: Floats, _: Any, part: Part) -> None:
    """Write the gradient of some boxes, in cells and radians."""
    some, rois = part[0], part[0].stop - part[0].start
    bins, frame = turned.bins_of(ready, gradient, some), ready.frame(some)
    for samples, own, channel in _won(ready, part):
        cells = ready.cells(samples, some).reshape(4, -1)
        (a, b), (c, d) = ready.table.cells[cells, channel].astype(np.float64).reshape(2, 2, -1)
        y, x = samples.fraction
        with np.errstate(invalid="ignore"):
            both = [(1 - x) * (c - a) + x * (d - b), (1 - y) * (b - a) + y * (d - c)]
            slopes = np.where(samples.moves, both, 0) * bins[own, channel]
        for column, values in enumerate(turned.by_column(frame, samples, slopes)):
            result[some, column] += np.bincount(samples.roi, values, rois)
