"""Feature maps in many arrays, which are alike but for their sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.stream.read.axes import Axes
from lucid.stream.read.maps import Features
from lucid.stream.read.per_image import PerImage
from lucid.stream.read.source import Source
from lucid.stream.read.words import Said


class ManyMaps(Features):
    """Maps in arrays of one map each, or of several, one after the other."""

    held_per_image = 512  # also its names and size
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
        said: list[tuple[Said, Said]] = []
        self.channels = self._all_channels = 0
        self.dtype, self.kind = np.dtype(np.float32), ""
        before: object = None
        for source in sources:
            if before != (before := (source.shape, source.dtype)):  # of many files most are alike
                self.require_maps(source.shape, source.dtype, source.name)
                count, channels, *size = self._axes.in_order(source.shape)
                if not counts:
                    self._take_from_the_first(source, channels)
                self._require_like_the_first(source, channels)
            self._take_down(source)
            said.append(source.said())
            counts.append(count)
            sizes.append(tuple(size))
        if not counts:
            raise SourceError(f"{self.name} matches nothing; see what a file holds with info")
        self.counts, self.images = counts, sum(counts)
        self.sizes = np.array(sizes, np.int64).reshape(-1, self._axes.of_maps)
        self._before = np.cumsum(counts) - counts
        return said

    def _take_down(self, source: Source) -> None:
        """Note how an array is stored."""
        self.missing_chunks += source.missing_chunks
        self.has_holes |= source.has_holes
        self.spooled_bytes = max(self.spooled_bytes, source.spooled_bytes)
        if source.info.chunks:
            chunk = self._axes.in_order(source.info.chunks)
            self.chunks = max(self.chunks or (1, 0), chunk, key=math.prod)

    def _take_from_the_first(self, source: Source, channels: int) -> None:
        """Take down what all arrays must have."""
        self._all_channels, self.dtype = channels, self._axes.dtype(source.dtype)
        self.channels = self._axes.taken(channels, source.name)
        self.kind = self._axes.kind(source.dtype, source.info.kind)

    def _require_like_the_first(self, source: Source, channels: int) -> None:
        """Raise unless an array has the channels and the dtype of the first."""
        if (channels, self._axes.dtype(source.dtype)) != (self._all_channels, self.dtype):
            raise ShapeError(
                f"{source.name} must have {self._all_channels} channels of {self.dtype} "
                f"as the first map has, got {channels} of {source.dtype}"
            )

    def require_maps(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        """Raise unless an array is of maps, and of no more than one may have."""
        require = self._axes.require_one if self.is_of_one else self._axes.require
        require(shape, dtype, name)

    def close(self) -> None:
        """Close what is open."""
        self._arrays.close()

    def _array(self, image: int) -> tuple[Any, int]:
        k = int(np.searchsorted(self._before, image, side="right")) - 1  # some may have none
        return self._arrays.again(k), image - int(self._before[k])
