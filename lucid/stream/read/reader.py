"""Reading parts of maps one after the other, no chunk of the file twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from lucid.stream.read.maps import Features
from lucid.stream.types import Array


class Reader:
    """Parts of maps; where chunks of the file hold several images, those are read together."""

    def __init__(self, features: Features, images: int) -> None:
        self._features, self._images = features, images
        self._last: Any = None
        self._held = np.empty(0)

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return (C, h, w) of an image; what was read last is not read again."""
        first = image - image % self._images
        this = first if self._images > 1 else (image, rows, cols)
        if this != self._last:
            self._held = np.empty(0)  # never two at a time
            if self._images > 1:
                self._held = self._features.read_several(slice(first, first + self._images))
            else:
                self._held = self._features.read(image, rows, cols)
            self._last = this
        return self._held[image - first, :, rows, cols] if self._images > 1 else self._held
