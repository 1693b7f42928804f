"""Which image a box means by what it calls it: a position, or an id.

Whole numbers in arrays are positions, from 0, unless only ids can be meant by them. What a column's
name says, and `index_by`, go before that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import RoiError, ShapeError, literal
from lucid.stream import tuning
from lucid.stream.read.box_rows import NAME_BYTES, Images, Ints, Keys
from lucid.stream.read.ids import Id, Matched, as_id, as_texts, match
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.pictures import match_pictures
from lucid.stream.settings import Settings
from lucid.stream.types import Array


class Named(NamedTuple):
    """The images of K boxes, which are named."""

    images: Any  # images[start:stop] are those of boxes (k,); -1 where no image has the id
    reading: str = ""  # how ids were read, '' where names are positions
    unmatched: int = 0  # boxes whose image there is not
    kept: Ints | None = None  # (k,) rows that are left, where those are left out
    warnings: tuple[str, ...] = ()  # to be `spelled`
    hint: str = ""  # what may be wrong if positions are no images, to be `spelled`


class Naming:
    """How the boxes of a table name the images of a run."""

    def __init__(self, settings: Settings, features: Features, opened: Opened, name: str) -> None:
        self._index_by, self._unmatched = settings.index_by, settings.unmatched
        self._features, self._opened, self._name = features, opened, name

    def of_array(self, array: Any, rois: int, index_by: str | None = None) -> Named:
        """Return the images of boxes whose names are in an array (K,), which is read in slices.

        Raises
        ------
        RoiError
            If there is no such image.
        ShapeError
            If positions are no numbers.
        """
        is_number = array.dtype.kind in "iuf"
        by = self._index_by or index_by or (None if is_number else "id")
        if by == "position" and not is_number:
            raise ShapeError(f"{self._name} names images by texts, which are ids, not positions")
        if is_number:
            self._require_exact(array.dtype)
        if by == "position" or (by is None and self._features.ids is None):
            return Named(array)
        names = _distinct(array, rois, None if by else 2 * self._features.images)
        if names is None:  # they cannot all be ids
            return Named(array)
        self._opened.held_bytes += names.nbytes + NAME_BYTES * len(names)
        keys = Keys(names=[as_id(one) for one in names.tolist()], codes=Coded(array, names))
        named = self.of_keys(keys, rois, by)
        return named if named.reading else named._replace(images=array)

    def of_keys(
        self, keys: Keys, rois: int, index_by: str | None, pictures: Images | None = None
    ) -> Named:
        """Return the images of boxes by their keys, among which are all that there are.

        Parameters
        ----------
        keys : Keys
            Names, and which of them each box has.
        rois : int
            How many boxes there are.
        index_by : str or None
            'position', 'id', or None where that depends on which of both are there.
        pictures : Images, optional
            What images are called otherwise.
        """
        by = self._index_by or index_by
        if by == "position":
            return Named(Looked(keys.codes, _positions(keys.names, self._name)))
        if by == "id":
            return self._by_ids(keys, rois, self._matched(keys.names, pictures))
        found = None
        with suppress(RoiError):
            found = self._matched(keys.names, pictures)
        named, are_ids = self._judged(keys.names, found)
        return self._by_ids(keys, rois, found) if are_ids and found else named

    def _judged(self, names: Sequence[Id], found: Matched | None) -> tuple[Named, bool]:
        """Return what holds if whole numbers are positions, and whether they are ids instead."""
        if found is None:
            return Named(None), False
        images, matched = self._features.images, int((found.images >= 0).sum())
        inside = sum(isinstance(one, int) and 0 <= one < images for one in names)
        if inside == len(names):
            differ = np.flatnonzero(found.images != np.array(names, np.int64))
            both = matched == len(names) and len(differ)
            facts = (self._ambiguous(names, found, int(differ[0])),) if both else ()
            return Named(None, warnings=facts), False
        if matched == len(names) or (matched > inside and self._unmatched != "raise"):
            return Named(None), True
        hint = (
            f"; {matched} of {len(names)} such numbers are ids of images, which {{index_by:id}} "
            "makes them"
        )
        return Named(None, hint=hint if matched > inside else ""), False

    def _ambiguous(self, names: Sequence[Id], found: Matched, k: int) -> str:
        name = literal(self._name)
        return (
            f"{name} names images by numbers that are positions and also ids: {names[k]} is "
            f"read as image {names[k]}, and image {found.images[k]} has that id; say which with "
            "{index_by:position} or {index_by:id}"
        )

    def _matched(self, names: Sequence[Id], pictures: Images | None) -> Matched:
        """Match ids that boxes name, or the names of those images' files."""
        ids = self._features.ids
        if not names:
            return match([], ids or [])
        if ids is None:
            example = names[0]
            way = ", or {index_by:position} if these are positions" * isinstance(example, int)
            raise RoiError.advising(
                f"{self._name} names images by id, such as {example!r}, and {self._features.name} "
                "does not say what its images are called",
                f"pass {{ids}}, one per image in its order{way}",
            )
        if pictures is None:
            return match(names, ids, keys_name=self._name)
        return match_pictures(names, pictures, ids, self._name)

    def _by_ids(self, keys: Keys, rois: int, found: Matched) -> Named:
        """Return the images of ids; boxes without an image are dealt with as was asked for."""
        named = Named(Looked(keys.codes, found.images), found.reading, warnings=found.warnings)
        if not len(found.missing):
            return named
        missing = [named.images[some] < 0 for some in _slices(rois)]
        unmatched = sum(int(some.sum()) for some in missing)
        if not unmatched or self._unmatched == "zero":
            return named._replace(unmatched=unmatched)
        is_missing = np.concatenate(missing)
        if self._unmatched == "raise":
            raise self._no_image(keys, is_missing)
        kept = np.flatnonzero(~is_missing)
        self._opened.held_bytes += kept.nbytes
        return named._replace(unmatched=unmatched, kept=kept)

    def _no_image(self, keys: Keys, is_missing: NDArray[np.bool_]) -> RoiError:
        """Return the error about the first box whose image there is not."""
        first, ids = int(is_missing.argmax()), self._features.ids or [""]
        name = keys.names[int(keys.codes[first : first + 1][0])]
        return RoiError.advising(
            f"{self._name}: row {first} is of image {name!r}, which is none of the {len(ids)} "
            f"images from {ids[0]!r} to {ids[-1]!r} ({is_missing.sum()} of {len(is_missing)} rows "
            "are like it)",
            "{unmatched:skip} leaves them out",
        )

    def _require_exact(self, dtype: np.dtype[Any]) -> None:
        """Raise if floats of a kind cannot say the position of each image."""
        most = 2 ** (np.finfo(dtype).nmant + 1) if dtype.kind == "f" else self._features.images
        if self._features.images - 1 > most:
            raise ShapeError.advising(
                f"{self._name}: a batch_index in {dtype} is exact up to {most}, and there are "
                f"{self._features.images} images",
                "store it as float32 or as whole numbers, or pass boxes (K, 4) with {batch_index}",
            )


class Coded:
    """Which of the different keys each row of an array has, looked up when it is read."""

    def __init__(self, array: Any, names: Array) -> None:
        self._array, self._names = array, names

    def __getitem__(self, rows: slice) -> Ints:
        return np.searchsorted(self._names, as_keys(self._array[rows]))


class Looked:
    """The images of rows, looked up by their codes when they are read."""

    def __init__(self, codes: Any, images: Ints) -> None:
        self._codes, self._images = codes, np.append(images, -1)

    def __getitem__(self, rows: slice) -> Ints:
        images: Ints = self._images[self._codes[rows]]
        return images


def as_keys(values: Array) -> Array:
    """Return numbers as they are, and anything else as texts."""
    return values if values.dtype.kind in "iuf" else np.array(as_texts(values), np.str_)


def _slices(rows: int) -> Iterator[slice]:
    """Yield slices of an array, as many rows as are worth reading at once."""
    step = tuning.current.padded_boxes
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _distinct(array: Any, rows: int, most: int | None) -> Array | None:
    """Return the different keys in order; None if they are more than `most`, or not whole."""
    names = as_keys(array[0:0])
    for part in _slices(rows):
        some = np.unique(as_keys(array[part]))
        names = np.union1d(names, some)
        if most is not None and (len(names) > most or (some != np.floor(some)).any()):
            return None
    return names


def _positions(names: Sequence[Id], where: str) -> Ints:
    """Return positions as numbers; raise if one is none."""
    for one in names:
        if not isinstance(one, int):
            raise RoiError(f"{where}: batch_index must be a whole number, got {one!r}")
    return np.array([max(min(one, 2**62), -(2**62)) for one in names if isinstance(one, int)])
