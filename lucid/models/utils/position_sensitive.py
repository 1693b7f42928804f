"""`PSROIAlign`, `PSROIPool` and their functions: position-sensitive crops."""

from typing import Any, SupportsIndex

from numpy.typing import NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor
from lucid.models.utils.apply import apply, typed_by_operands
from lucid.nn.module import Module
from lucid.roi.operator import (
    OutputSize,
    SpatialScale,
    as_max_samples,
    as_output_size,
    as_outside,
)

Array = NDArray[Any]


class PSROIAlign(Module):
    """Position-sensitive RoIAlign to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.
    outside, max_samples
        As in `ps_roi_align`.

    Examples
    --------
    >>> import numpy as np
    >>> PSROIAlign(2)(np.arange(100.0).reshape(1, 4, 5, 5), [[0, 1, 1, 3, 3]], sampling_ratio=2)
    array([[[[ 6., 32.],
             [61., 87.]]]])
    """

    def __init__(
        self,
        output_size: OutputSize,
        *,
        outside: str = "zero",
        max_samples: SupportsIndex | None = None,
    ) -> None:
        self.output_size = as_output_size(output_size)
        self.outside, self.max_samples = as_outside(outside), as_max_samples(max_samples)

    def forward(
        self,
        features: Operand,
        rois: Operand,
        spatial_scale: SpatialScale = 1.0,
        sampling_ratio: SupportsIndex | float = -1,
    ) -> Any:
        """Return the crops; parameters and errors are those of `ps_roi_align`."""
        return ps_roi_align(
            features,
            rois,
            self.output_size,
            spatial_scale,
            sampling_ratio,
            outside=self.outside,
            max_samples=self.max_samples,
        )

    def __repr__(self) -> str:
        more = "" if self.outside == "zero" else f", outside={self.outside!r}"
        more += "" if self.max_samples is None else f", max_samples={self.max_samples}"
        return f"PSROIAlign(output_size={self.output_size}{more})"


class PSROIPool(Module):
    """Position-sensitive RoI pooling to crops of a fixed size.

    Parameters
    ----------
    output_size : int or (int, int)
        Bins per crop, height before width; an int means a square.

    Examples
    --------
    >>> import numpy as np
    >>> PSROIPool(2)(np.arange(100.0).reshape(1, 4, 5, 5), [[0, 1, 1, 3, 3]])
    array([[[[ 9., 35.],
             [64., 90.]]]])
    """

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = as_output_size(output_size)

    def forward(self, features: Operand, rois: Operand, spatial_scale: SpatialScale = 1.0) -> Any:
        """Return the crops; parameters and errors are those of `ps_roi_pool`."""
        return ps_roi_pool(features, rois, self.output_size, spatial_scale)

    def __repr__(self) -> str:
        return f"PSROIPool(output_size={self.output_size})"


@typed_by_operands
def ps_roi_align(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    sampling_ratio: SupportsIndex | float = -1,
    *,
    outside: str = "zero",
    max_samples: SupportsIndex | None = None,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return position-sensitive crops of RoIs, by RoIAlign.

    Parameters
    ----------
    features, rois, output_size, spatial_scale, invalid, expand, channels
        As in `roi_align`, as are sampling_ratio, outside, max_samples.

    Returns
    -------
    Tensor or ndarray of shape (K, C / (PH * PW), PH, PW)
        As of `roi_align`; bin (p, q) of channel c
        is read in channel `(c * PH + p) * PW + q` of the features.

    Raises
    ------
    ShapeError, DTypeError, RoiError, ValueError, TypeError
        As `roi_align` does, and ShapeError if
        channels cannot be shared among bins.

    Notes
    -----
    As `roi_align` with `aligned=True`, each bin on channels of its own.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.arange(100.0).reshape(1, 4, 5, 5)
    >>> ps_roi_align(features, [[0, 1, 1, 3, 3]], 2, sampling_ratio=2)
    array([[[[ 6., 32.],
             [61., 87.]]]])
    """
    operator = roi.operators.ps_roi_align_of(
        output_size, spatial_scale, sampling_ratio, outside=outside, max_samples=max_samples
    )
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)


@typed_by_operands
def ps_roi_pool(
    features: Operand,
    rois: Operand,
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    *,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return position-sensitive crops of RoIs: means of whole cells.

    Parameters
    ----------
    features, rois, output_size, spatial_scale, invalid, expand, channels
        As in `roi_align`.

    Returns
    -------
    Tensor or ndarray of shape (K, C / (PH * PW), PH, PW)
        As of `roi_align`; bin (p, q) of channel c
        is read in channel `(c * PH + p) * PW + q` of the features.

    Raises
    ------
    ShapeError, DTypeError, RoiError, ValueError, TypeError
        As `roi_align` does, and ShapeError if
        channels cannot be shared among bins.

    Notes
    -----
    The operator of Dai et al., "R-FCN" (2016): corners are rounded to whole input coordinates,
    halves away from 0, the end is moved on by one, and both are scaled; a bin is the mean of the
    cells that it touches, and 0 without any. Boxes have no gradient. Numbers are rounded in the
    dtype of the features, as the reference kernels do it.

    Examples
    --------
    >>> import numpy as np
    >>> ps_roi_pool(np.arange(100.0).reshape(1, 4, 5, 5), [[0, 1, 1, 3, 3]], 2)
    array([[[[ 9., 35.],
             [64., 90.]]]])
    """
    operator = roi.operators.ps_roi_pool_of(output_size, spatial_scale)
    return apply(operator, features, rois, invalid=invalid, expand=expand, channels=channels)
