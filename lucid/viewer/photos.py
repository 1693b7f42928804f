"""Photographs under maps: where each lies, in cells of the map."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lucid.errors import SourceError
from lucid.stream.plan.job import Job
from lucid.stream.read.photographs import photograph_paths, read_photograph
from lucid.stream.settings import Settings
from lucid.stream.types import Array
from lucid.viewer.wishes import Wishes

MOST_PIXELS = 1024  # of a side


class Backdrop(NamedTuple):
    """A photograph, and where it lies."""

    values: Array  # (h, w, 3) uint8
    edges: tuple[float, float, float, float]  # top, left, bottom, right in cells


class Photos:
    """The photographs that a caller names.

    A box and the photograph are in the same coordinates; a frame leads from these to the input,
    and the scale to cells, of which each covers the pixels that it was computed from. That does
    not depend on `aligned`, which is about how boxes are read.
    """

    def __init__(
        self, job: Job, settings: Settings, wishes: Wishes, drawn: Collection[int]
    ) -> None:
        self._job, self._wishes, self._drawn = job, wishes, drawn
        self._sizes = job.rois.picture_sizes(job.features) if settings.image_size else None
        names = job.features.ids or [str(image) for image in range(job.rois.images)]
        self._paths = photograph_paths(wishes.images, names) if wishes.images else []

    def of(self, image: int, scale: tuple[float, float]) -> Backdrop | None:
        """Return the photograph of an image in the cells of a map of it."""
        path = self._paths[image] if self._paths else None
        if self._wishes.image_file is not None:
            if len(self._drawn) != 1:
                raise SourceError.advising(
                    f"{self._wishes.image_file} is the photograph of one image, and "
                    f"{len(self._drawn)} are drawn",
                    "choose one with {image}, or pass {images} 'photos/{{id}}.jpg'",
                )
            path = Path(self._wishes.image_file)
        if path is None:
            return None
        photograph = read_photograph(path, MOST_PIXELS)
        height, width = self._size(image, photograph.size)
        return Backdrop(photograph.values, self._edges(image, (height, width), scale))

    def _size(self, image: int, size: tuple[int, int]) -> tuple[float, float]:
        """Return height and width of a picture in the coordinates of boxes."""
        if self._sizes is None:
            return size
        known = self._sizes[min(image, len(self._sizes) - 1)]
        return (float(known[0]), float(known[1])) if np.isfinite(known).all() else size

    def _edges(
        self, image: int, size: tuple[float, float], scale: tuple[float, float]
    ) -> tuple[float, float, float, float]:
        frames = self._job.rois.frames
        sy, sx, oy, ox = (
            (1.0, 1.0, 0.0, 0.0)
            if frames is None
            else frames.rows[min(image, len(frames.rows) - 1)].tolist()
        )
        (height, width), (down, across) = size, scale
        return (
            oy * down - 0.5,
            ox * across - 0.5,
            (sy * height + oy) * down - 0.5,
            (sx * width + ox) * across - 0.5,
        )
