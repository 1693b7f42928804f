"""Which image a picture of a file is, by its id or by the name of its file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from lucid.errors import RoiError, ShapeError, literal
from lucid.stream.read.box_rows import Floats, Images
from lucid.stream.read.ids import READINGS, Id, Matched, match
from lucid.stream.read.maps import Features

RUNGS = list(READINGS)


def match_pictures(
    names: Sequence[Id], pictures: Images, ids: Sequence[str], where: str
) -> Matched:
    """Return which image each picture is that is called so, by its id or else by its file.

    Parameters
    ----------
    names : sequence of int or str
        Ids of pictures.
    pictures : Images
        What the file says about them.
    ids : sequence of str
        What images are called.
    where : str
        The file, for errors.

    Raises
    ------
    RoiError
        If two images share a name that is asked for.
    """
    known = dict(zip(pictures.ids, pictures.files, strict=True))
    files = [known.get(one) or one for one in names]
    by_id = by_file = None
    with suppress(RoiError):
        by_id = match(names, ids, keys_name=where)
    with suppress(RoiError):
        by_file = match(files, ids, keys_name=where)
    if by_id is None:
        is_good = by_file is not None and not len(by_file.missing)
        return by_file if by_file and is_good else match(names, ids, keys_name=where)
    if by_file is None:
        return by_id
    if by_file.warnings:  # names that folders share tell nothing of what ids mean
        return _better(by_id, by_file, ())
    facts = _contradictions(by_id, by_file, names, files, ids, where)
    asked = set(names)
    others = [one for one in known if one not in asked] if facts else []
    if others and by_id.reading == by_file.reading:  # all pictures may tell
        found = match_pictures([*names, *others], pictures, ids, where)
        return found._replace(images=found.images[: len(names)])
    return _better(by_id, by_file, facts)


def _better(by_id: Matched, by_file: Matched, facts: tuple[str, ...]) -> Matched:
    """Return the closer reading if they contradict each other, or else that which finds more."""
    rung, other = RUNGS.index(by_id.reading), RUNGS.index(by_file.reading)
    if not facts or rung == other:
        found = by_file if len(by_file.missing) < len(by_id.missing) else by_id
    else:
        found = by_file if other < rung else by_id
    is_clear = rung != other and RUNGS[-1] in (by_id.reading, by_file.reading)
    return found._replace(warnings=found.warnings + (() if is_clear else facts))


def _contradictions(
    by_id: Matched,
    by_file: Matched,
    names: Sequence[Id],
    files: Sequence[Id],
    ids: Sequence[str],
    where: str,
) -> tuple[str, ...]:
    """Return what to warn of if some picture is one image by its id and another by its file."""
    first, second = by_id.images, by_file.images
    wrong = np.flatnonzero((first != second) & (first >= 0) & (second >= 0))
    if not len(wrong):
        return ()
    k = wrong[0]
    fact = (
        f"{where}: image {names[k]!r} is {ids[first[k]]!r} by its id, and {ids[second[k]]!r} by "
        f"its file {files[k]!r} ({len(wrong)} images are like it); rename the maps, or the ids "
        "in this file, if the crops are of the wrong images"
    )
    return (literal(fact),)


def sizes_of(images: Images, features: Features, name: str, *, by_position: bool) -> Floats:
    """Return heights and widths (N, 2) of the pictures of maps, NaN where a file has none."""
    if not images.ids:
        if len(images.sizes) == features.images:
            return images.sizes
        raise ShapeError(
            f"{name} must have a size for each of {features.images} images, or a column of their "
            f"ids, got {len(images.sizes)} rows"
        )
    if not by_position and features.ids is None:
        raise ShapeError.advising(
            f"{name} has the sizes of images by id", "pass {ids}, one per map"
        )
    where = (
        np.array([_position(one, features.images) for one in images.ids])
        if by_position
        else match_pictures(images.ids, images, features.ids or [], name).images
    )
    sizes = np.full((features.images, 2), np.nan)
    known = np.flatnonzero(where >= 0)
    sizes[where[known]] = images.sizes[known]
    here, there = sizes[where[known]], images.sizes[known]
    wrong = known[((here != there) & ~np.isnan(there)).any(axis=1)]
    if len(wrong):
        raise ShapeError(f"{name} has two sizes of image {images.ids[wrong[0]]!r}")
    return sizes


def _position(one: Id, images: int) -> int:
    """Return a position, -1 if there is no such image."""
    return one if isinstance(one, int) and 0 <= one < images else -1
