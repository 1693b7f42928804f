"""From the coordinates that boxes have to those of the network's input: a frame for each image.

    input = s * box + o, per axis

A frame is a row sy, sx, oy, ox. It is given as an array, computed from the sizes of pictures by
the rule by which they were resized, or said by the features file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.stream.checks import PLACE
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.resize import as_resize
from lucid.stream.read.scale import Scale
from lucid.stream.read.values_per_image import values_per_image
from lucid.stream.read.words import Words
from lucid.stream.settings import Settings
from lucid.stream.types import Array

NO_FRAME = "none"  # what `--frame` calls boxes in input coordinates
SAID_FRAME = "frame of the features"  # the origin of those that the features file says as such


class Frames(NamedTuple):
    """Where the pictures of N images, or of any one, lie in the network's input."""

    rows: Floats  # (N, 4) or (1, 4) sy, sx, oy, ox
    origin: str  # 'frame' as given, the rule of resizing, or the words of the features file
    input_sizes: Floats | None = None  # (N, 2) or (1, 2) height and width, where they are known
    is_exact: bool = False  # whether inputs have these sizes and are never padded further
    is_said: bool = False  # whether the features file says it, and no scale is part of it

    def applied(self, boxes: Floats, index: Array, turned: bool = False) -> Floats:
        """Return boxes (k, B) in input coordinates."""
        sy, sx, oy, ox = of_images(self.rows, index).T
        if turned:
            if (sy != sx).any():
                raise ShapeError(
                    f"{self.origin} must have sy = sx for rotated boxes, got {sy[sy != sx][0]:g}, "
                    f"{sx[sy != sx][0]:g}: other factors along y and x would shear them"
                )
            one, none = np.ones_like(sx), np.zeros_like(sx)
            scaled: Floats = boxes * np.column_stack([sx, sx, sx, sx, one])
            scaled += np.column_stack([ox, oy, none, none, none])
            return scaled
        scale, offset = np.column_stack([sx, sy, sx, sy]), np.column_stack([ox, oy, ox, oy])
        moved: Floats = boxes * scale + offset
        return moved

    def scaled(self, scale: Floats) -> Frames:
        """Return frames that lead to cells, each image's by its own scale (N, 2)."""
        sizes = self.input_sizes
        return self._replace(
            rows=self.rows * np.tile(scale, 2),
            is_said=False,
            input_sizes=None if sizes is None else sizes * scale,
        )


def of_images(values: Floats, index: Array) -> Floats:
    """Return the row of each image (k,), any one where there is no such image."""
    known = (index >= 0) & (index < len(values)) if len(values) > 1 else 0
    return values[np.where(known, index, 0).astype(np.int64)]


def find_frames(
    settings: Settings, features: Features, sizes: Floats | None, scale: Scale, opened: Opened
) -> Frames | None:
    """Return the frames of images, None where boxes are in input coordinates.

    A scale that differs from image to image becomes part of them, so that they lead to cells.

    Raises
    ------
    ShapeError, SourceError
        If what is given, or said by the features file, is no frame.
    """
    words = features.words
    frames = _given(settings, features, sizes, opened)
    if frames is None and settings.frame != NO_FRAME:
        frames = _said(words)
        frames = frames and frames._replace(is_said=True)
        if frames is not None and not scale.is_single and frames.origin != SAID_FRAME:
            raise SourceError.advising(
                f"{words.name} says a spatial_scale for each image and {frames.origin}: it is not "
                "clear whether the one contains the other",
                "pass {spatial_scale} or {frame}",
            )
    if scale.is_single:
        return frames
    return (frames or Frames(np.array([[1.0, 1, 0, 0]]), "input")).scaled(scale.rows)


def _given(
    settings: Settings, features: Features, sizes: Floats | None, opened: Opened
) -> Frames | None:
    """Return the frames that options say."""
    images = features.images
    if PLACE in str(settings.frame):
        rows = values_per_image(settings.frame, "frame", {1, 2, 4}, features, opened, must=True)
        rows = rows[:, 0] if rows.shape[1] == 1 else rows
        return Frames(as_frames(rows, images, settings.frame), "frame")
    if settings.frame is not None and settings.frame != NO_FRAME:
        source = opened.source(settings.frame, ("frame",), require_frames)
        rows = as_frames(source[:], images, source.name)
        inputs = None if sizes is None else sizes * rows[:, :2] + np.maximum(rows[:, 2:], 0)
        return Frames(rows, "frame", inputs)
    if settings.resize is not None and sizes is not None:
        resized = as_resize(settings.resize)(sizes)
        return Frames(resized.frame, settings.resize, resized.input_size, resized.is_exact)
    return None


def _said(words: Words) -> Frames | None:
    """Return the frames that the features file says."""
    images = words.images
    if (frames := words.rows("frame")) is not None:
        return Frames(as_frames(frames, images, f"{words.name}: frame"), SAID_FRAME)
    if (info := words.rows("im_info")) is not None:
        rows = as_frames(info[:, [2, 2]], images, f"{words.name}: im_info")
        return Frames(rows, "im_info", info[:, :2])
    original, inputs = words.rows("original_size"), words.rows("input_size")
    if original is None or inputs is None:
        return None
    name = "original_size and input_size"
    with np.errstate(divide="ignore", invalid="ignore"):
        return Frames(as_frames(inputs / original, images, f"{words.name}: {name}"), name, inputs)


def as_frames(values: Array, images: int, name: str) -> Floats:
    """Return frames (N, 4) from such rows, from (N, 2) factors sy, sx, or from (N,) factors.

    Raises
    ------
    ShapeError
        If it is none of them, or a number is not finite or a factor not above 0.
    """
    rows = np.asarray(values, np.float64)
    if rows.ndim == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or rows.shape[0] not in (1, images) or rows.shape[1] not in (1, 2, 4):
        raise ShapeError(
            f"{name} must have rows sy, sx, oy, ox, or sy, sx, or one factor, for each of "
            f"{images} images, got {np.shape(values)}"
        )
    if rows.shape[1] == 1:
        rows = np.repeat(rows, 2, axis=1)
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
