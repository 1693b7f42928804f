"""A few numbers for each image, such as its size or frame, from an array of its own."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from lucid.errors import MissingFileError, ShapeError
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.boxes_per_image import require_ids_of
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.per_image import per_image


def values_per_image(
    spec: str,
    role: str,
    widths: Collection[int],
    features: Features,
    opened: Opened,
    *,
    must: bool = False,
) -> Floats:
    """Return rows (N, width) of the numbers of images, NaN where an image has none.

    Parameters
    ----------
    spec : str
        A path with `{id}` in it. An array may have any number of axes of length 1.
    role : str
        The option that names it.
    widths : collection of int
        How many numbers an image may have.
    must : bool
        Whether each image must have them.

    Raises
    ------
    ShapeError
        If an array has another number of them, or another than the first.
    MissingFileError
        If there is none of any image, or of one that must have them.
    """

    def require(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        if max(shape, default=1) != math.prod(shape) or math.prod(shape) not in widths:
            some = " or ".join(map(str, sorted(widths)))
            raise ShapeError(f"{name} must have {some} numbers of one image, got {shape}")
        if dtype.kind not in "iuf":
            raise ShapeError(f"{name} must hold numbers, got {dtype}")

    ids = require_ids_of(features, spec)
    arrays = per_image(spec, ids, (role,), require, opened.trust)
    opened.keep(arrays)
    rows = np.full((len(ids), max(widths)), np.nan)
    width, missing = 0, list[int]()
    for image in range(len(ids)):
        source = arrays.look(image)
        if source is None:
            missing.append(image)
            continue
        require(source.shape, source.dtype, source.name)
        width = width or math.prod(source.shape)
        if math.prod(source.shape) != width:
            raise ShapeError(f"{source.name} must have {width} numbers as the first image has")
        rows[image, :width] = np.ravel(source[...])
    if not width:
        raise MissingFileError(f"{spec} matches nothing, as for {ids[0]!r}", spec)
    if must and missing:
        raise MissingFileError(f"{spec} must have one for each image, and there is none of "
                               f"image {ids[missing[0]]!r}", spec)  # fmt: skip
    opened.inputs.append(arrays.as_input(role, (len(ids), width), "float64"))
    return rows[:, :width]
