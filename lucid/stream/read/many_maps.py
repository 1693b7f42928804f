"""Feature maps in many arrays, which are alike but for their sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.roi.pooling import require_features
from lucid.stream.read.maps import Axes, Features
from lucid.stream.read.per_image import PerImage
from lucid.stream.read.source import Source
from lucid.stream.read.words import Said


class ManyMaps(Features):
    """Maps in arrays (C, H, W) or (n, C, H, W), one after the other."""

    held_per_image = 512  # also its names and size
    expected = "(C, H, W) or (N, C, H, W)"
    is_of_one = False  # whether an array must be of one map

    def __init__(self, name: str, axes: Axes) -> None:
        super().__init__(axes)
        self.name = name

    def _hold(self, arrays: PerImage) -> list[tuple[Said, Said]]:
        """Look at all arrays, take care of what is open, and return what is said about each."""
        self._arrays = arrays
        try:
            return self._hold_against_the_first(arrays.first())
        except BaseException:
            self.close()
            raise

    def _hold_against_the_first(self, sources: Iterable[Source]) -> list[tuple[Said, Said]]:
        """Take down the sizes of all maps, and return what is said about them.

        Raises
        ------
        ShapeError
            If channels or dtype differ.
        """
        sizes: list[tuple[int, ...]] = []
        counts: list[int] = []
        stacked: list[bool] = []
        said: list[tuple[Said, Said]] = []
        self.channels, self.dtype, self.kind = 0, np.dtype(np.float32), ""
        for source in sources:
            count, channels, *size = self._shape(source)
            if not counts:
                self.channels, self.dtype, self.kind = channels, source.dtype, source.info.kind
            self._require_like_the_first(source, channels)
            self._take_down(source)
            said.append(source.said())
            counts.append(count)
            sizes.append(tuple(size))
            stacked.append(len(source.shape) == 4)
        if not counts:
            raise SourceError(f"{self.name} matches nothing; see what a file holds with info")
        self.counts, self.images = counts, sum(counts)
        self.sizes = np.array(sizes, np.int64).reshape(-1, 2)
        self._is_stacked = stacked  # whether arrays have an axis of images
        self._before = np.cumsum(counts) - counts
        return said

    def _take_down(self, source: Source) -> None:
        """Note how an array is stored."""
        self.missing_chunks += source.missing_chunks
        self.spooled_bytes = max(self.spooled_bytes, source.spooled_bytes)
        if source.info.chunks:
            images = source.info.chunks[0] if len(source.shape) == 4 else 1
            chunk = self._axes.in_order((images, *source.info.chunks[-3:]))
            self.chunks = max(self.chunks or (1, 0), chunk, key=math.prod)

    def _require_like_the_first(self, source: Source, channels: int) -> None:
        """Raise unless an array has the channels and the dtype of the first."""
        if (channels, source.dtype) != (self.channels, self.dtype):
            raise ShapeError(
                f"{source.name} must have {self.channels} channels of {self.dtype} "
                f"as the first map has, got {channels} of {source.dtype}"
            )

    def _shape(self, source: Source) -> tuple[int, ...]:
        """Return (n, C, H, W) of an array; raise if it is not of maps."""
        self.require_maps(source.shape, source.dtype, source.name)
        return self._axes.in_order((1, *source.shape)[-4:])

    def require_maps(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        """Raise unless an array is of maps, and of no more than one may have."""
        if len(shape) not in {3, 4} or (self.is_of_one and shape[:-3] not in {(), (1,)}):
            raise ShapeError(f"{name} must have shape {self.expected}, got {shape}")
        require_features((1, *self._axes.in_order(shape[-3:])), dtype, name)

    def close(self) -> None:
        """Close what is open."""
        self._arrays.close()

    def _array(self, image: int) -> tuple[Any, tuple[int, ...]]:
        k = image
        if len(self.counts) < self.images:
            k = int(np.searchsorted(self._before, image, side="right")) - 1
        row = (image - int(self._before[k]),) if self._is_stacked[k] else ()
        return self._arrays.again(k), row
