"""Heights and widths of the pictures that maps were computed from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lucid.errors import ShapeError
from lucid.stream import tuning
from lucid.stream.checks import PLACE, TABLE_SUFFIXES, Held
from lucid.stream.read.arrays import split
from lucid.stream.read.box_rows import Floats, Images
from lucid.stream.read.boxes import Boxes
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.ids import Id
from lucid.stream.read.listings import read_listing, size_of_all
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.pictures import sizes_of
from lucid.stream.read.ranges import pair_of_lists
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
    if size is None and settings.resize is None:
        return None
    path, names = (None, None) if size is None or isinstance(size, Held) else split(size)
    if size is not None and (path is None or path.suffix not in (".json", *TABLE_SUFFIXES)):
        return _by_array(size, features.images, opened)
    if path is not None and path.suffix == ".json" and (pair := size_of_all(path)):
        opened.note("image_size", path, (1, 2))
        return np.array([pair])
    own = boxes.pictures, settings.index_by  # are called as boxes call them
    pictures, index_by = own if path is None else _of_text(path, names, opened)
    name = str(path or boxes.name)
    if pictures is None:
        raise ShapeError.advising(
            f"{name} does not say the sizes of its images", "pass {image_size}"
        )
    sizes = sizes_of(pictures, features, name, by_position=index_by == "position")
    if is_used:
        _require_sizes(sizes, boxes, features.ids or range(features.images), name)
    return sizes


def _of_each(spec: str, features: Features, boxes: Boxes, opened: Opened, is_used: bool) -> Floats:
    """Return heights and widths that images have each in an array of its own."""
    sizes = values_per_image(spec, "image_size", {2}, features, opened)
    if is_used:
        _require_sizes(sizes, boxes, features.ids or [], spec)
    return sizes


def _require_sizes(sizes: Floats, boxes: Boxes, ids: Sequence[Id], name: str) -> None:
    """Raise if the size of an image that has boxes is not known."""
    is_known = ~np.isnan(sizes[:, 0] + sizes[:, 1])
    for start in range(0, boxes.rois, tuning.current.slice_rows):
        index, rows = boxes.read(start, min(start + tuning.current.slice_rows, boxes.rois))
        images = rows[:, 0] if index is None else index
        images = images[(images >= 0) & (images < len(sizes))].astype(np.int64)
        unknown = images[~is_known[images]]
        if len(unknown):
            raise ShapeError(f"{name} has no size of image {ids[unknown[0]]!r}")


def _of_text(path: Path, names: str | None, opened: Opened) -> tuple[Images, str]:
    """Return what a .json says about images, or a table, and what it calls them by.

    A table without a column that names images has no ids.
    """
    index_by = "id"
    if path.suffix == ".json":
        images, _ = read_listing(path)
    else:
        from lucid.stream.read.size_tables import read_size_table

        table = read_size_table(path, names)
        ids, index_by = table.ids or [], table.index_by
        images = Images(ids, [""] * len(ids), table.sizes)
    opened.inputs.append(Input("image_size", path, names, images.sizes.shape, "text"))
    return images, index_by


def _by_array(spec: str | Held, images: int, opened: Opened) -> Floats:
    """Return heights and widths of an array, (N, 2), or of two arrays PATH::HEIGHT,WIDTH."""
    path, dataset = (None, None) if isinstance(spec, Held) else split(spec)
    if path and dataset and dataset.count(",") == 1:
        from lucid.stream.read.size_tables import height_first

        names = height_first([one.strip() for one in dataset.split(",")])
        return pair_of_lists(path, names, "image_size", images, opened).astype(np.float64)

    def require(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
        if shape != (images, 2) or dtype.kind not in "iuf":
            raise ShapeError(
                f"{where} must have rows height, width for each of {images} images, "
                f"got {shape} {dtype}"
            )

    sizes: Floats = opened.source(spec, ("image_size", "sizes"), require)[:].astype(np.float64)
    return sizes
