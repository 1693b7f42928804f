"""`CropAndResize` and `crop_and_resize`: TensorFlow's crops."""

from typing import Any

from numpy.typing import NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor
from lucid.models.utils.apply import apply, typed_by_operands
from lucid.nn.module import Module
from lucid.roi.operator import OutputSize, as_extrapolation_value, as_method, as_output_size

Array = NDArray[Any]


class CropAndResize(Module):
    """TensorFlow's crop and resize to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.
    method, extrapolation_value
        As in `crop_and_resize`.

    Examples
    --------
    >>> import numpy as np
    >>> CropAndResize(2)(np.arange(25.0).reshape(1, 1, 5, 5), [[0, 0.25, 0.25, 0.75, 0.75]])
    array([[[[ 6.,  8.],
             [16., 18.]]]])
    """

    def __init__(
        self,
        output_size: OutputSize,
        *,
        method: str = "bilinear",
        extrapolation_value: float = 0.0,
    ) -> None:
        self.output_size, self.method = as_output_size(output_size), as_method(method)
        self.extrapolation_value = as_extrapolation_value(extrapolation_value)

    def forward(self, features: Operand, rois: Operand) -> Any:
        """Return the crops; parameters and errors are those of `crop_and_resize`."""
        return crop_and_resize(
            features,
            rois,
            self.output_size,
            method=self.method,
            extrapolation_value=self.extrapolation_value,
        )

    def __repr__(self) -> str:
        return (
            f"CropAndResize(output_size={self.output_size}, method={self.method!r}, "
            f"extrapolation_value={self.extrapolation_value})"
        )


@typed_by_operands
def crop_and_resize(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    *,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return one reading for each bin of RoIs: TensorFlow's crop and resize.

    Parameters
    ----------
    features, rois, output_size, invalid, expand, channels
        As in `roi_align`, but boxes are fractions of
        size - 1: 0 is the centre of the first cell, 1 that of the last. A box whose ends are
        reversed is valid, and flips its crop.
    method : {'bilinear', 'nearest'}
        Whether a bin is read between cells, or is the nearest cell.
    extrapolation_value : float
        What a bin is that is read outside the map.

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
    The operator of TensorFlow's `tf.image.crop_and_resize`, whose boxes are (y1, x1, y2, x2). There
    is one reading for each bin, the outermost on the corners of the box; for one bin, it is the
    middle. With `method='nearest'` boxes have no gradient.

    Examples
    --------
    >>> import numpy as np
    >>> crop_and_resize(np.arange(25.0).reshape(1, 1, 5, 5), [[0, 1, 1, 0, 0]], 2)
    array([[[[24., 20.],
             [ 4.,  0.]]]])
    """
    operator = roi.operators.CropAndResize.checked(
        output_size, method=method, extrapolation_value=extrapolation_value
    )
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)
