"""Feature maps in many arrays, which are alike but for their sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.roi.engines.numpy.workspace import Scratch
from lucid.stream.read.axes import Axes
from lucid.stream.read.maps import Features
from lucid.stream.read.per_image import PerImage
from lucid.stream.read.source import Source
from lucid.stream.read.words import Said
from lucid.stream.types import Array


class ManyMaps(Features):
    """Maps in arrays of one map each, or of several, one after the other."""

    held_per_image = 512  # also its names and size
    is_of_one = False  # whether an array must be of one map

    def __init__(self, name: str, axes: Axes) -> None:
        super().__init__(axes)
        self.name, self._room = name, Scratch()

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
        kinds: list[tuple[tuple[int, ...], np.dtype[Any]]] = []
        said: list[tuple[Said, Said]] = []
        self.channels = self._all_channels = 0
        self.dtype, self.kind = np.dtype(np.float32), ""
        for source in sources:
            if (this := (source.shape, source.dtype)) not in kinds[-1:]:  # most are alike
                kinds.append(this)
                self.require_maps(source.shape, source.dtype, source.name)
                count, channels, *size = self._axes.in_order(source.shape)
                if not counts:
                    self._take_from_the_first(source, channels)
                self._require_like_the_first(source, channels)
            if source.place is None or source.place.packed:
                self._take_down(source)
            said.append(source.said())
            counts.append(count)
            sizes.append(tuple(size))
        if not counts:
            raise SourceError(f"{self.name} matches nothing; see what a file holds with info")
        self.counts, self.images = counts, sum(counts)
        self.sizes = np.array(sizes, np.int64).reshape(-1, self._axes.of_maps)
        if (self.sizes == self.sizes[0]).all():
            self.sizes = self.sizes[:1]
        self._before = np.cumsum(counts) - counts
        self._alike = kinds[0] if len(kinds) == counts[0] == 1 else None
        return said

    def _take_down(self, source: Source) -> None:
        """Note how an array is stored that is not in one piece."""
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

    def read_whole(self, images: Sequence[int]) -> Iterable[Array]:
        """Return maps (C, H, W): where all arrays are alike, read to one place."""
        shape, dtype = self._alike or ((), self.dtype)
        if math.prod(shape) != math.prod(self.shape[1:]):  # also where parts are left out
            return (self.read(image, (slice(None),) * self._axes.of_maps) for image in images)
        arrays = self._room.array((len(images), *shape), dtype)
        for image, values in zip(images, arrays, strict=True):
            self._arrays.again(image).read_to(values)
        return self._axes.whole_of_each(arrays, int(self.sizes[0, -1]))

    def _array(self, image: int) -> tuple[Any, int]:
        k = int(np.searchsorted(self._before, image, side="right")) - 1  # some may have none
        return self._arrays.again(k), image - int(self._before[k])
