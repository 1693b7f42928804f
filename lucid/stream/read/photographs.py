"""The pictures that features were computed from, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lucid.errors import SourceError
from lucid.stream.checks import PLACE
from lucid.stream.read.features import files_matching
from lucid.stream.read.missing import not_opened
from lucid.stream.types import Array

NEEDS_PILLOW = "photographs are read by pillow: pip install 'lucid-roialign[preview]'"


class Photograph(NamedTuple):
    """A picture, perhaps smaller than its file has it."""

    values: Array  # (h, w, 3) uint8
    size: tuple[int, int]  # height and width in the file


def photograph_paths(spec: str, names: Sequence[str]) -> list[Path]:
    """Return the path of each image's picture.

    Parameters
    ----------
    spec : str
        A path with '{id}' in it, or one with wildcards that as many files match, in natural order.
    names : sequence of str
        What images are called, or their numbers.

    Raises
    ------
    SourceError
        If there are not as many files as images.
    """
    if PLACE in spec:
        return [_there(spec, name) for name in names]
    if Path(spec).is_dir():
        raise SourceError(f"{spec} is a folder; pass the picture of each image: {spec}/{PLACE}.jpg")
    found = files_matching(spec) or [spec]
    if not Path(found[0]).exists():
        raise not_opened(spec, FileNotFoundError())
    if len(found) != len(names):
        raise SourceError(
            f"{spec} is {len(found)} picture{'s' * (len(found) != 1)} for {len(names)} images; "
            f"with {PLACE} in the path, each image finds its own"
        )
    return [Path(one) for one in found]


def _there(spec: str, name: str) -> Path:
    """Return the path of an image's picture; the id may have an ending of its own."""
    path = Path(spec.replace(PLACE, name))
    return path if path.exists() else Path(spec.replace(PLACE, str(Path(name).with_suffix(""))))


def read_photograph(path: Path, most: int) -> Photograph:
    """Return a picture whose longer side is at most so many pixels, decoded no larger if possible.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise SourceError(NEEDS_PILLOW) from error
    try:
        with Image.open(path) as opened:
            width, height = opened.size
            opened.draft("RGB", (most, most))  # of JPEG, coarser blocks are decoded
            picture = opened.convert("RGB")
            picture.thumbnail((most, most))
            return Photograph(np.asarray(picture), (height, width))
    except OSError as error:
        if error.errno:
            raise not_opened(path, error) from error
        raise SourceError(f"{path} cannot be read as a picture: {error}") from error
    except Image.DecompressionBombError as error:
        raise SourceError(f"{path} is too large: {error}") from error
