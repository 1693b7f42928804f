"""`ROIAlign` and `roi_align`: the core for Tensors and arrays in memory."""

from typing import Any, SupportsIndex

from numpy.typing import NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor
from lucid.models.utils.apply import apply, typed_by_operands
from lucid.nn.module import Module
from lucid.roi.operator import (
    OutputSize,
    SpatialScale,
    as_aligned,
    as_max_samples,
    as_mode,
    as_output_size,
    as_outside,
)

Array = NDArray[Any]


class ROIAlign(Module):
    """RoIAlign to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.
    aligned : bool
        Whether half a cell is subtracted from coordinates, so that 0 is the outer edge of the
        first cell and not its centre; see `roi_align`.
    mode, outside, max_samples
        As in `roi_align`.

    Examples
    --------
    >>> import lucid
    >>> roi_align_7 = ROIAlign(output_size=(7, 7))
    >>> features = lucid.random.randn(1, 256, 32, 32)
    >>> rois = lucid.Tensor([[0, 4, 4, 24, 24]])
    >>> crops = roi_align_7(features, rois)
    >>> print(crops.shape)
    (1, 256, 7, 7)
    >>> roi_align_7
    ROIAlign(output_size=(7, 7), aligned=False)
    """

    def __init__(
        self,
        output_size: OutputSize,
        *,
        aligned: bool = False,
        mode: str = "avg",
        outside: str = "zero",
        max_samples: SupportsIndex | None = None,
    ) -> None:
        self.output_size = as_output_size(output_size)
        self.aligned = as_aligned(aligned)
        self.mode, self.outside = as_mode(mode), as_outside(outside)
        self.max_samples = as_max_samples(max_samples)

    def forward(
        self,
        features: Operand,
        rois: Operand,
        spatial_scale: SpatialScale = 1.0,
        sampling_ratio: SupportsIndex | float = -1,
    ) -> Any:
        """Return the crops (K, C, PH, PW); parameters and errors are those of `roi_align`."""
        return roi_align(
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
        defaults = {"mode": "avg", "outside": "zero", "max_samples": None}
        more = {name: value for name, value in vars(self).items() if name in defaults}
        said = [f", {name}={more[name]!r}" for name in defaults if more[name] != defaults[name]]
        return f"ROIAlign(output_size={self.output_size}, aligned={self.aligned}{''.join(said)})"


@typed_by_operands
def roi_align(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
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
    """Return the crops of RoIs on feature maps.

    Parameters
    ----------
    features : Tensor or array_like of shape (N, C, H, W)
        The maps. Arrays may be of any float or integer dtype, byte order and strides, and
        memory-mapped. The parts that RoIs touch are copied with channels last, at most 64 MiB at a
        time on each call, or the window of one RoI if that is larger.
    rois : Tensor or array_like of shape (K, 5), or a list of N of shape (n, 4)
        Rows batch_index, x1, y1, x2, y2 in input coordinates, usually pixels of the image that the
        network saw; or boxes x1, y1, x2, y2 for each image, which for a single image need not be in
        a list.
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.
    spatial_scale : float or (float, float)
        Cells per input pixel, 1/16 for maps of stride 16; a pair is (y, x).
    sampling_ratio : int or math.inf
        Samples per bin and axis, at most 1024; <= 0 is adaptive: `ceil(bin size in cells)`. With
        `math.inf` a bin is the exact mean that more and more samples come to.
    aligned : bool
        True: subtract half a cell, so that coordinate 0 is the outer edge of the first cell. False,
        the original behaviour: coordinate 0 is its centre, and boxes are at least one cell wide
        and high.
    mode : {'avg', 'max'}
        Whether a bin is the mean of its samples, or the largest of them.
    outside : {'zero', 'renormalize'}
        What a sample farther out than one cell is: 0, or none at all, so that a bin is the mean
        (or maximum) of those that are left, and 0 without any.
    max_samples : int, optional
        The most samples per bin and axis where their number is adaptive.
    invalid : {'raise', 'zero'}
        What to do about an invalid RoI: one with a coordinate that is not finite, with x2 < x1 or
        y2 < y1, or with a batch index that is not a whole number in [0, N).
    expand : float
        How many times as large boxes are taken, about their centres.
    channels : slice, optional
        The channels that are pooled; all others have a gradient of 0.

    Returns
    -------
    Tensor or ndarray of shape (K, C, PH, PW)
        A Tensor if `features` is one, or `rois` or one of its list, with gradients for all. Row k
        belongs to RoI k. float16, float32 and float64 features keep their dtype; others give
        float32.

    Raises
    ------
    ShapeError, DTypeError
        If features or rois are not arrays as described.
    RoiError
        If a RoI is invalid and `invalid` is 'raise'; it names the first.
    ValueError, TypeError
        If another argument has no meaning.

    Notes
    -----
    The operator is that of He et al., "Mask R-CNN" (2017), section 3: each bin is the mean of
    bilinear samples on a regular grid inside it. A sample up to one cell beyond the centre of the
    outermost cell is clamped to it; farther out it is 0. Sample positions and weights are computed
    in float64.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> roi_align(ramp, [[0, 1, 1, 3, 3]], output_size=2)
    array([[[[ 9., 10.],
             [14., 15.]]]])
    """
    operator = roi.operators.roi_align_of(
        output_size,
        spatial_scale,
        sampling_ratio,
        aligned,
        mode=mode,
        outside=outside,
        max_samples=max_samples,
    )
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)
