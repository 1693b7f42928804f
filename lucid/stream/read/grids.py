"""The grids that lists of tokens are cells of: a height and a width for each image or for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import ShapeError
from lucid.stream.checks import PLACE, Held
from lucid.stream.read.arrays import open_source
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.per_image import per_image

NAMES = ("grid", "grids", "size")
Grid = tuple[int, int] | str | Held
Sizes = NDArray[np.int64]


def read_grid(
    grid: Grid, images: int, ids: Sequence[str] | None, trust: bool
) -> tuple[Sizes, list[Input]]:
    """Return heights and widths in cells, (N, 2) or (1, 2), and what is recorded of them.

    Raises
    ------
    ShapeError
        If they are not whole numbers from 1 on, one pair for all images or one for each.
    """
    if isinstance(grid, tuple):
        return np.array([grid], np.int64), []
    name = grid if isinstance(grid, str) else "grid"
    if isinstance(grid, str) and PLACE in grid:
        values, inputs = _per_image(grid, ids, trust)
    else:
        with open_source(grid, NAMES, _require_pairs, trust=trust) as source:
            values, inputs = np.atleast_2d(source[...]), [source.as_input("grid")]
    if len(values) not in {1, images}:
        raise ShapeError(
            f"{name} must have a height and a width for each of {images} images, got {len(values)}"
        )
    sizes: Sizes = values.astype(np.int64)
    if (sizes != values).any() or (sizes < 1).any():
        raise ShapeError(f"{name} must have heights and widths that are whole numbers >= 1")
    return sizes, inputs


def _per_image(grid: str, ids: Sequence[str] | None, trust: bool) -> tuple[Any, list[Input]]:
    arrays = per_image(grid, ids, NAMES, _require_pair, trust)
    try:
        values = []
        for source in arrays.first():
            _require_pair(source.shape, source.dtype, source.name)
            values.append(np.ravel(source[...]))
        found = np.array(values).reshape(-1, 2)
        return found, [arrays.as_input("grid", found.shape, str(found.dtype))]
    finally:
        arrays.close()


def require_tokens(tokens: Sequence[int], sizes: Sizes, skipped: int, name: str) -> None:
    """Raise unless lists are as long as their grids and what is skipped.

    Parameters
    ----------
    tokens : sequence of int
        How many each image has, or all.
    sizes : array
        Height and width of each image's grid, or of all.
    """
    for image in range(max(len(tokens), len(sizes))):
        height, width = sizes[min(image, len(sizes) - 1)].tolist()
        held = tokens[min(image, len(tokens) - 1)]
        if held != skipped + height * width:
            raise ShapeError(
                f"{name} must have {skipped} + {height} x {width} = {skipped + height * width} "
                f"tokens, as skip_tokens and grid say, got {held} for image {image}"
            )


def _require_pairs(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    if len(shape) not in {1, 2} or shape[-1] != 2 or dtype.kind not in "iuf":
        raise ShapeError(f"{name} must have rows height, width, got {shape} {dtype}")


def _require_pair(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    if shape not in {(2,), (1, 2)} or dtype.kind not in "iuf":
        raise ShapeError(f"{name} must be a height and a width, got {shape} {dtype}")
