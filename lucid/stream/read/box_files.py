"""RoI files that are text, COCO's JSON and tables: read as a whole, each box with its image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lucid.errors import RoiError
from lucid.stream.read.box_rows import BoxRows, Ints
from lucid.stream.read.coco import read_coco
from lucid.stream.read.ids import Id, Matched, match
from lucid.stream.read.maps import Features
from lucid.stream.read.text_tables import SUFFIXES, read_text_table
from lucid.stream.settings import Settings


def is_box_file(path: Path) -> bool:
    """Return whether a file is one of text, by its ending."""
    return path.suffix in {".json", *SUFFIXES}


def read_box_file(path: Path, settings: Settings) -> BoxRows:
    """Return the boxes of a file of text.

    Raises
    ------
    SourceError, ShapeError
        If it is not what its ending says.
    """
    if path.suffix == ".json":
        return read_coco(path, settings.category, keep_crowd=not settings.no_crowd)
    return read_text_table(path, settings.columns)


def images_of(rows: BoxRows, features: Features, name: str) -> tuple[Ints, str]:
    """Return the image of each box (K,), and how ids were read, '' where there are none.

    Raises
    ------
    RoiError
        If a box names an image that there is not.
    """
    if rows.by_position:
        index = np.array([_position(one, name) for one in rows.keys.names], np.int64)
        return index[rows.keys.codes], ""
    if features.ids is None:
        example = rows.keys.names[0] if rows.keys.names else ""
        raise RoiError(
            f"{name} names images by id, such as {example!r}, and {features.name} does not say "
            "what its images are called; pass ids (--ids), one per image in its order"
        )
    found = _best(rows, features.ids, name)
    missing = np.flatnonzero(found.images[rows.keys.codes] < 0)
    if len(missing):
        first = int(missing[0])
        raise RoiError(
            f"{name}: row {first} is of image {rows.keys.names[rows.keys.codes[first]]!r}, which "
            f"is none of the {features.images} images from {features.ids[0]!r} to "
            f"{features.ids[-1]!r} ({len(missing)} of {len(rows.boxes)} rows are like it)"
        )
    return found.images[rows.keys.codes], found.reading


def _position(one: Id, name: str) -> int:
    if not isinstance(one, int):
        raise RoiError(f"{name}: batch_index must be a whole number, got {one!r}")
    return one


def _best(rows: BoxRows, ids: list[str], name: str) -> Matched:
    """Match the ids that boxes name, or the names of those images' files if that finds more."""
    names, images = rows.keys.names, rows.images
    found = match(names, ids, keys_name=name)
    if images is None or not len(found.missing):
        return found
    files = dict(zip(images.ids, images.files, strict=True))
    by_file = match([files.get(one) or one for one in names], ids, keys_name=name)
    return by_file if len(by_file.missing) < len(found.missing) else found
