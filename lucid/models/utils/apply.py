"""An operator on what callers have: Tensors or arrays, rows or boxes image by image."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucid import roi
from lucid._tensor import Operand, Tensor, record
from lucid.errors import ShapeError
from lucid.models.utils.boxes import as_rows, boxes_by_image, gradients_of
from lucid.roi.geometry import Operator
from lucid.roi.interchange import as_numpy, is_array
from lucid.roi.operator import as_channels, as_expand

Array = NDArray[Any]


class Pooling(Protocol):
    """A function that gives a Tensor where it is given one."""

    @overload
    def __call__(
        self, features: Tensor, rois: Operand, output_size: Any, *more: Any, **options: Any
    ) -> Tensor: ...
    @overload
    def __call__(
        self, features: Operand, rois: Tensor, output_size: Any, *more: Any, **options: Any
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        features: ArrayLike,
        rois: ArrayLike,
        output_size: Any,
        *more: Any,
        **options: Any,
    ) -> Array: ...
    def __call__(
        self, features: Any, rois: Any, output_size: Any, *more: Any, **options: Any
    ) -> Any:
        """Return the crops of RoIs on features."""


def typed_by_operands(function: Callable[..., Tensor | Array]) -> Pooling:
    """Tell static tools what a function returns; it stays what it is."""
    return cast(Pooling, function)


def apply(
    operator: Operator,
    features: Operand,
    rois: Operand,
    *,
    invalid: str = "raise",
    expand: float = 1.0,
    channels: slice | None = None,
) -> Tensor | Array:
    """Return the crops of RoIs, with gradients if an operand is a Tensor."""
    form, factor = operator.form, as_expand(expand)
    features, rois = taken(features, "features"), taken(rois, "rois")
    axes = len(operator.output_size)
    whole = roi.check_features(array_of(features, "features"), axes=axes)
    some = as_channels(channels, whole.shape[1])
    maps = whole[:, some]
    boxes = boxes_by_image(rois, len(maps), len(form.columns))
    rows = array_of(rois, "rois") if boxes is None else as_rows(boxes, len(form.columns))
    table = roi.as_rois(rows, len(maps), invalid=invalid, form=form)
    if factor != 1:
        table = replace(table, boxes=form.expanded(table.boxes, factor))
    crops = roi.pool(maps, table, operator)
    operands = (features, *([rois] if boxes is None else boxes))
    if not any(isinstance(operand, Tensor) for operand in operands):
        return crops

    def pull(g: Array, wanted: list[bool]) -> list[Array | None]:
        for_features = None
        if wanted[0]:
            for_features = _of_all(whole, some, roi.pool_adjoint(g, maps, table, operator))
        if not any(wanted[1:]):
            return [for_features] + [None] * len(wanted[1:])
        slopes = form.of_smaller(roi.box_gradient(g, maps, table, operator), factor)
        return [for_features, *gradients_of(slopes, boxes)]

    return record(crops, operands, pull)


def _of_all(features: Array, some: slice, gradient: Array) -> Array:
    """Return the gradient of all channels from that of some."""
    if gradient.shape == features.shape:
        return gradient
    whole = np.zeros(features.shape, gradient.dtype)
    whole[:, some] = gradient
    return whole


def taken(data: Any, name: str) -> Any:
    """Return an operand, alone or in a list, with arrays of other libraries as those of NumPy."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (list, tuple)) and any(map(is_array, data)):
        return [taken(one, name) for one in data]
    return as_numpy(data, name)


def array_of(data: Any, name: str) -> Array:
    """Return an array, if rows are of one length."""
    try:
        return np.asarray(data)
    except ValueError as error:
        raise ShapeError(f"{name} must be a regular array: {error}") from None
