"""Many maps in an array and a RoI table to crops, and back: image by image through the kernel."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import ShapeError
from lucid.roi import backward, kernel
from lucid.roi.cells import Region
from lucid.roi.geometry import Geometry, Part, lay_out
from lucid.roi.operator import Operator, compute_dtype, crop_dtype
from lucid.roi.table import RoiTable
from lucid.roi.threads import working_threads

Array = NDArray[Any]

FEW = 4096  # RoIs; more on an image repay the array operations made for it
TOGETHER = 1 << 23  # numbers of maps that are worked on together
COPIED_BYTES = 64 << 20  # of a map that are copied at once, unless a RoI's window is larger


def check_features(features: Array, name: str = "features") -> Array:
    """Return `features`, if they are maps that RoIs can be pooled from."""
    require_features(features.shape, features.dtype, name)
    return features


def require_features(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless shape and dtype are those of feature maps."""
    if len(shape) != 4:
        raise ShapeError(f"{name} must have shape (N, C, H, W), got {shape}")
    if 0 in shape[2:]:
        raise ShapeError(f"{name} must have maps of at least 1 by 1 cells, got shape {shape}")
    crop_dtype(dtype, name)


def pool(features: Array, rois: RoiTable, operator: Operator) -> Array:
    """Return the crops (K, C, PH, PW) of checked RoIs on checked features (N, C, H, W)."""
    shape = (len(rois), features.shape[1], *operator.output_size)
    crops = np.empty(shape, crop_dtype(features.dtype))
    crops[~rois.valid] = 0
    dtype = compute_dtype(features.dtype)
    with working_threads() as workers:
        for images in _together(features, rois):
            rows = np.concatenate([rows for _, rows in images])
            geometry = _geometry(features, rois, rows, operator)
            if len(images) > 1:
                regions = [Region(features[image], len(rows)) for image, rows in images]
                kernel.pool(regions, geometry, crops, rows, dtype, workers)
                continue
            for some in _strips(geometry, len(features[0]) * dtype.itemsize):
                region = Region(features[images[0][0]], len(rows[some]))
                kernel.pool([region], geometry[some], crops, rows[some], dtype, workers)
    return crops


def _together(features: Array, rois: RoiTable) -> Iterator[list[tuple[int, NDArray[np.intp]]]]:
    """Yield images with their rows: small maps of few RoIs together, for their work is small."""
    most = max(TOGETHER // max(math.prod(features.shape[1:]), 1), 1)
    images: list[tuple[int, NDArray[np.intp]]] = []
    for image, rows in rois.by_image():
        if images and (len(images) >= most or sum(len(rows) for _, rows in images) >= FEW):
            yield images
            images = []
        images.append((image, rows))
    if images:
        yield images


def _strips(geometry: Geometry, cell_bytes: int) -> Iterator[Part]:
    """Yield RoIs of a map whose windows together are small enough to be copied at once."""
    most = COPIED_BYTES // max(cell_bytes, 1)
    down, across = geometry.bounds()
    if (down.stop - down.start) * (across.stop - across.start) <= most:
        yield slice(None)
        return
    top, left = np.where(geometry.touched() > 0, geometry.first, geometry.size)
    bottom, right = np.where(geometry.touched() > 0, geometry.first + geometry.count, 0)
    order = np.argsort(top, kind="stable")
    edges = np.stack([-top, -left, bottom, right], axis=1)[order]
    begin, strip = 0, edges[0]
    for end, window in enumerate(edges):
        strip = np.maximum(strip, window)
        if end > begin and (strip[0] + strip[2]) * (strip[1] + strip[3]) > most:
            yield order[begin:end]
            begin, strip = end, window
    yield order[begin:]


def pool_adjoint(gradient: Array, features: Array, rois: RoiTable, operator: Operator) -> Array:
    """Return the gradient of the features (N, C, H, W) from that of the crops.

    The exact adjoint of `pool`: for all x and g, <g, pool(x)> == <pool_adjoint(g), x>.
    """
    _require_gradient(gradient, features, rois, operator)
    dtype = compute_dtype(features.dtype)
    result = np.empty(features.shape, dtype)
    result[np.setdiff1d(np.arange(len(features)), rois.batch_index[rois.valid])] = 0
    with working_threads(1) as workers:
        for image, rows in rois.by_image():
            geometry = _geometry(features, rois, rows, operator)
            backward.pool_adjoint(gradient, rows, geometry, result[image], dtype, workers)
    return result


def box_gradient(
    gradient: Array, features: Array, rois: RoiTable, operator: Operator
) -> NDArray[np.float64]:
    """Return the gradient of the boxes (K, 4) from that of the crops; invalid rows have none."""
    _require_gradient(gradient, features, rois, operator)
    dtype = compute_dtype(features.dtype)
    result = np.zeros((len(rois), 4))
    with working_threads(1) as workers:
        for image, rows in rois.by_image():
            geometry = _geometry(features, rois, rows, operator)
            for some in _strips(geometry, len(features[0]) * dtype.itemsize):
                result[rows[some]] = backward.box_gradient(
                    gradient, rows[some], features[image], geometry[some], dtype, workers
                )
    return result


def _require_gradient(gradient: Array, features: Array, rois: RoiTable, operator: Operator) -> None:
    shape = (len(rois), features.shape[1], *operator.output_size)
    if gradient.shape != shape:
        raise ShapeError(
            f"gradient must have the shape of the crops, {shape}, got {gradient.shape}"
        )


def _geometry(
    features: Array, rois: RoiTable, rows: NDArray[np.intp], operator: Operator
) -> Geometry:
    size = features.shape[2], features.shape[3]
    return lay_out(rois.boxes[rows], operator, size, compute_dtype(features.dtype))
