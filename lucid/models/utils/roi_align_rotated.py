"""`ROIAlignRotated` and `roi_align_rotated`: RoIAlign in boxes that are turned."""

from typing import Any, SupportsIndex

from numpy.typing import NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor
from lucid.models.utils.apply import apply, typed_by_operands
from lucid.nn.module import Module
from lucid.roi.operator import (
    OutputSize,
    as_aligned,
    as_angle,
    as_clockwise,
    as_max_samples,
    as_mode,
    as_output_size,
    as_outside,
)

Array = NDArray[Any]


class ROIAlignRotated(Module):
    """RoIAlign in turned boxes, to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.
    aligned, angle, clockwise, mode, outside, max_samples
        As in `roi_align_rotated`.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> pool = ROIAlignRotated(2, clockwise=True)
    >>> pool(ramp, [[0, 2.5, 2.5, 2, 2, 90]])
    array([[[[10., 15.],
             [ 9., 14.]]]])
    >>> pool
    ROIAlignRotated(output_size=(2, 2), aligned=True, angle='degrees', clockwise=True)
    """

    def __init__(
        self,
        output_size: OutputSize,
        *,
        aligned: bool = True,
        angle: str = "degrees",
        clockwise: bool = False,
        mode: str = "avg",
        outside: str = "zero",
        max_samples: SupportsIndex | None = None,
    ) -> None:
        self.output_size = as_output_size(output_size)
        self.aligned, self.clockwise = as_aligned(aligned), as_clockwise(clockwise)
        self.angle, self.max_samples = as_angle(angle), as_max_samples(max_samples)
        self.mode, self.outside = as_mode(mode), as_outside(outside)

    def forward(
        self,
        features: Operand,
        rois: Operand,
        spatial_scale: float = 1.0,
        sampling_ratio: SupportsIndex = -1,
    ) -> Any:
        """Return the crops (K, C, PH, PW); parameters and errors as of `roi_align_rotated`."""
        return roi_align_rotated(
            features,
            rois,
            self.output_size,
            spatial_scale,
            sampling_ratio,
            self.aligned,
            angle=self.angle,
            clockwise=self.clockwise,
            mode=self.mode,
            outside=self.outside,
            max_samples=self.max_samples,
        )

    def __repr__(self) -> str:
        mode = "" if self.mode == "avg" else f", mode={self.mode!r}"
        outside = "" if self.outside == "zero" else f", outside={self.outside!r}"
        most = "" if self.max_samples is None else f", max_samples={self.max_samples}"
        return (
            f"ROIAlignRotated(output_size={self.output_size}, aligned={self.aligned}, "
            f"angle={self.angle!r}, clockwise={self.clockwise}{mode}{outside}{most})"
        )


@typed_by_operands
def roi_align_rotated(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    spatial_scale: float = 1.0,
    sampling_ratio: SupportsIndex = -1,
    aligned: bool = True,
    *,
    angle: str = "degrees",
    clockwise: bool = False,
    mode: str = "avg",
    outside: str = "zero",
    max_samples: SupportsIndex | None = None,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return the crops of turned RoIs.

    Parameters
    ----------
    features, output_size, invalid, expand, channels
        As in `roi_align`.
    rois : Tensor or array_like of shape (K, 6), or a list of N of shape (n, 5)
        Rows batch_index, cx, cy, w, h, angle: centre and sides in input coordinates; or boxes
        cx, cy, w, h, angle for each image. Sides below 0 are invalid.
    spatial_scale : float
        Cells per input pixel, the same along both axes.
    sampling_ratio : int
        Samples per bin and axis, at most 1024; <= 0 is adaptive: `ceil(bin size in cells)`, from
        the sides of the box itself.
    aligned : bool
        True, unlike in `roi_align`: coordinate 0 is the outer edge of the first cell. False:
        coordinate 0 is its centre, and boxes of less than a cell grow to one about their centres.
    angle : {'degrees', 'radians'}
        The unit of angles. Multiples of 90 degrees are exact in either.
    clockwise : bool
        Whether angles turn as the hands of a clock; by default they turn against them, as seen on
        a screen, where y points down.
    mode, outside : str
        As in `roi_align`.
    max_samples : int, optional
        Most samples per bin and axis where sampling is adaptive.

    Returns
    -------
    Tensor or ndarray of shape (K, C, PH, PW)
        As of `roi_align`, with gradients for features, and for all columns of boxes.

    Raises
    ------
    ShapeError, DTypeError, RoiError, ValueError, TypeError
        As `roi_align` does.

    Notes
    -----
    Bins lie along the sides of the box; each is the mean of bilinear samples on a grid inside it,
    read and weighted as by `roi_align`. It is the operator of detectron2, mmcv and OpenVINO. They
    differ in units and signs: mmcv takes radians, and its `clockwise` is this one.

    Samples are counted from the sides of a box, those of an upright RoI from its rounded corners:
    where a bin is a whole number of cells, `angle=0` may take another number than `roi_align`.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> roi_align_rotated(ramp, [[0, 2.5, 2.5, 2, 2, 90]], output_size=2)
    array([[[[14.,  9.],
             [15., 10.]]]])
    """
    operator = roi.operators.RoiAlignRotated.checked(
        output_size,
        spatial_scale,
        sampling_ratio,
        aligned,
        angle=angle,
        clockwise=clockwise,
        mode=mode,
        outside=outside,
        max_samples=max_samples,
    )
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)
