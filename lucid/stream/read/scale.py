"""How many cells there are per input pixel: as given, or as features files say it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lucid.errors import SourceError, literal
from lucid.roi.operator import as_factors
from lucid.stream.checks import SCALES, Check
from lucid.stream.options.checks import as_stride
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.maps import Features
from lucid.stream.read.words import Words
from lucid.stream.settings import Settings


class Scale(NamedTuple):
    """Cells per input pixel (y, x); of volumes, (z, y, x)."""

    rows: Floats  # (1, 2), or (N, 2) where it differs from image to image
    origin: str  # 'argument', 'features' or 'default'

    @property
    def is_single(self) -> bool:
        """Whether it is the same for all images."""
        return len(self.rows) == 1


def find_scale(settings: Settings, words: Words) -> Scale:
    """Return the scale of a run.

    Raises
    ------
    SourceError
        If what the file says has no meaning.
    """
    if settings.spatial_scale is not None:
        return Scale(np.array([settings.spatial_scale]), "argument")
    if settings.stride is not None:
        return Scale(1 / np.array([settings.stride]), "argument")
    axes = settings.entry.form.axes
    said = _said(words, axes) or Scale(np.ones((1, axes)), "default")
    if not said.is_single and axes == 3:
        raise SourceError.advising(
            f"{words.name} says a spatial scale for each image, and volumes have one for all",
            "pass {spatial_scale}",
        )
    return said


def scale_said_by(maps: Features) -> float:
    """Return the scale of a level of a pyramid, as its file says it.

    Raises
    ------
    SourceError
        If it says none, or more than one.
    """
    scale = _said(maps.words, 2)
    numbers = [] if scale is None else np.unique(scale.rows).tolist()
    if len(numbers) != 1:
        what = "differing scales" if numbers else "no spatial_scale or stride"
        raise SourceError.advising(
            f"{maps.name} says {what}", f"give one, as in {{level}} 1/4={literal(maps.name)}"
        )
    number: float = numbers[0]
    return number


def _said(words: Words, axes: int) -> Scale | None:
    """Return the scale that a file says, if it does, of maps of so many axes."""
    scale, stride = (words.rows(word, {1, axes}) for word in SCALES)
    if scale is None and stride is None:
        return None
    factors = _factors(scale, as_factors, axes, words.name)
    strides = _factors(stride, as_stride, axes, words.name)
    if factors is None or strides is None:
        return Scale(1 / strides if factors is None else factors, "features")
    if not np.allclose(factors * strides, 1):
        raise SourceError.advising(
            f"{words.name} says spatial_scale {factors[0].tolist()} and stride "
            f"{strides[0].tolist()}, which contradict each other",
            "pass {spatial_scale}",
        )
    return Scale(factors, "features")


def _factors(rows: Floats | None, check: Check, axes: int, name: str) -> Any:
    """Return a factor for each axis of rows of one or of as many, if they pass a check."""
    if rows is None:
        return None
    try:
        checked = [check(tuple(row) if len(row) > 1 else row[0]) for row in rows.tolist()]
        return np.array([np.broadcast_to(row, axes) for row in checked])
    except ValueError as error:
        raise SourceError(f"{name} has a bad attribute: {error}") from error
