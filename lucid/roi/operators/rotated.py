"""RoIAlign in turned boxes: each bin is the mean of samples on a grid along the box's own sides."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, SupportsIndex

import numpy as np

from lucid.roi.forms import TURNED, BoxForm
from lucid.roi.geometry import Geometry, Windows, as_column
from lucid.roi.operator import (
    OutputSize,
    SpatialScale,
    as_aligned,
    as_angle,
    as_clockwise,
    as_max_samples,
    as_mode,
    as_output_size,
    as_outside,
    as_sampling_ratio,
    as_spatial_scale,
)
from lucid.roi.operators.align import FLOAT64, MAX_BIN_SAMPLES, scaled, touched
from lucid.roi.operators.family import contradictions, refuse
from lucid.roi.taps import TurnedGrids
from lucid.roi.turned_samples import shares_in_range
from lucid.roi.types import Array, Floats, Ints

DEGREES = 180 / math.pi
ROUNDED = 2.0**-50  # an angle in radians this near to a multiple of 90 degrees is meant to be one
SINE = [(-1) ** n / math.factorial(2 * n + 1) for n in range(10)]  # of x, of x cubed, ...
COSINE = [(-1) ** n / math.factorial(2 * n) for n in range(11)]


@dataclass(frozen=True, slots=True)
class RoiAlignRotated:
    """RoIAlign in boxes cx, cy, w, h, angle; the angle turns them against the clock, as seen."""

    form: ClassVar[BoxForm] = TURNED

    output_size: tuple[int, int]
    spatial_scale: tuple[float, float]  # the same twice: another would shear a turned box
    sampling_ratio: int
    aligned: bool
    angle: str
    clockwise: bool
    max_samples: int = MAX_BIN_SAMPLES  # of a bin along an axis, where they are counted
    renormalize: bool = False  # whether samples out of range do not take part

    @classmethod
    def checked(
        cls,
        output_size: OutputSize,
        spatial_scale: SpatialScale = 1.0,
        sampling_ratio: SupportsIndex = -1,
        aligned: bool = True,
        *,
        angle: str = "degrees",
        clockwise: bool = False,
        mode: str = "avg",
        outside: str = "zero",
        max_samples: SupportsIndex | None = None,
    ) -> "RoiAlignRotated":
        """Return the operator that a caller asked for, or say which argument cannot be.

        Raises
        ------
        TypeError, ValueError
            If an argument has no meaning.
        """
        ratio, most = as_sampling_ratio(sampling_ratio), as_max_samples(max_samples)
        scale = as_spatial_scale(spatial_scale)
        refuse(contradictions(ratio, mode=mode, max_samples=most))
        kind = RotatedMax if as_mode(mode) == "max" else cls
        if math.isinf(ratio):
            raise ValueError("sampling_ratio must be a number of samples for rotated RoIs, got inf")
        if scale[0] != scale[1]:
            raise ValueError(
                f"spatial_scale must be one number for rotated RoIs, got {scale}: other scales "
                "along y and x would shear them"
            )
        return kind(
            as_output_size(output_size),
            scale,
            int(ratio),
            as_aligned(aligned),
            as_angle(angle),
            as_clockwise(clockwise),
            most or MAX_BIN_SAMPLES,
            as_outside(outside) == "renormalize",
        )

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes (K, 5), with their grids as notes."""
        x, y, w, h, angle = boxes.T
        with np.errstate(over="ignore", under="ignore"):
            centre = scaled(np.array([y, x]), self.spatial_scale, FLOAT64) - self.offset
            extent = scaled(np.array([h, w]), self.spatial_scale, FLOAT64)
            samples = self._samples_per_bin(np.array([h, w]), dtype)
        longer = np.maximum(extent, self._least_extent)
        grids = TurnedGrids(
            centre=centre,
            start=-longer / 2,
            bin=longer / as_column(self.output_size),
            min_extent=extent < self._least_extent,
            samples=samples,
            turn=self._turn(angle),
        )
        first, count = touched(*_reach(grids, self.output_size), samples > 0, sizes)
        return Windows(first=first, count=count, notes=grids)

    @property
    def offset(self) -> float:
        """What is subtracted from positions, in cells."""
        return 0.5 * self.aligned

    @property
    def _least_extent(self) -> int:
        """The least extent in cells, by which a smaller box grows about its centre."""
        return 0 if self.aligned else 1

    def _samples_per_bin(self, sides: Floats, dtype: np.dtype[Any]) -> Ints:
        """Return the samples per bin (2, K), counted in `dtype` from the sides themselves."""
        if self.sampling_ratio > 0:
            return np.full(sides.shape, self.sampling_ratio)
        extent = np.maximum(
            scaled(sides, self.spatial_scale, dtype), dtype.type(self._least_extent)
        )
        samples = np.ceil(extent / as_column(self.output_size).astype(dtype))
        counts: Ints = np.minimum(samples, self.max_samples).astype(np.int64)
        return counts

    def _turn(self, angle: Floats) -> Floats:
        """Return the sines and cosines of the angles of boxes, (2, K)."""
        if self.angle == "degrees":
            degrees = np.fmod(angle, 360)
        else:
            turned = np.fmod(angle * DEGREES, 360)
            right = np.rint(turned / 90) * 90
            degrees = np.where(abs(turned - right) <= ROUNDED * abs(angle * DEGREES), right, turned)
        return turn_of(-degrees if self.clockwise else degrees)

    def most_samples(self, size: tuple[int, int]) -> int:
        """Return the most samples in a row of any RoI that may be on a map of this size."""
        bins, ratio = self.output_size[1], self.sampling_ratio
        return bins * ratio if ratio > 0 else 3 * sum(size) + bins

    @property
    def units(self) -> Floats:
        """What one unit of each box column is in cells, or in radians against the clock."""
        sign, scale = -1 if self.clockwise else 1, self.spatial_scale[0]
        radian = sign / (DEGREES if self.angle == "degrees" else 1)
        return np.array([scale, scale, scale, scale, radian])

    def upright(self, boxes: Floats) -> Floats:
        """Return the least upright boxes around turned ones, (K, 4)."""
        sine, cosine = abs(self._turn(boxes[:, 4]))
        w, h = boxes[:, 2:4].T / 2
        half = np.column_stack([w * cosine + h * sine, w * sine + h * cosine])
        return np.hstack([boxes[:, :2] - half, boxes[:, :2] + half])

    def coverage(self, geometry: Geometry) -> Floats:
        """Return how much of each bin is on the map, (K, PH, PW): samples in range of all."""
        return shares_in_range(geometry, self.turned(geometry))

    def turned(self, geometry: Geometry) -> TurnedGrids:
        """Return the grids of samples."""
        return TurnedGrids._make(geometry.windows.notes)


@dataclass(frozen=True, slots=True)
class RotatedMax(RoiAlignRotated):
    """The largest sample of each bin; 0 for one out of range, or that does not take part."""


def turn_of(degrees: Floats) -> Floats:
    """Return sine and cosine, (2, K): exact at multiples of 90, the same bits on any machine."""
    quarters = np.rint(degrees / 90)
    rest = (degrees - 90 * quarters) / DEGREES
    square = rest * rest
    sine, cosine = rest * _sum(SINE, square), _sum(COSINE, square)
    number = quarters.astype(np.int64) % 4
    return np.array(
        [
            np.choose(number, [sine, cosine, -sine, -cosine]),
            np.choose(number, [cosine, -sine, -cosine, sine]),
        ]
    )


def _sum(series: list[float], x: Floats) -> Floats:
    """Return the sum of a power series."""
    total = np.zeros_like(x)
    for factor in reversed(series):
        total = total * x + factor
    return total


def _reach(grids: TurnedGrids, pooled: tuple[int, int]) -> tuple[Array, Array]:
    """Return the lowest and the highest positions (2, K) of any samples: of those at corners."""
    some = np.maximum(grids.samples, 1)
    outer = np.array([0.5 / some, as_column(pooled) - 1 + (some - 0.5) / some])
    (top, left), (bottom, right) = grids.start + outer * grids.bin
    corners = np.array([grids.position(v, u) for v in (top, bottom) for u in (left, right)])
    return corners.min(axis=0), corners.max(axis=0)
