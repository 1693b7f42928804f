"""Maps in an array and a RoI table to crops, and back: image by image through an engine."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lucid.errors import ShapeError
from lucid.roi.compound import engine_for
from lucid.roi.engines import Engine, PlacedRois, Region
from lucid.roi.engines.selection import current_engine
from lucid.roi.geometry import Geometry, Operator, lay_out
from lucid.roi.memory import in_lines
from lucid.roi.operator import compute_dtype, crop_channels, crop_dtype
from lucid.roi.operators import RoiAlign
from lucid.roi.table import RoiTable
from lucid.roi.threads import working_threads
from lucid.roi.types import Array, Floats, Indices

BATCH_ROIS = 4096  # more on an image repay the array operations made for it
FEW_VALUES, FEW_IMAGES = 1 << 18, 4  # of crops that are not worth laying RoIs out in arrays
SMALL_MAPS_VALUES = 1 << 23  # of maps that are worked on together
COPIED_BYTES = 64 << 20  # of a map that are copied at once, unless a RoI's window is larger


def check_features(features: Array, name: str = "features", axes: int = 2) -> Array:
    """Return `features`, if they are maps of so many axes that RoIs can be pooled from."""
    require_features(features.shape, features.dtype, name, axes)
    return features


def require_features(
    shape: tuple[int, ...], dtype: np.dtype[Any], name: str, axes: int = 2
) -> None:
    """Raise unless shape and dtype are those of feature maps."""
    if len(shape) != 2 + axes:
        must = "(N, C, H, W)" if axes == 2 else "(N, C, D, H, W)"
        raise ShapeError(f"{name} must have shape {must}, got {shape}")
    if 0 in shape[2:]:
        least = " by ".join("1" * axes)
        raise ShapeError(f"{name} must have maps of at least {least} cells, got shape {shape}")
    crop_dtype(dtype, name)


def pool(features: Array, rois: RoiTable, operator: Operator) -> Array:
    """Return the crops (K, C, PH, PW) of checked RoIs on checked features (N, C, H, W)."""
    crops = empty_crops(features, rois, operator)
    pool_into(crops, features, rois, operator)
    return crops


def empty_crops(features: Array, rois: RoiTable, operator: Operator) -> Array:
    """Return an array for the crops of RoIs, in which those of invalid ones are zeros."""
    shape = (len(rois), crop_channels(operator, features.shape[1]), *operator.output_size)
    crops = in_lines(shape, crop_dtype(features.dtype))
    crops[~rois.valid] = 0
    return crops


def pool_into(crops: Array, features: Array, rois: RoiTable, operator: Operator) -> None:
    """Write the crops of valid RoIs to their rows."""
    engine = engine_for(operator, current_engine())
    if type(operator) is RoiAlign and _few(features, rois, operator, crops, engine):
        return
    with working_threads() as workers:
        for placed in _batches(features, rois, operator):
            engine.pool(placed, crops, workers)


def _few(features: Array, rois: RoiTable, operator: RoiAlign, crops: Array, engine: Engine) -> bool:
    """Write crops on each image in one call; return whether all are so few."""
    images = list(rois.by_image()) if crops.size < FEW_VALUES else []
    return 0 < len(images) <= FEW_IMAGES and all(
        engine.pool_few(features[image], rois.boxes[rows], rows, crops, operator.rule)
        for image, rows in images
    )


def _batches(features: Array, rois: RoiTable, operator: Operator) -> Iterator[PlacedRois]:
    """Yield RoIs that are worked on at once."""
    for images in _images_together(features, rois):
        on = [Region(features=features[image], rois=len(rows)) for image, rows in images]
        rows = images[0][1] if len(on) == 1 else np.concatenate([rows for _, rows in images])
        placed = _placed(on, rois, rows, operator)
        # A volume is copied plane by plane.
        yield from [placed] if len(on) > 1 or features.ndim > 4 else _strips(placed)


def _placed(regions: list[Region], rois: RoiTable, rows: Indices, operator: Operator) -> PlacedRois:
    """Return some rows of a table on the maps they lie on."""
    features = regions[0].features
    dtype = compute_dtype(features.dtype)
    geometry = lay_out(rois.boxes[rows], operator, features.shape[1:], dtype)
    return PlacedRois(regions=regions, geometry=geometry, rows=rows, dtype=dtype)


def _images_together(features: Array, rois: RoiTable) -> Iterator[list[tuple[int, Indices]]]:
    """Yield images with their rows: small maps of few RoIs together, for their work is small."""
    most = max(SMALL_MAPS_VALUES // max(math.prod(features.shape[1:]), 1), 1)
    images: list[tuple[int, Indices]] = []
    held = 0
    for image, rows in rois.by_image():
        if images and (len(images) >= most or held >= BATCH_ROIS):
            yield images
            images, held = [], 0
        images.append((image, rows))
        held += len(rows)
    if images:
        yield images


def _strips(rois: PlacedRois) -> Iterator[PlacedRois]:
    """Yield RoIs of one map whose windows together are small enough to be copied at once."""
    features, geometry = rois.regions[0].features, rois.geometry
    most = COPIED_BYTES // max(len(features) * rois.dtype.itemsize, 1)
    if math.prod(features.shape[1:]) <= most:
        yield rois
        return
    for some in _runs_within(geometry, most):
        region = Region(features=features, rois=len(some))
        yield rois._replace(regions=[region], geometry=geometry[some], rows=rois.rows[some])


def _runs_within(geometry: Geometry, most: int) -> Iterator[Indices]:
    """Yield RoIs from top to bottom, as many as lie within so many cells, or one."""
    some = geometry.touched() > 0
    begin = np.where(some, geometry.first, geometry.size)
    until = np.where(some, geometry.first + geometry.count, 0)
    order = np.argsort(begin[0], kind="stable")
    edges = np.concatenate([-begin, until]).T[order]  # so that the largest are the outermost
    start, strip = 0, edges[0]
    for end, window in enumerate(edges):
        strip = np.maximum(strip, window)
        if end > start and math.prod((strip[:2] + strip[2:]).tolist()) > most:
            yield order[start:end]
            start, strip = end, window
    yield order[start:]


def pool_adjoint(gradient: Array, features: Array, rois: RoiTable, operator: Operator) -> Array:
    """Return the gradient of the features (N, C, H, W) from that of the crops.

    The exact adjoint of `pool`: for all x and g, <g, pool(x)> == <pool_adjoint(g), x>.
    """
    _require_gradient(gradient, features, rois, operator)
    result = in_lines(features.shape, compute_dtype(features.dtype))
    result[np.setdiff1d(np.arange(len(features)), rois.batch_index[rois.valid])] = 0
    engine = engine_for(operator, current_engine())
    with working_threads() as workers:
        for image, rows in rois.by_image():
            region = Region(features=result[image], rois=len(rows))
            placed = _placed([region], rois, rows, operator)._replace(values=features[image])
            engine.pool_adjoint(placed, gradient, workers)
    return result


def box_gradient(gradient: Array, features: Array, rois: RoiTable, operator: Operator) -> Floats:
    """Return the gradient of the boxes (K, B) from that of the crops; invalid rows have none."""
    _require_gradient(gradient, features, rois, operator)
    result = np.zeros(rois.boxes.shape)
    engine = engine_for(operator, current_engine())
    with working_threads() as workers:
        for placed in _batches(features, rois, operator):
            result[placed.rows] = engine.box_gradient(placed, gradient, workers)
    return result


def _require_gradient(gradient: Array, features: Array, rois: RoiTable, operator: Operator) -> None:
    shape = (len(rois), crop_channels(operator, features.shape[1]), *operator.output_size)
    if gradient.shape != shape:
        raise ShapeError(
            f"gradient must have the shape of the crops, {shape}, got {gradient.shape}"
        )
