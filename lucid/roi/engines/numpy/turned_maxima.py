"""The largest samples on turned grids: those in range are listed and read."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lucid.roi.engines import PlacedRois
from lucid.roi.engines.numpy.turned import Part, Ready, bilinear, laid_out
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.turned_samples import LISTED_SAMPLES, Frame, Samples, listed
from lucid.roi.types import Array, Floats, Ints
from lucid.roi.workers import Workers

READ_BYTES = 4 << 20  # of samples at once, or those of a channel


class Sorted(NamedTuple):
    """Samples bin by bin, in each of which they keep their order."""

    order: Ints
    bins: Ints  # those that have any
    first: Ints  # of each, in that order
    number: Ints  # of samples of each
    rank: Floats  # in that order, how many samples of its bin are before each, in range or not

    @classmethod
    def of(cls, ready: Ready, frame: Frame, samples: Samples) -> "Sorted":
        """Return the order of samples."""
        numbers = ready.numbers(samples)
        order = np.argsort(numbers, kind="stable")
        bins, first, count = np.unique(numbers[order], return_index=True, return_counts=True)
        each = frame.grids.samples[:, samples.roi]
        down, across = np.floor((samples.along - samples.bin) * each)
        return cls(order, bins, first, count, (down * each[1] + across)[order])

    def places(self) -> Ints:
        """Return the number of each sample among those of its bin, in the order of bins."""
        found: Ints = np.arange(len(self.order)) - np.repeat(self.first, self.number)
        return found


def pool(rois: PlacedRois, renormalize: bool, crops: Array, workers: Workers[Workspace]) -> None:
    """Write the largest samples of bins, as which those out of range count unless renormalized."""
    ready = laid_out(rois, workers)
    workers.each(partial(_write_crops, ready, renormalize, crops), ready.parts())


def _write_crops(ready: Ready, renormalize: bool, crops: Array, _: Any, part: Part) -> None:
    """Write the crops of some RoIs."""
    rows = ready.rois.rows[part[0]]
    values = np.concatenate(
        [_largest(ready, renormalize, part, some) for some in channels_of(ready)], 1
    )
    shape = len(rows), *ready.rois.geometry.pooled, crops.shape[1]
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        crops[rows] = values.reshape(shape).transpose(0, 3, 1, 2)


def channels_of(ready: Ready) -> Iterator[slice]:
    """Yield channels, as many as the samples of a part may take."""
    channels = ready.table.cells.shape[1]
    step = max(READ_BYTES // (LISTED_SAMPLES * ready.rois.dtype.itemsize), 1)
    for start in range(0, channels, step):
        yield slice(start, min(start + step, channels))


def _largest(ready: Ready, renormalize: bool, part: Part, channels: slice) -> Array:
    """Return the values of the largest samples alone, (bins, C), which is less work."""
    (some, cuts), frame = part, ready.frame(part[0])
    every = samples_of(ready, frame)
    values = np.full((len(every), channels.stop - channels.start), -np.inf, ready.rois.dtype)
    seen = np.zeros(len(every))
    for samples in (listed(frame, lines) for lines in cuts):
        by_bin = Sorted.of(ready, frame, samples)
        if len(bins := by_bin.bins):
            found = read(ready, samples, by_bin.order, some, channels)
            largest = np.maximum.reduceat(found, by_bin.first, axis=0)
            values[bins] = np.maximum(values[bins], largest)
            seen[bins] += by_bin.number
    if not renormalize:
        np.maximum(values, 0, out=values, where=(seen < every)[:, None])
    values[seen == 0] = 0
    return values


def samples_of(ready: Ready, frame: Frame) -> Floats:
    """Return how many samples each bin of a frame has, in range or not."""
    return np.repeat(frame.grids.samples.astype(np.float64).prod(axis=0), ready.bins)


def read(ready: Ready, samples: Samples, order: Ints, some: slice, channels: slice) -> Array:
    """Return the values of samples in some order, (n, C)."""
    weights = bilinear(samples).reshape(4, -1, 1)[:, order].astype(ready.rois.dtype)
    cells, table = ready.cells(samples, some).reshape(4, -1), ready.table.cells[:, channels]
    cells, values = cells[:, order], np.zeros((len(order), table.shape[1]), table.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for weight, cell in zip(weights, cells, strict=True):
            values += weight * table[cell]
    return values
