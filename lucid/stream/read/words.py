"""What features files say about where boxes lie: words such as `spatial_scale` and `im_info`.

A word is an attribute of the dataset, of its group or of the file, or a small dataset of that name
beside it. It holds for all images, or has a row for each.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lucid.errors import SourceError, literal
from lucid.stream.checks import SCALES
from lucid.stream.read.box_rows import Floats

WORDS = {  # with how many numbers each says about an image
    "spatial_scale": (1, 2),
    "stride": (1, 2),
    "frame": (2, 4),
    "im_info": (3,),
    "original_size": (2,),
    "input_size": (2,),
}

MOST_NUMBERS = 1 << 20  # that an array beside the features may have

Said = Mapping[str, Any]  # values by their words
NOTHING: tuple[Said, Said] = ({}, {})


def fits(word: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Return whether an array beside the features can be meant by its name.

    One called frame may as well number those of a video.
    """
    axes = {2} if word == "frame" else {0, 1, 2}
    return len(shape) in axes and dtype.kind in "iuf" and math.prod(shape) <= MOST_NUMBERS


class Words(NamedTuple):
    """What is said about the maps of a run."""

    name: str  # of the features
    images: int
    shared: Said = NOTHING[0]  # about all images
    single: Mapping[str, Sequence[Any]] = NOTHING[0]  # about each image by itself
    unclear: Mapping[str, str] = NOTHING[0]  # why a word cannot be used, if it is asked for

    def rows(self, word: str, widths: Collection[int] = ()) -> Floats | None:
        """Return what a word says, a row for each image or one for all; None if it is not there.

        `widths` are numbers of numbers that a row may have, if not those that it usually has.

        Raises
        ------
        SourceError
            If there are not as many finite numbers as the word has, for each image or for all; or
            if it is not clear what the word says.
        """
        if word in self.unclear:
            way = "{spatial_scale}" if word in SCALES else "{frame}"
            raise SourceError.of(f"{literal(self.name)}: {self.unclear[word]}, or {way}")
        widths = widths or WORDS[word]
        try:
            if word in self.single:
                rows = np.array([np.ravel(one) for one in self.single[word]], np.float64)
            elif word in self.shared:
                rows = self._shared_rows(np.asarray(self.shared[word], np.float64), widths)
            else:
                return None
            if rows.shape[1] not in widths or not np.isfinite(rows).all():
                raise ValueError
        except (TypeError, ValueError, IndexError):
            numbers = " or ".join(str(width) for width in widths)
            raise SourceError(
                f"{self.name} has a bad attribute: {word} must be {numbers} finite "
                f"numbers, or as many for each of {self.images} images"
            ) from None
        return rows if (rows != rows[:1]).any() else rows[:1]

    def _shared_rows(self, values: Floats, widths: Collection[int]) -> Floats:
        """Return values that hold for all images as one row, or one for each image."""
        if values.ndim == 2 and len(values) in (1, self.images):
            return values
        if values.size in widths and values.ndim < 2:
            return values.reshape(1, -1)
        if values.shape == (self.images,):
            return values[:, None]
        raise ValueError


def gathered(name: str, said: Sequence[tuple[Said, Said]], *, in_order: bool) -> Words:
    """Return the words of images, each with what is said about it and about all.

    Parameters
    ----------
    name : str
        Of the features.
    said : sequence of (mapping, mapping)
        For each image, the words of its own array and those of what holds several arrays.
    in_order : bool
        Whether the order of images is known apart from the names of their arrays, so that a row
        for each image can be told whose it is.

    A word that some images have and others do not is unclear.
    """
    single: dict[str, list[Any]] = {}
    unclear: dict[str, str] = {}
    for word in WORDS:
        values = [own[word] for own, _ in said if word in own]
        if values and len(values) < len(said):
            unclear[word] = _some(len(values), len(said), "images", word)
        elif values:
            single[word] = values
    shared: dict[str, Any] = {}
    for word, value in (said[0][1] if said else {}).items():
        if all(others.get(word) is value for _, others in said):
            shared[word] = value
        elif word not in single:
            single[word] = [others.get(word, ()) for _, others in said]
    for word, value in shared.items():
        if not in_order and word in WORDS and _is_by_row(word, np.shape(value), len(said)):
            unclear[word] = (
                f"{word} has a row for each image, and their order is not known; "
                "pass {ids} in its order"
            )
    return Words(name, len(said), shared, single, unclear)


def joined(name: str, files: Sequence[Words]) -> Words:
    """Return the words of files that are one run of images.

    A word that some files have and others do not is unclear.
    """
    shared: dict[str, Any] = {}
    unclear: dict[str, str] = {}
    for word in WORDS:
        having = [file for file in files if word in file.shared]
        if having and len(having) < len(files):
            unclear[word] = _some(len(having), len(files), "files", word)
        elif having:
            shared[word] = _rows_of_all(having, word)
    return Words(name, sum(file.images for file in files), shared, unclear=unclear)


def _some(having: int, of: int, what: str, word: str) -> str:
    return f"{having} of {of} {what} have {word}; give it to all of them"


def _rows_of_all(files: Sequence[Words], word: str) -> Any:
    """Return a row for each image of files, or what cannot be rows where one has none."""
    try:
        rows = [(file.rows(word), file.images) for file in files]
        return np.concatenate(
            [np.broadcast_to(some, (n, some.shape[1])) for some, n in rows if some is not None]
        )
    except (SourceError, ValueError):
        return ""  # the error comes when the word is asked for


def _is_by_row(word: str, shape: tuple[int, ...], images: int) -> bool:
    """Return whether a word has a row for each of several images."""
    return shape[:1] == (images,) and images > 1 and (len(shape) == 2 or images not in WORDS[word])
