"""Boxes as people hold them in memory: rows that name their image, or boxes image by image."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid._tensor import Operand
from lucid.errors import ShapeError

Array = NDArray[Any]


def boxes_by_image(rois: Any, images: int, columns: int = 4) -> Sequence[Operand] | None:
    """Return the boxes (n, B) of each image, None if RoIs are rows that name their image.

    Raises
    ------
    ShapeError
        If there are not as many lists of boxes as images, or one is no list of boxes.
    """
    if images == 1 and len(shape := _shape(rois)) == 2 and shape[1] == columns:
        return [rois]
    if not isinstance(rois, (list, tuple)) or not any(len(_shape(boxes)) == 2 for boxes in rois):
        return None
    if len(rois) != images:
        raise ShapeError(
            f"rois must be boxes (n, {columns}) for each of {images} images, got {len(rois)} of "
            "them"
        )
    for image, boxes in enumerate(rois):
        shape = _shape(boxes)
        if 0 not in shape and (len(shape) != 2 or shape[1] != columns):
            raise ShapeError(f"rois of image {image} must be boxes (n, {columns}), got {shape}")
    return rois


def _shape(values: Any) -> tuple[int, ...]:
    """Return the shape of an array, () of rows of different lengths."""
    try:
        return np.shape(values)
    except ValueError:
        return ()


def as_rows(boxes: Sequence[Operand], columns: int = 4) -> Array:
    """Return rows of a batch index and a box, of the boxes of each image."""
    arrays = [np.reshape(np.asarray(one), (-1, columns)) for one in boxes]
    index = np.repeat(np.arange(len(arrays)), [len(one) for one in arrays])
    return np.column_stack([index, np.concatenate([one.astype(np.float64) for one in arrays])])


def gradients_of(slopes: Array, boxes: Sequence[Operand] | None) -> list[Array]:
    """Return the gradient (K, B) of boxes for each operand that held them, rows or boxes."""
    if boxes is None:
        return [np.column_stack([np.zeros(len(slopes)), slopes])]
    return by_image(slopes, boxes)


def by_image(values: Array, boxes: Sequence[Operand]) -> list[Array]:
    """Return rows (K, B) as the boxes of each image have them."""
    shapes = [np.shape(one) for one in boxes]
    ends = np.cumsum([0, *(int(np.prod(shape)) // values.shape[1] for shape in shapes)]).tolist()
    parts = (values[start:stop] for start, stop in pairwise(ends))
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
