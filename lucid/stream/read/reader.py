"""Reading parts of maps one after the other, no chunk of the file twice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lucid.stream.read.maps import Features
from lucid.stream.types import Array

HELD_BYTES = 64 << 20  # of a mapped file, which the system counts as a process's own
PAGE_BYTES = 4 << 10


class Reader:
    """Parts of maps; where chunks of the file hold several images, those are read together.

    Cells without a value are counted, each once although parts of a map overlap: those of one map
    are read one after the other.
    """

    def __init__(self, features: Features, images: int) -> None:
        self._features, self._images = features, images
        self._last: Any = None
        self._held = np.empty(0)
        self._holes = self._touched = 0
        self._image, self._counted = -1, np.empty(0, bool)  # cells of an image, seen already

    def read(self, image: int, window: tuple[slice, ...]) -> Array:
        """Return (C, h, w) of an image; what was read last is not read again."""
        if self._images > 1:
            first, maps = self._chunk(image)
            part: Array = maps[image - first][(slice(None), *window)]
            return part
        if (this := (image, window)) != self._last:
            self._held = np.empty(0)  # never two at a time
            self._forget()
            self._held, self._last = self._features.read(*this), this
            self._touched += self._held.nbytes + PAGE_BYTES * math.prod(self._held.shape[:-1])
            if self._features.has_holes:
                self._count(*this)
        return self._held

    def _chunk(self, image: int) -> tuple[int, Array]:
        """Return the maps that are in one chunk with an image, and which is the first of them."""
        first = image - image % self._images
        if first != self._last:
            self._held = np.empty(0)
            self._held = self._features.read_several(slice(first, first + self._images))
            self._last = first
            if self._features.has_holes:
                self._holes += sum(int(np.isnan(one).sum()) for one in self._held)
        return first, self._held

    def read_whole(self, images: Sequence[int]) -> Iterable[Array]:
        """Return small maps (C, H, W) of ascending images, which may be of one chunk."""
        if self._images == 1:
            self._forget()
            self._touched += len(images) * self._features.map_bytes
            return self._features.read_whole(images)
        first, maps = self._chunk(images[0])
        return (maps[image - first] for image in images)

    def _forget(self) -> None:
        """Give back pages of a mapped file that were read, once they are many."""
        if self._touched > HELD_BYTES:
            self._features.forget()
            self._touched = 0

    def take_holes(self) -> int:
        """Return how many cells without a value were read since this was last asked."""
        holes, self._holes = self._holes, 0
        return holes

    def _count(self, image: int, window: tuple[slice, ...]) -> None:
        """Count the cells without a value among those that were read."""
        if image != self._image:
            sizes = self._features.sizes
            self._image = image
            self._counted = np.zeros(sizes[min(image, len(sizes) - 1)], bool)
        is_new = ~self._counted[window]
        self._holes += sum(int((np.isnan(channel) & is_new).sum()) for channel in self._held)
        self._counted[window] = True
