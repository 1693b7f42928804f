"""`ROIAlign3D` and `roi_align_3d`: RoIAlign in three dimensions."""

from typing import Any, SupportsIndex

from numpy.typing import NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor
from lucid.models.utils.apply import apply, typed_by_operands
from lucid.nn.module import Module
from lucid.roi.operator import (
    VolumeScale,
    VolumeSize,
    as_aligned,
    as_max_samples,
    as_mode,
    as_outside,
    as_volume_size,
)

Array = NDArray[Any]


class ROIAlign3D(Module):
    """RoIAlign in three dimensions, to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int, int)
        Bins per crop, depth before height before width; an int means a cube.
    aligned, mode, outside, max_samples
        As in `roi_align`.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(64.0).reshape(1, 1, 4, 4, 4)
    >>> pool = ROIAlign3D(2)
    >>> pool(ramp, [[0, 1, 1, 1, 3, 3, 3]]).shape
    (1, 1, 2, 2, 2)
    >>> pool
    ROIAlign3D(output_size=(2, 2, 2), aligned=False)
    """

    def __init__(
        self,
        output_size: VolumeSize,
        *,
        aligned: bool = False,
        mode: str = "avg",
        outside: str = "zero",
        max_samples: SupportsIndex | None = None,
    ) -> None:
        self.output_size, self.aligned = as_volume_size(output_size), as_aligned(aligned)
        self.mode, self.outside = as_mode(mode), as_outside(outside)
        self.max_samples = as_max_samples(max_samples)

    def forward(
        self,
        features: Operand,
        rois: Operand,
        spatial_scale: VolumeScale = 1.0,
        sampling_ratio: SupportsIndex | float = -1,
    ) -> Any:
        """Return the crops (K, C, PD, PH, PW); parameters and errors are of `roi_align_3d`."""
        return roi_align_3d(
            features,
            rois,
            self.output_size,
            spatial_scale,
            sampling_ratio,
            self.aligned,
            mode=self.mode,
            outside=self.outside,
            max_samples=self.max_samples,
        )

    def __repr__(self) -> str:
        mode = "" if self.mode == "avg" else f", mode={self.mode!r}"
        outside = "" if self.outside == "zero" else f", outside={self.outside!r}"
        most = "" if self.max_samples is None else f", max_samples={self.max_samples}"
        return (
            f"ROIAlign3D(output_size={self.output_size}, aligned={self.aligned}"
            f"{mode}{outside}{most})"
        )


@typed_by_operands
def roi_align_3d(
    features: Operand,
    rois: Operand,
    output_size: VolumeSize,
    spatial_scale: VolumeScale = 1.0,
    sampling_ratio: SupportsIndex | float = -1,
    aligned: bool = False,
    *,
    mode: str = "avg",
    outside: str = "zero",
    max_samples: SupportsIndex | None = None,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return the crops of RoIs in volumes.

    Parameters
    ----------
    features : Tensor or array_like of shape (N, C, D, H, W)
        The volumes.
    rois : Tensor or array_like of shape (K, 7), or a list of N of shape (n, 6)
        Rows batch_index, x1, y1, z1, x2, y2, z2 in input coordinates; or boxes
        x1, y1, z1, x2, y2, z2 for each volume.
    output_size : int or (int, int, int)
        Bins per crop, depth before height before width; an int means a cube.
    spatial_scale : float or (float, float, float)
        Cells per input unit; a triple is (z, y, x).
    sampling_ratio, aligned, mode, outside, max_samples, invalid, expand, channels
        As in `roi_align`, along each of the three axes.

    Returns
    -------
    Tensor or ndarray of shape (K, C, PD, PH, PW)
        As of `roi_align`.

    Raises
    ------
    ShapeError, DTypeError, RoiError, ValueError, TypeError
        As `roi_align` does.

    Notes
    -----
    Only planes that a RoI touches are read. Others order the columns of boxes differently: those
    of medical toolkits are often y1, x1, y2, x2, z1, z2 on volumes (H, W, D).

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(64.0).reshape(1, 1, 4, 4, 4)
    >>> roi_align_3d(ramp, [[0, 1, 1, 1, 3, 3, 3]], output_size=2)[0, 0, 0]
    array([[31.5, 32.5],
           [35.5, 36.5]])
    """
    operator = roi.operators.RoiAlign3D.checked(
        output_size,
        spatial_scale,
        sampling_ratio,
        aligned,
        mode=mode,
        outside=outside,
        max_samples=max_samples,
    )
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)
