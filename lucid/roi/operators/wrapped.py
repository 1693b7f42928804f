"""Operators that read what another one reads, and make something else of it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from lucid.roi.forms import UPRIGHT, BoxForm
from lucid.roi.geometry import Geometry, Operator, TapOperator, Windows
from lucid.roi.taps import Grids, Taps
from lucid.roi.types import Floats, Ints


class Covering(Operator, Protocol):
    """An operator of which it is known how much of a bin is on the map."""

    def coverage(self, geometry: Geometry) -> Floats:
        """Return how much of each bin is on the map, (K, PH, PW), from 0 to 1."""


class Sampling(TapOperator, Covering, Protocol):
    """An operator of which that is known along each axis."""

    def covered(self, geometry: Geometry) -> tuple[Floats, Floats]:
        """Return how much of each bin is on the map along each axis, (K, PH) and (K, PW)."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An operator with the taps of another one."""

    form: ClassVar[BoxForm] = UPRIGHT

    base: TapOperator

    @property
    def output_size(self) -> tuple[int, int]:
        """Bins of a crop, height before width."""
        return self.base.output_size

    @property
    def spatial_scale(self) -> tuple[float, float]:
        """Cells per input coordinate, y before x."""
        return self.base.spatial_scale

    @property
    def offset(self) -> float:
        """What is subtracted from positions, in cells."""
        return self.base.offset

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes."""
        return self.base.windows(boxes, sizes, dtype)

    def coverage(self, geometry: Geometry) -> Floats:
        """Return how much of each bin is on the map, (K, PH, PW), from 0 to 1."""
        return cast(Covering, self.base).coverage(geometry)

    def covered(self, geometry: Geometry) -> tuple[Floats, Floats]:
        """Return how much of each bin is on the map along each axis, (K, PH) and (K, PW)."""
        return cast(Sampling, self.base).covered(geometry)

    def tap_counts(self, geometry: Geometry) -> Ints:
        """Return how many taps there may be, (2, K)."""
        return self.base.tap_counts(geometry)

    def most_taps(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return how many taps a RoI may have along each axis."""
        return self.base.most_taps(size)

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return what bins read."""
        return self.base.taps(geometry, slopes)

    def grids(self, geometry: Geometry) -> tuple[Grids, tuple[float, float]] | None:
        """Return None: taps are not of one weight, or not all."""
        return None


@dataclass(frozen=True, slots=True)
class Renormalized(Wrapped):
    """The mean over what is on the map, 0 where nothing is: each axis's weights add up to 1."""

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return taps whose weights are divided by their sum; slopes by the quotient rule."""
        taps = self.base.taps(geometry, slopes)
        total = self._of_bins(taps, taps.weights, geometry)
        gains = [
            gain / total - taps.weights * (self._of_bins(taps, gain, geometry) / total**2)
            for gain in taps.slopes
        ]
        return taps._replace(weights=taps.weights / total, slopes=tuple(gains))

    def _of_bins(self, taps: Taps, values: Floats, geometry: Geometry) -> Floats:
        """Return for each tap the sum of values (T, n) of its bin; 1 where that is too little."""
        sums = taps.sums(values, self.output_size, len(geometry))[taps.line, taps.bin]
        tiny = np.finfo(np.float64).tiny
        return np.where(np.abs(sums) < tiny, 1.0, sums) if values is taps.weights else sums


@dataclass(frozen=True, slots=True)
class MaxAlign(Wrapped):
    """The largest sample of each bin; 0 for one out of range, or that does not take part."""

    renormalize: bool  # whether samples out of range do not take part
