"""How much is seen of and around a map, in cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lucid.viewer.parts import Image

BEYOND = 7.0  # lengths of a map that may be seen on each side of it
ROOM = 0.02  # around what is seen, if it is more than the map


class View(NamedTuple):
    """The edges of what is seen; the map ends half a cell beyond the centres of its cells."""

    top: float
    left: float
    bottom: float
    right: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top


def map_of(image: Image) -> View:
    """Return the edges of a map."""
    height, width = image.size
    return View(-0.5, -0.5, height - 0.5, width - 0.5)


def view_of(image: Image) -> View:
    """Return what is seen: the map, RoIs and a photograph, but not what lies far away."""
    whole = map_of(image)
    edges = [np.array([roi.cells]) for roi in image.rois]
    edges += [np.array([image.backdrop.edges])] if image.backdrop else []
    found = np.concatenate([[whole], *edges])
    found = np.where(np.isfinite(found), found, whole)
    top, left = np.minimum(found[:, :2], found[:, 2:]).min(axis=0)
    bottom, right = np.maximum(found[:, :2], found[:, 2:]).max(axis=0)
    margin = ROOM * max(whole.height, whole.width)
    seen = []
    for end, own, length in zip(
        (-top, -left, bottom, right),
        (-whole.top, -whole.left, whole.bottom, whole.right),
        (whole.height, whole.width) * 2,
        strict=True,
    ):
        more = min(float(end) - own, BEYOND * length)
        seen.append(own + more + margin * (more > 0))
    return View(-seen[0], -seen[1], seen[2], seen[3])
