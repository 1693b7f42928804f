"""What is to be done, before it is known in which batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.roi.geometry import Geometry, Operator, lay_out
from lucid.roi.operator import compute_dtype, crop_channels
from lucid.stream.read.maps import Features
from lucid.stream.read.rois import RoiSource


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, before it is known in which batches."""

    features: Features
    rois: RoiSource
    operator: Operator
    dtype: np.dtype[Any]  # of the crops
    engine: str  # what computes them: 'numpy' or 'compiled'
    reduce: str | None = None  # what their bins become: 'mean', or None for nothing else

    @property
    def bins_shape(self) -> tuple[int, ...]:
        """The shape of what the operator makes: (K, C, PH, PW)."""
        return (
            self.rois.rois,
            crop_channels(self.operator, self.features.channels),
            *self.operator.output_size,
        )

    @property
    def crops_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self.bins_shape if self.reduce is None else self.bins_shape[:2]

    @property
    def row_bytes(self) -> int:
        """The size of a row of the result."""
        return math.prod(self.crops_shape[1:]) * self.dtype.itemsize

    @property
    def crop_bytes(self) -> int:
        """What a crop takes while it is made."""
        if self.reduce is None:
            return self.row_bytes
        return math.prod(self.bins_shape[1:]) * self.compute_dtype.itemsize + self.row_bytes

    @property
    def compute_dtype(self) -> np.dtype[Any]:
        """What bins are weighted in."""
        return compute_dtype(self.features.dtype)

    def lay_out(self, boxes: NDArray[np.float64], images: int | NDArray[np.int64]) -> Geometry:
        """Return the geometry of boxes on the map of an image, or each on that of its own."""
        sizes = self.features.sizes
        sizes = sizes[np.minimum(images, len(sizes) - 1)].T
        return lay_out(boxes, self.operator, sizes, self.compute_dtype)
