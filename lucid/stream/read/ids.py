"""What people call an image, and which image a RoI means by such an id.

The same image is 37209 in one file, "37209" or "000000037209" in another and
"COCO_val2014_000000037209.jpg" in a third. `match` brings them together by the first of three
readings that finds the most: equal texts, texts without folder and extension, numbers. One reading
holds for a whole run, so that two images never share a name in half of a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import RoiError, ShapeError, literal
from lucid.stream.read.texts import opened_text
from lucid.stream.types import Array

ID_NAMES = ("ids", "image_ids", "image_id")  # what arrays of ids are usually called
Id = int | str
Ints = NDArray[np.int64]


class Matched(NamedTuple):
    """Which image each key means."""

    images: Ints  # (K,) image index, -1 where no image has this id
    reading: str  # how ids were read: 'as they are', 'without folder and extension' or 'as numbers'
    warnings: tuple[str, ...] = ()  # to be `spelled`

    @property
    def missing(self) -> NDArray[np.intp]:
        """Return the numbers of keys that no image has."""
        return np.flatnonzero(self.images < 0)


def as_id(value: object) -> Id:
    """Return an id as a whole number or a text; 37209.0 is 37209, bytes are UTF-8 text.

    Examples
    --------
    >>> as_id(37209.0), as_id(b"cat.jpg")
    (37209, 'cat.jpg')
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    return str(value)


def match(keys: Sequence[Id], ids: Sequence[Id], *, keys_name: str = "rois") -> Matched:
    """Return which image each key means.

    Parameters
    ----------
    keys : sequence of int or str
        The id by which each RoI names its image.
    ids : sequence of int or str
        What images are called, in order.
    keys_name : str
        What the caller calls the table of the keys, for errors.

    Raises
    ------
    RoiError
        If two images share a name that is asked for.

    Examples
    --------
    >>> match([37209, 5], ["COCO_val2014_000000037209.jpg", "COCO_val2014_000000000005.jpg"])[0]
    array([0, 1])
    """
    wanted = list(dict.fromkeys(keys))
    found, name = _closest(wanted, ids)
    for asked, images in zip(wanted, found, strict=True):
        if len(images) > 1:
            first, second = (ids[image] for image in images[:2])
            raise RoiError(
                f"{keys_name}: image {asked!r} could be {first!r} or {second!r}; "
                "rename one of them, or name images by position"
            )
    image = {one: images[0] if images else -1 for one, images in zip(wanted, found, strict=True)}
    return Matched(
        images=np.array([image[one] for one in keys], np.int64),
        reading=name,
        warnings=_shared(image, ids, keys_name),
    )


def _closest(wanted: Sequence[Id], ids: Sequence[Id]) -> tuple[list[list[int]], str]:
    """Return the images that each wanted id means by the first reading that finds the most."""
    tried = []
    for name, key in READINGS.items():
        tried.append((_images_of(wanted, ids, key), name))
        if all(tried[-1][0]):  # no other reading finds more
            break
    return max(tried, key=lambda one: sum(bool(images) for images in one[0]))


def _shared(image: Mapping[Id, int], ids: Sequence[Id], keys_name: str) -> tuple[str, ...]:
    """Return what to warn of if two different names mean one image, as train/1.jpg and val/1.jpg.

    Names differ if their texts do.
    """
    names: dict[int, Id] = {}
    for one, found in image.items():
        first = names.setdefault(found, one)
        if found >= 0 and str(first) != str(one):
            fact = f"{keys_name}: {first!r} and {one!r} are both taken for image {ids[found]!r}"
            return (literal(fact),)
    return ()


def _images_of(
    wanted: Iterable[Id], ids: Sequence[Id], key: Callable[[Id], Hashable]
) -> list[list[int]]:
    """Return the images that each wanted id means by a reading."""
    images: dict[Hashable, list[int]] = {}
    for image, one in enumerate(ids):
        images.setdefault(key(one), []).append(image)
    images.pop(None, None)
    none: list[int] = []
    found = [images.get(key(one), none) for one in wanted]
    if key is _text:
        return found
    if key is _number:
        found = [
            some if isinstance(one, int) else [k for k in some if _is_number(one, ids[k])]
            for one, some in zip(wanted, found, strict=True)
        ]
    return [_closest_of(one, some, ids) for one, some in zip(wanted, found, strict=True)]


def _closest_of(one: Id, images: list[int], ids: Sequence[Id]) -> list[int]:
    """Return the images among several that are called the same, or are in the folder of a name.

    One of two folders may be a part of the other's path: data/train/1 is in train.
    """
    if len(images) < 2:
        return images
    equal = [image for image in images if str(ids[image]) == str(one)]
    folder = _folder(one)
    if equal or not folder:
        return equal or images
    there = [(image, _folder(ids[image])) for image in images]
    return [
        image
        for image, other in there
        if f"/{folder}".endswith(f"/{other}") or f"/{other}".endswith(f"/{folder}")
    ]


def _text(one: Id) -> str:
    return str(one)


def _stem(one: Id) -> str:
    """Return a text without folder and extension."""
    name = str(one)
    if "/" in name:
        name = name.rstrip("/").rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    return stem if stem and suffix else name


def _folder(one: Id) -> str:
    return str(one).rstrip("/").rpartition("/")[0]


def _number(one: Id) -> int | None:
    """Return a number, or the last run of digits of a text."""
    if isinstance(one, int):
        return one
    stem = _stem(one)
    digits = [stem] if _is_digits(stem) else re.findall(r"[0-9]+", stem)
    return int(digits[-1]) if digits else None


def _is_number(*ids: Id) -> bool:
    """Return whether one of some is a number and nothing else; "train_5" never means "val_5"."""
    return any(isinstance(one, int) or _is_digits(_stem(one)) for one in ids)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


READINGS: dict[str, Callable[[Id], Hashable]] = {
    "as they are": _text,
    "without folder and extension": _stem,
    "as numbers": _number,
}


def require_ids(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array is a list of ids."""
    if len(shape) != 1 or not (dtype.kind in "iu" or holds_texts(dtype)):
        raise ShapeError(f"{name} must be a list of whole numbers or texts, got {shape} {dtype}")


def require_list_of_ids(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array that is said to have ids may have them.

    It may be a row or a column, as MATLAB's lists are, and have whole numbers as floats.
    """
    is_list = len(shape) == 2 and 1 in shape
    kind = np.dtype(np.int64) if dtype.kind == "f" else dtype
    require_ids(shape[:1] if is_list else shape, kind, name)


def holds_texts(dtype: np.dtype[Any]) -> bool:
    """Return whether values are texts, of a fixed length or as h5py reads those of any length."""
    noted: dict[str, Any] = dict(dtype.metadata or {})
    return dtype.kind in "SUT" or noted.get("vlen") in {str, bytes}


def texts_of(ids: Array, name: str) -> list[str]:
    """Return ids of an array, which may be a row or a column, as texts.

    Raises
    ------
    ShapeError
        If one is a number that is not whole.
    """
    ids = ids.reshape(-1)
    if ids.dtype.kind != "f":
        return as_texts(ids)
    wrong = ids[~(np.abs(ids) < 2**63) | (ids != np.floor(ids))]
    if len(wrong):
        raise ShapeError(f"{name} must have whole numbers or texts, got {wrong[0]:g}")
    return as_texts(ids.astype(np.int64))


def as_texts(ids: Array) -> list[str]:
    """Return ids as texts."""
    return [
        one.decode("utf-8", "surrogateescape") if isinstance(one, bytes) else str(one)
        for one in ids.tolist()
    ]


def id_in(name: str, pattern: str, place: str) -> str | None:
    """Return what stands for `place` in a name, wherever it stands; None if it does not match.

    Examples
    --------
    >>> id_in("batch_7_7.npy", "batch_{id}_{id}.npy", "{id}")
    '7'
    """
    count = pattern.count(place)
    free = len(name) - len(pattern) + count * len(place)
    begin = pattern.index(place)
    inner = name[begin : begin + free // count]
    return inner if free >= count and pattern.replace(place, inner) == name else None


def natural(text: str) -> list[tuple[int, int | str]]:
    """Return a key that puts 9 before 10."""
    if _is_digits(text):
        return [(0, int(text))]
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts if part]


def lines_of(path: Path) -> list[str]:
    """Return the ids of a text, one a line; empty lines do not count.

    Raises
    ------
    SourceError
        If it cannot be read as text.
    """
    with opened_text(path) as stream:
        lines = stream.read().splitlines()
    return [line.strip() for line in lines if line.strip()]
