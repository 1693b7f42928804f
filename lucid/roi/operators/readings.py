"""The samples of RoIAlign one by one: blocks of bins, each of which is one sample."""

from dataclasses import dataclass

import numpy as np

from lucid.roi.geometry import Geometry, as_column
from lucid.roi.operators.align import RoiAlign, Samples
from lucid.roi.operators.wrapped import Wrapped
from lucid.roi.taps import Grids, Taps
from lucid.roi.types import Array, Ints


@dataclass(frozen=True, slots=True)
class Readings(Wrapped):
    """A bin for each sample of a bin, in blocks of one size.

    Where a bin has more samples than a block, those out of range are alike: the block has all that
    are in range, and one before and behind them.
    """

    base: RoiAlign
    block: tuple[int, int]
    repeats: bool  # whether samples out of range are those next to them in the bin, and not 0

    @property
    def output_size(self) -> tuple[int, int]:
        """Bins of a crop, height before width."""
        (PH, PW), (down, across) = self.base.output_size, self.block
        return PH * down, PW * across

    def tap_counts(self, geometry: Geometry) -> Ints:
        """Return how many taps there may be, (2, K)."""
        counts = self.base.tap_counts(geometry)
        return np.maximum(counts, as_column(self.output_size)) if self.repeats else counts

    def grids(self, geometry: Geometry) -> tuple[Grids, tuple[float, float]] | None:
        """Return grids of one sample in each bin, where blocks have all samples."""
        found = self.base.grids(geometry)
        grids = Grids._make(geometry.windows.notes)
        if found is None or self.repeats or (grids.samples != as_column(self.block)).any():
            return None
        each = grids.bin / as_column(self.block)
        return grids._replace(bin=each, samples=(geometry.count > 0).astype(np.int64)), found[1]

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return the samples in range, each of which is a bin."""
        samples = self.base.samples(geometry)
        number = (samples.bins_from_start - samples.bin) * samples.per_bin
        number = np.floor(number).astype(np.int64)  # of the bin's samples
        first, last, owner = _runs(samples)
        low, high = number[first], number[last]
        block = np.repeat(self.block, len(geometry))[samples.line[first]]
        skipped = np.clip(low - 1, 0, samples.per_bin[first].astype(np.int64) - block)
        if self.repeats:
            owner = np.repeat(np.arange(len(first)), block)
            place = np.arange(len(owner)) - np.repeat(np.cumsum(block) - block, block)
            wanted = np.clip(place + skipped[owner], low[owner], high[owner])
            samples = Samples._make(each[first[owner] + wanted - low[owner]] for each in samples)
        else:
            place = number - skipped[owner]
        alone = samples._replace(
            bin=samples.bin * block[owner] + place, per_bin=np.ones(len(place))
        )
        return self.base.taps_of(geometry, alone, slopes)


def blocks_of(geometry: Geometry) -> Ints:
    """Return how many samples a block must have along each axis, (2, K)."""
    grids = Grids._make(geometry.windows.notes)
    samples = np.maximum(grids.samples, 1)
    with np.errstate(divide="ignore", over="ignore"):
        in_range = (geometry.size + 1.0) / (grids.bin / samples) + 3
    blocks: Array = np.where(in_range < samples, np.floor(np.minimum(in_range, samples)), samples)
    return blocks.astype(np.int64)


def _runs(samples: Samples) -> tuple[Ints, Ints, Ints]:
    """Return the first and the last sample of each bin, and which of the bins each is of."""
    line, number = samples.line, samples.bin
    begins = np.ones(len(line), bool)
    begins[1:] = (line[1:] != line[:-1]) | (number[1:] != number[:-1])
    first = np.flatnonzero(begins)
    last = np.append(first, len(line))[1:] - 1
    return first, last, np.cumsum(begins) - 1
