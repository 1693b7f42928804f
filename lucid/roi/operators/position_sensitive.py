"""Position-sensitive operators: each bin has channels of its own, of which it reads one."""

from dataclasses import dataclass
from typing import ClassVar, SupportsIndex

import numpy as np

from lucid.roi.geometry import Geometry
from lucid.roi.operator import OutputSize, SpatialScale
from lucid.roi.operators.family import roi_align_of
from lucid.roi.operators.whole_cells import PsRoiPool
from lucid.roi.operators.wrapped import Wrapped
from lucid.roi.taps import Taps


@dataclass(frozen=True, slots=True)
class PositionSensitive(Wrapped):
    """Bin (p, q) of channel c is that of channel (c * PH + p) * PW + q by another operator."""

    has_channels_of_bins: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class OneBin(Wrapped):
    """One bin of another operator."""

    row: int
    column: int

    @property
    def output_size(self) -> tuple[int, int]:
        """Bins of a crop."""
        return 1, 1

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return what the bin reads."""
        taps = self.base.taps(geometry, slopes)
        wanted = np.where(taps.line < len(geometry), self.row, self.column)
        some = np.flatnonzero(taps.bin == wanted)
        return Taps(
            line=taps.line[some],
            bin=np.zeros_like(some),
            cell=taps.cell[some],
            weights=taps.weights[:, some],
            slopes=tuple(slope[:, some] for slope in taps.slopes),
        )


def ps_roi_align_of(
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    sampling_ratio: SupportsIndex | float = -1,
    *,
    outside: str = "zero",
    max_samples: SupportsIndex | None = None,
) -> PositionSensitive:
    """Return the operator that a caller asked for, or say which argument cannot be."""
    return PositionSensitive(
        roi_align_of(
            output_size,
            spatial_scale,
            sampling_ratio,
            aligned=True,
            outside=outside,
            max_samples=max_samples,
        )
    )


def ps_roi_pool_of(output_size: OutputSize, spatial_scale: SpatialScale = 1.0) -> PositionSensitive:
    """Return the operator that a caller asked for, or say which argument cannot be."""
    return PositionSensitive(PsRoiPool.checked(output_size, spatial_scale))
