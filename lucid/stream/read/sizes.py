"""Heights and widths of the pictures that maps were computed from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lucid.errors import ShapeError
from lucid.stream import tuning
from lucid.stream.checks import PLACE, Held
from lucid.stream.read.box_rows import Floats, Images
from lucid.stream.read.boxes import Boxes
from lucid.stream.read.ids import match
from lucid.stream.read.image_ids import read_listing
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.values_per_image import values_per_image
from lucid.stream.settings import Settings


def find_sizes(
    settings: Settings, features: Features, boxes: Boxes, opened: Opened
) -> Floats | None:
    """Return heights and widths of images, (N, 2) or (1, 2); None if nobody asks for them.

    Raises
    ------
    ShapeError
        If they are needed and not known, or there is not a pair for each image.
    """
    size, is_used = settings.image_size, settings.normalized or settings.resize is not None
    if isinstance(size, tuple):
        return np.array([size], np.float64)
    if PLACE in str(size):
        return _of_each(str(size), features, boxes, opened, is_used)
    if isinstance(size, Held) or (size is not None and not size.endswith(".json")):
        return _by_array(size, features.images, opened)
    if size is None and settings.resize is None:
        return None
    pictures = boxes.pictures if size is None else _of_json(Path(size), opened)
    name = size or boxes.name
    if pictures is None:
        raise ShapeError(f"{name} does not say the sizes of its images; pass --image-size")
    sizes = sizes_of(pictures, features, name)
    if is_used:
        _require_sizes(sizes, boxes, features.ids or [], name)
    return sizes


def _of_each(spec: str, features: Features, boxes: Boxes, opened: Opened, is_used: bool) -> Floats:
    """Return heights and widths that images have each in an array of its own."""
    sizes = values_per_image(spec, "image_size", {2}, features, opened)
    if is_used:
        _require_sizes(sizes, boxes, features.ids or [], spec)
    return sizes


def _require_sizes(sizes: Floats, boxes: Boxes, ids: list[str], name: str) -> None:
    """Raise if the size of an image that has boxes is not known."""
    is_known = ~np.isnan(sizes[:, 0] + sizes[:, 1])
    for start in range(0, boxes.rois, tuning.current.slice_rows):
        index, rows = boxes.read(start, min(start + tuning.current.slice_rows, boxes.rois))
        images = rows[:, 0] if index is None else index
        images = images[(images >= 0) & (images < len(sizes))].astype(np.int64)
        unknown = images[~is_known[images]]
        if len(unknown):
            raise ShapeError(f"{name} has no size of image {ids[unknown[0]]!r}")


def _of_json(path: Path, opened: Opened) -> Images:
    """Return what a .json says about images."""
    images, _ = read_listing(path)
    opened.note("image_size", path, images.sizes.shape)
    return images


def _by_array(spec: str | Held, images: int, opened: Opened) -> Floats:
    """Return heights and widths of an array, (N, 2)."""

    def require(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
        if shape != (images, 2) or dtype.kind not in "iuf":
            raise ShapeError(
                f"{where} must have rows height, width for each of {images} images, "
                f"got {shape} {dtype}"
            )

    sizes: Floats = opened.source(spec, ("image_size", "sizes"), require)[:].astype(np.float64)
    return sizes


def sizes_of(images: Images, features: Features, name: str) -> Floats:
    """Return heights and widths (N, 2) of the pictures of maps, NaN where a file has none."""
    if features.ids is None:
        raise ShapeError(f"{name} has the sizes of images by id; pass ids (--ids), one per map")
    by_id = match(features.ids, images.ids, keys_name=name).images
    by_file = match(features.ids, images.files, keys_name=name).images
    found = by_id if (by_id >= 0).sum() >= (by_file >= 0).sum() else by_file
    return np.where(found[:, None] >= 0, images.sizes[found], np.nan)
