"""`ROIAlign` and `roi_align`: the core for Tensors and arrays in memory."""

from typing import Any, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor, record
from lucid.errors import ShapeError
from lucid.models.utils.boxes import as_rows, boxes_by_image, by_image
from lucid.nn.module import Module
from lucid.roi.operator import OutputSize, SpatialScale, as_aligned, as_output_size

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

    def __init__(self, output_size: OutputSize, *, aligned: bool = False) -> None:
        self.output_size = as_output_size(output_size)
        self.aligned = as_aligned(aligned)

    def forward(
        self,
        features: Operand,
        rois: Operand,
        spatial_scale: SpatialScale = 1.0,
        sampling_ratio: SupportsIndex = -1,
    ) -> Any:
        """Return the crops (K, C, PH, PW); parameters and errors are those of `roi_align`."""
        return roi_align(
            features, rois, self.output_size, spatial_scale, sampling_ratio, self.aligned
        )

    def __repr__(self) -> str:
        return f"ROIAlign(output_size={self.output_size}, aligned={self.aligned})"


@overload
def roi_align(
    features: Tensor, rois: Operand, output_size: OutputSize, *more: Any, **options: Any
) -> Tensor: ...
@overload
def roi_align(
    features: Operand, rois: Tensor, output_size: OutputSize, *more: Any, **options: Any
) -> Tensor: ...
@overload
def roi_align(
    features: ArrayLike, rois: ArrayLike, output_size: OutputSize, *more: Any, **options: Any
) -> Array: ...
def roi_align(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    sampling_ratio: SupportsIndex = -1,
    aligned: bool = False,
    *,
    invalid: str = "raise",
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
    sampling_ratio : int
        Samples per bin and axis, at most 1024; <= 0 is adaptive: `ceil(bin size in cells)`.
    aligned : bool
        True: subtract half a cell, so that coordinate 0 is the outer edge of the first cell. False,
        the original behaviour: coordinate 0 is its centre, and boxes are at least one cell wide
        and high.
    invalid : {'raise', 'zero'}
        What to do about an invalid RoI: one with a coordinate that is not finite, with x2 < x1 or
        y2 < y1, or with a batch index that is not a whole number in [0, N).

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
    maps = roi.check_features(_array(features, "features"))
    operator = roi.RoiAlign.checked(output_size, spatial_scale, sampling_ratio, aligned)
    boxes = boxes_by_image(rois, len(maps))
    rows = _array(rois, "rois") if boxes is None else as_rows(boxes)
    table = roi.as_rois(rows, len(maps), invalid=invalid)
    crops = roi.pool(maps, table, operator)
    operands = (features, *([rois] if boxes is None else boxes))
    if not any(isinstance(operand, Tensor) for operand in operands):
        return crops

    def pull(g: Array, wanted: list[bool]) -> list[Array | None]:
        for_features = roi.pool_adjoint(g, maps, table, operator) if wanted[0] else None
        if not any(wanted[1:]):
            return [for_features] + [None] * len(wanted[1:])
        slopes = roi.box_gradient(g, maps, table, operator)
        if boxes is None:
            return [for_features, np.column_stack([np.zeros(len(slopes)), slopes])]
        return [for_features, *by_image(slopes, boxes)]

    return record(crops, operands, pull)


def _array(data: Operand, name: str) -> Array:
    try:
        return np.asarray(data)
    except ValueError as error:  # rows of different lengths
        raise ShapeError(f"{name} must be a regular array: {error}") from None
