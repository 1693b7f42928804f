"""`coverage`: how much of each bin is on the map."""

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lucid import roi
from lucid.models.utils.apply import array_of, taken
from lucid.models.utils.boxes import as_rows, boxes_by_image
from lucid.roi.operator import OutputSize, SpatialScale, as_size

MOST_IMAGES = 1 << 62  # any batch index is one


def coverage(
    rois: ArrayLike,
    size: Any,
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    sampling_ratio: SupportsIndex | float = -1,
    aligned: bool = False,
    *,
    dtype: DTypeLike = "float32",
) -> NDArray[np.float64]:
    """Return how much of each bin is on the map: the crops of a map of ones.

    Parameters
    ----------
    rois : array_like of shape (K, 5) or (K, 4)
        Rows batch_index, x1, y1, x2, y2, or boxes of one image.
    size : int or (int, int)
        Height and width of the map in cells.
    output_size, spatial_scale, sampling_ratio, aligned
        As in `roi_align`.
    dtype : dtype
        That of the features, in which the samples of adaptive sampling are counted.

    Returns
    -------
    ndarray of shape (K, PH, PW)
        The share of a bin's samples that are in range, from 0 to 1; 0 without any.

    Raises
    ------
    ShapeError, DTypeError, RoiError, ValueError, TypeError
        As `roi_align` does.

    Examples
    --------
    >>> coverage([[0, -4, -4, 4, 4]], 5, output_size=2, sampling_ratio=4)
    array([[[0.0625, 0.25  ],
            [0.25  , 1.    ]]])
    """
    operator = roi.operators.roi_align_of(output_size, spatial_scale, sampling_ratio, aligned)
    rois = taken(rois, "rois")
    boxes = boxes_by_image(rois, 1)
    rows = array_of(rois, "rois") if boxes is None else as_rows(boxes)
    table = roi.as_rois(rows, MOST_IMAGES)
    kind = roi.compute_dtype(dtype)
    return operator.coverage(roi.lay_out(table.boxes, operator, as_size(size, "size"), kind))
