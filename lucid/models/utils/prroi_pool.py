"""`PrROIPool` and `prroi_pool`: Precise RoI Pooling."""

from typing import Any

from numpy.typing import NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor
from lucid.models.utils.apply import apply, typed_by_operands
from lucid.nn.module import Module
from lucid.roi.operator import OutputSize, SpatialScale, as_output_size

Array = NDArray[Any]


class PrROIPool(Module):
    """Precise RoI Pooling to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> PrROIPool(2)(ramp, [[0, 1, 1, 3, 3]])
    array([[[[ 9., 10.],
             [14., 15.]]]])
    """

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = as_output_size(output_size)

    def forward(self, features: Operand, rois: Operand, spatial_scale: SpatialScale = 1.0) -> Any:
        """Return the crops (K, C, PH, PW); parameters and errors are those of `prroi_pool`."""
        return prroi_pool(features, rois, self.output_size, spatial_scale)

    def __repr__(self) -> str:
        return f"PrROIPool(output_size={self.output_size})"


@typed_by_operands
def prroi_pool(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    *,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return the exact means of the bins of RoIs: Precise RoI Pooling.

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
    The operator of Jiang et al., "Acquisition of Localization Confidence for Accurate Object
    Detection" (2018): a bin is the integral of the bilinear surface over it, divided by its area.
    Coordinate 0 is the centre of the first cell, and beyond the centre of an outermost cell the
    surface falls to 0 within one cell: bins at the border are darker than those of `roi_align`
    with `sampling_ratio=math.inf`, where it stays what it is for that cell. A bin without area is
    0, and has no gradient.

    Examples
    --------
    >>> import numpy as np
    >>> prroi_pool(np.ones((1, 1, 5, 5)), [[0, 0, 0, 5, 5]], 1)
    array([[[[0.81]]]])
    """
    operator = roi.operators.PrRoiPool.checked(output_size, spatial_scale)
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)
