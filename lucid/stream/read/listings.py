"""What .json files say about images: their ids, their sizes, and where their maps are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.stream.read.box_rows import Images
from lucid.stream.read.coco import read_images
from lucid.stream.read.ids import Id, as_id
from lucid.stream.read.json_stream import elements

Row = tuple[int, int]  # number of a file, and of a map in it
SIZE, PLACE_IN = {"height", "width"}, {"file", "idx"}
COUNTS = ("objectsNum", "num_boxes")  # what says how many boxes an image has
OF_COCO = {"images", "annotations", "categories", "info", "licenses"}


def read_listing(path: Path) -> tuple[Images, list[Row] | None]:
    """Return what a .json says about images, and which map of which file is that of each.

    It is a COCO file, of which the `images` count; an object of objects by id, or a list of objects
    with `id` or `image_id`, that have `height` and `width`; or, as GQA has it beside its features,
    an object of objects with `file`, `idx` and perhaps `height` and `width` by id. An object of two
    lists `height` and `width` is in the order of images.

    Raises
    ------
    SourceError, ShapeError
        If it is none of them.
    """
    if is_coco(path):
        return read_images(path), None
    name, fields = _first(path)
    return (_columns(path), None) if name in SIZE else _objects(path, fields >= PLACE_IN)


def is_coco(path: Path) -> bool:
    """Return whether a .json is none of the others: COCO's, or the results of a detector."""
    name, fields = _first(path)
    is_other = name in SIZE or fields >= PLACE_IN or fields >= SIZE
    return name in OF_COCO or "bbox" in fields or not is_other


def _first(path: Path) -> tuple[str, set[str]]:
    """Return the name of the first value, and the names that it has."""
    name, value = next(elements(path), ("", None))
    return name, set(value) if isinstance(value, dict) else set()


def size_of_all(path: Path) -> tuple[float, float] | None:
    """Return the one height and width that a .json has, None if it has others or more."""
    name, first = next(elements(path), ("", None))
    if name not in SIZE or not isinstance(first, (int, float)):
        return None
    found = _columns(path).sizes
    return (float(found[0, 0]), float(found[0, 1])) if len(found) == 1 else None


def _columns(path: Path) -> Images:
    """Return the sizes of images in order, from numbers under `height` and `width`."""
    columns: dict[str, list[Any]] = {"height": [], "width": []}
    for name, value in elements(path):
        if name in columns:
            columns[name].append(value)
    heights, widths = columns.values()
    if len(heights) != len(widths):
        raise ShapeError(f"{path} must have as many heights as widths, got {len(heights)} and "
                         f"{len(widths)}")  # fmt: skip
    pairs = enumerate(zip(heights, widths, strict=True))
    sizes = [_size({"height": h, "width": w}, k, path) for k, (h, w) in pairs]
    return Images([], [], np.array(sizes, np.float64).reshape(-1, 2))


def _objects(path: Path, has_place: bool) -> tuple[Images, list[Row] | None]:
    """Return what objects say, of which each is of an image."""
    ids: list[Id] = []
    files, rows, sizes = [], [], []
    for name, one in _of_images(path):
        ids.append(as_id(name))
        files.append(str(one.get("file_name") or name))
        sizes.append(_size(one, name, path))
        if has_place:
            rows.append(_place(one, name, path))
    images = Images(ids=ids, files=files, sizes=np.array(sizes, np.float64).reshape(-1, 2))
    return images, rows if has_place else None


def _of_images(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the objects of images, each with its id."""
    for number, (name, one) in enumerate(elements(path)):
        about = one if isinstance(one, dict) else {}
        own = name or about.get("image_id", about.get("id"))
        if not about or own is None:
            what = repr(name) if name else f"image {number}"
            raise SourceError(f"{path}: {what} must be an object of an image, got {str(one)[:80]}")
        yield own, about


def _size(one: dict[str, Any], name: Any, path: Path) -> tuple[float, float]:
    try:
        return float(one.get("height", np.nan)), float(one.get("width", np.nan))
    except (TypeError, ValueError):
        raise SourceError(f"{path}: the size of image {name!r} is no number") from None


def _place(one: dict[str, Any], name: Any, path: Path) -> Row:
    try:
        return int(one["file"]), int(one["idx"])
    except (KeyError, TypeError, ValueError):
        raise SourceError(
            f"{path}: {name!r} must be an object with file and idx, got {str(one)[:80]}"
        ) from None


def read_counts(path: Path) -> tuple[list[Id], list[int]]:
    """Return how many boxes images have, and their ids; no ids of a list, which is in order.

    It is a list of numbers; or an object, by id, of numbers or of objects that have one under a
    known name, as GQA's have.

    Raises
    ------
    SourceError
        If it is none of them.
    """
    ids: list[Id] = []
    counts: list[int] = []
    for name, one in elements(path):
        about = one if isinstance(one, dict) else {}
        count = next((about[word] for word in COUNTS if word in about), one)
        if type(count) is not int:
            raise SourceError(
                f"{path} must have a number of boxes for each image, or objects with "
                f"{' or '.join(COUNTS)}, got {str(one)[:80]} for {name or len(counts)!r}"
            )
        ids += [as_id(name)] if name else []
        counts.append(count)
    return ids, counts
