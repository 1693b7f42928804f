"""`ROIPool` and `roi_pool`: the pooling of Fast R-CNN."""

from typing import Any

from numpy.typing import NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor
from lucid.models.utils.apply import apply, typed_by_operands
from lucid.nn.module import Module
from lucid.roi.operator import OutputSize, SpatialScale, as_output_size

Array = NDArray[Any]


class ROIPool(Module):
    """RoI pooling to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> ROIPool(2)(ramp, [[0, 1, 1, 3, 3]])
    array([[[[12., 13.],
             [17., 18.]]]])
    """

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = as_output_size(output_size)

    def forward(self, features: Operand, rois: Operand, spatial_scale: SpatialScale = 1.0) -> Any:
        """Return the crops; parameters and errors are those of `roi_pool`."""
        return roi_pool(features, rois, self.output_size, spatial_scale)

    def __repr__(self) -> str:
        return f"ROIPool(output_size={self.output_size})"


@typed_by_operands
def roi_pool(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    *,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return the largest cell of each bin of RoIs: RoI pooling.

    Parameters
    ----------
    features, rois, output_size, spatial_scale, invalid, expand, channels
        As in `roi_align`.

    Returns
    -------
    Tensor or ndarray of shape (K, C, PH, PW)
        As of `roi_align`.

    Raises
    ------
    ShapeError, DTypeError, RoiError, ValueError, TypeError
        As `roi_align` does.

    Notes
    -----
    The operator of Girshick, "Fast R-CNN" (2015): corners are scaled and rounded to cells, halves
    away from 0, and both ends are part of the box, so that (1, 1, 3, 3) is 3 cells a side. Bins are
    rounded outward and overlap. A bin without a cell is 0. The first of equally large cells has the
    gradient; boxes have none. Numbers are rounded in the dtype of the features, as the reference
    kernels do it.

    Examples
    --------
    >>> import numpy as np
    >>> roi_pool(np.arange(25.0).reshape(1, 1, 5, 5), [[0, 1, 1, 3, 3]], 2)
    array([[[[12., 13.],
             [17., 18.]]]])
    """
    operator = roi.operators.RoiPool.checked(output_size, spatial_scale)
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)
