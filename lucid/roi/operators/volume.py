"""RoIAlign in three dimensions: along each axis what it is in two."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, SupportsIndex

import numpy as np

from lucid.roi.forms import VOLUME, BoxForm
from lucid.roi.geometry import Geometry, Windows
from lucid.roi.operator import (
    VolumeScale,
    VolumeSize,
    as_mode,
    as_outside,
    as_sampling_ratio,
    as_volume_scale,
    as_volume_size,
)
from lucid.roi.operators.family import contradictions, refuse, roi_align_of
from lucid.roi.operators.wrapped import Sampling
from lucid.roi.types import Floats, Ints


@dataclass(frozen=True, slots=True)
class RoiAlign3D:
    """RoIAlign on planes, and along the depth; triples are depth before height before width."""

    form: ClassVar[BoxForm] = VOLUME

    plane: Sampling
    depth: Sampling  # along each of its two axes

    @classmethod
    def checked(
        cls,
        output_size: VolumeSize,
        spatial_scale: VolumeScale = 1.0,
        sampling_ratio: SupportsIndex | float = -1,
        aligned: bool = False,
        *,
        mode: str = "avg",
        outside: str = "zero",
        max_samples: SupportsIndex | None = None,
    ) -> "RoiAlign3D":
        """Return the operator that a caller asked for, or say which argument cannot be.

        Raises
        ------
        TypeError, ValueError
            If an argument has no meaning.
        """
        deep, *flat = as_volume_size(output_size)
        far, *near = as_volume_scale(spatial_scale)
        is_max = as_mode(mode) == "max"
        refuse(contradictions(as_sampling_ratio(sampling_ratio), mode=mode))
        of_axes = partial(
            roi_align_of,
            sampling_ratio=sampling_ratio,
            aligned=aligned,
            outside="zero" if is_max else outside,
            max_samples=max_samples,
        )
        plane = of_axes((flat[0], flat[1]), (near[0], near[1]))
        depth = of_axes((deep, deep), (far, far))
        if is_max:
            return VolumeMax(plane, depth, as_outside(outside) == "renormalize")
        return cls(plane, depth)

    @property
    def output_size(self) -> tuple[int, int, int]:
        """Bins of a crop: depth, height, width."""
        return self.depth.output_size[0], *self.plane.output_size

    @property
    def spatial_scale(self) -> tuple[float, float, float]:
        """Cells per input coordinate: z, y, x."""
        return self.depth.spatial_scale[0], *self.plane.spatial_scale

    @property
    def offset(self) -> float:
        """What is subtracted from positions, in cells."""
        return self.plane.offset

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes (K, 6), on planes and along the depth."""
        plane = self.plane.windows(boxes[:, [0, 1, 3, 4]], sizes[1:], dtype)
        depth = self.depth.windows(boxes[:, [2, 2, 5, 5]], sizes[[0, 0]], dtype)
        notes = zip(depth.notes, plane.notes, strict=True)
        return Windows(
            first=np.concatenate([depth.first[:1], plane.first]),
            count=np.concatenate([depth.count[:1], plane.count]),
            notes=tuple(np.concatenate(both) for both in notes),
        )

    def coverage(self, geometry: Geometry) -> Floats:
        """Return how much of each bin is in the volume, (K, PD, PH, PW), from 0 to 1."""
        deep, flat = self.parts(geometry)
        along, _ = self.depth.covered(deep)
        covered: Floats = along[:, :, None, None] * self.plane.coverage(flat)[:, None]
        return covered

    def parts(self, geometry: Geometry) -> tuple[Geometry, Geometry]:
        """Return the geometry of RoIs along the depth, twice the same, and that on planes."""
        first, count, size = geometry.first, geometry.count, geometry.size
        deep, flat = zip(*(np.split(note, 2) for note in geometry.windows.notes), strict=True)
        depth = Windows(first[[0, 0]], count[[0, 0]], deep)
        return (
            Geometry(self.depth, size[[0, 0]], depth),
            Geometry(self.plane, size[1:], Windows(first[1:], count[1:], flat)),
        )


@dataclass(frozen=True, slots=True)
class VolumeMax(RoiAlign3D):
    """The largest sample of each bin; 0 for one out of range, or that does not take part."""

    renormalize: bool  # whether samples out of range do not take part
