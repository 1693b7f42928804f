"""Which rows of boxes (K, 4) are those of each image: ranges of rows, or how many they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import RoiError, ShapeError
from lucid.stream.checks import Held, PathLike
from lucid.stream.read.arrays import split
from lucid.stream.read.ids import match
from lucid.stream.read.listings import read_counts
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.url import as_path
from lucid.stream.settings import Settings
from lucid.stream.types import Array

Ints = NDArray[np.int64]


def ranges_given(settings: Settings, rois: int, features: Features, opened: Opened) -> Ints:
    """Return start and end, exclusive, of the rows of each image, (N, 2).

    Raises
    ------
    ShapeError, RoiError
        If what says them is no such array, or does not fit the boxes.
    """
    images = features.images
    if settings.box_ranges is not None:
        return _ranges(settings, images, opened)
    counts = counts_given(settings, features, opened)
    if counts is None:  # all are of one image
        return np.array([[0, rois]])
    until = np.cumsum(counts)
    if until[-1:].sum() != rois:
        raise RoiError(
            f"{settings.box_counts} must sum to the number of boxes, {rois}, got "
            f"{until[-1:].sum()} for {images} images"
        )
    return np.column_stack([until - counts, until])


def counts_given(settings: Settings, features: Features, opened: Opened) -> Ints | None:
    """Return how many boxes each image has, (N,); None if nothing says it."""
    spec = settings.box_counts
    if spec is None:
        return None
    if not isinstance(spec, Held) and as_path(spec).suffix == ".json":
        counts = _counts_of(as_path(spec), features)
        opened.note("box_counts", as_path(spec), counts.shape)
        return _whole(counts, 0, str(spec), opened)
    require = _row_per_image("box_counts", features.images, (1,))
    source = opened.source(settings.box_counts, ("box_counts", "num_boxes"), require)
    return _whole(source[:].reshape(-1), 0, source.name, opened)


def _counts_of(path: Path, features: Features) -> Ints:
    """Return how many boxes a .json says that each image has."""
    keys, counts = read_counts(path)
    if not keys:
        if len(counts) != features.images:
            raise ShapeError(f"{path} must have a number for each of {features.images} images, "
                             f"got {len(counts)}")  # fmt: skip
        return np.array(counts, np.int64)
    if features.ids is None:
        raise ShapeError.advising(f"{path} has the boxes of images by id", "pass {ids}")
    images = match(keys, features.ids, keys_name=str(path)).images
    found = np.array([-1 if one else 0 for one in features.ids], np.int64)
    found[images[images >= 0]] = np.array(counts, np.int64)[images >= 0]
    if (found < 0).any():
        raise ShapeError(f"{path} has no number of image {features.ids[int(found.argmin())]!r}")
    return found


def _ranges(settings: Settings, images: int, opened: Opened) -> Ints:
    values, name = _pairs(settings.box_ranges, images, opened)
    if not settings.box_ranges_inclusive:
        return _whole(values, 0, name, opened)
    ranges = _whole(values, -1, name, opened)
    ranges[:, 1] += 1
    ranges[(ranges[:, 0] < 0) | (ranges[:, 1] == 0)] = 0
    backward = np.flatnonzero(ranges[:, 0] > ranges[:, 1])
    if len(backward):
        row = int(backward[0])
        raise ShapeError(
            f"{name} must have first boxes and last ones, or -1 for none, got "
            f"{values[row].tolist()} at row {row}"
        )
    ranges[ranges[:, 0] == ranges[:, 1]] = 0
    return ranges


def _pairs(spec: PathLike | Held, images: int, opened: Opened) -> tuple[Array, str]:
    """Return (N, 2) of one array, or of two datasets `PATH::FIRST,LAST`, and its name."""
    path, dataset = (Path(), None) if isinstance(spec, Held) else split(spec)
    if isinstance(spec, Held) or dataset is None or dataset.count(",") != 1:
        require = _row_per_image("box_ranges", images, (2,))
        source = opened.source(spec, ("box_ranges", "pos_boxes"), require)
        return source[:], source.name
    return pair_of_lists(path, dataset.split(","), "box_ranges", images, opened), str(spec)


def pair_of_lists(
    path: Path, names: Sequence[str], option: str, images: int, opened: Opened
) -> Array:
    """Return numbers (N, 2) that two datasets of a file have for each image."""
    require = _row_per_image(option, images, (1,))
    lists = [opened.source(f"{path}::{one.strip()}", (option,), require) for one in names]
    values = np.column_stack([one[:].reshape(-1) for one in lists])
    both = opened.inputs[-1]._replace(dataset=",".join(names), shape=values.shape)
    opened.inputs[-2:] = [both]
    return values


def _row_per_image(name: str, images: int, width: tuple[int]) -> Any:
    """Return a check that an array has so many numbers for each image."""

    def require(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
        plain = shape[1:] if width != (1,) or len(shape) > 1 else width
        if not shape or plain != width or dtype.kind not in "iuf":
            form = "(N, 2)" if width == (2,) else "(N,)"
            raise ShapeError(f"{where} must be {name} {form}, got {shape} {dtype}")
        if shape[0] != images:
            raise ShapeError(f"{where} must have a row for each of {images} images, "
                             f"got {shape[0]}")  # fmt: skip

    return require


def _whole(values: Array, least: int, name: str, opened: Opened) -> Ints:
    """Return whole numbers that are not less than `least`."""
    good = (values == np.floor(values)) & (values >= least) & (values < 2**53)
    if not good.all():
        row = int(np.argwhere(~good)[0][0])
        text = f"{name} must hold whole numbers >= {least}, got {values[row]} at row {row}"
        if (values == -1).any() and least == 0:
            raise ShapeError.advising(text, "-1 is for {box_ranges_inclusive:True}")
        raise ShapeError(text)
    opened.held_bytes += 3 * 8 * values.size  # as their owners hold them
    return values.astype(np.int64)
