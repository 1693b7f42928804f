"""From the coordinates that boxes have to those of the network's input: a frame for each image.

    input = s * box + o, per axis

A frame is a row sy, sx, oy, ox. It is given as an array, or computed from the sizes of pictures by
the rule by which they were resized.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lucid.errors import ShapeError
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.opened import Opened
from lucid.stream.read.resize import as_resize
from lucid.stream.settings import Settings
from lucid.stream.types import Array


class Frames(NamedTuple):
    """Where the pictures of N images, or of any one, lie in the network's input."""

    rows: Floats  # (N, 4) or (1, 4) sy, sx, oy, ox
    input_sizes: Floats | None = None  # (N, 2) or (1, 2) height and width, where they are known
    is_exact: bool = False  # whether inputs have these sizes and are never padded further

    def applied(self, boxes: Floats, index: Array) -> Floats:
        """Return boxes (k, 4) in input coordinates."""
        known = (index >= 0) & (index < len(self.rows)) if len(self.rows) > 1 else 0
        sy, sx, oy, ox = self.rows[np.where(known, index, 0).astype(np.int64)].T
        scale, offset = np.column_stack([sx, sy, sx, sy]), np.column_stack([ox, oy, ox, oy])
        moved: Floats = boxes * scale + offset
        return moved


def find_frames(
    settings: Settings, images: int, sizes: Floats | None, opened: Opened
) -> Frames | None:
    """Return the frames of images, None where boxes are in input coordinates."""
    if settings.frame is not None:
        source = opened.source(settings.frame, ("frame",), require_frames)
        return Frames(as_frames(source[:], images, source.name))
    if settings.resize is not None and sizes is not None:
        resized = as_resize(settings.resize)(sizes)
        return Frames(resized.frame, resized.input_size, resized.is_exact)
    return None


def as_frames(values: Array, images: int, name: str) -> Floats:
    """Return frames (N, 4) from such rows, from (N, 2) factors sy, sx, or from (N,) factors.

    Raises
    ------
    ShapeError
        If it is none of them, or a number is not finite or a factor not above 0.
    """
    rows = np.asarray(values, np.float64)
    if rows.ndim == 1:
        rows = np.repeat(rows[:, None], 2, axis=1)
    if rows.ndim != 2 or rows.shape[0] not in (1, images) or rows.shape[1] not in (2, 4):
        raise ShapeError(
            f"{name} must have rows sy, sx, oy, ox, or sy, sx, or one factor, for each of "
            f"{images} images, got {np.shape(values)}"
        )
    if rows.shape[1] == 2:
        rows = np.hstack([rows, np.zeros_like(rows)])
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1) | (rows[:, :2] <= 0).any(axis=1))
    if len(wrong):
        raise ShapeError(f"{name} must have finite factors above 0, got {rows[wrong[0]].tolist()} "
                         f"at row {wrong[0]}")  # fmt: skip
    return rows


def require_frames(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array is of numbers along one or two axes."""
    if len(shape) not in {1, 2} or dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ShapeError(f"{name} must hold frames (N, 4), (N, 2) or (N,), got {shape} {dtype}")
