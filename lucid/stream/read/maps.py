"""Feature maps as files have them: all in one array, or in a pipe.

Whatever the file's layout is, a map is read as (C, h, w).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.stream import tuning
from lucid.stream.checks import PathLike
from lucid.stream.read.axes import Axes
from lucid.stream.read.bfloat16 import BFLOAT16
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.grids import require_tokens
from lucid.stream.read.image_ids import Ids, ids_of
from lucid.stream.read.npy import PipedNpy
from lucid.stream.read.source import Source
from lucid.stream.read.words import Words
from lucid.stream.types import Array

FEATURES = ("features", "feat", "x")  # what arrays of maps are called


class Features:
    """N maps of C channels."""

    name: str
    images: int
    channels: int
    sizes: NDArray[np.int64]  # (N, 2) height and width, or (1, 2) if they are the same for all;
    # of volumes, (N, 3) with the depth before both
    dtype: np.dtype[Any]
    kind: str  # of the values in the file
    ids: list[str] | None = None  # what the file or its user calls the images, where that is known
    ids_from: str = ""  # 'argument', 'names' that match, 'files' or 'dataset NAME'
    mapped: bool = False  # whether reading copies nothing into memory of its own
    sequential: bool = False  # whether maps can only be read in order, each once and as a whole
    chunks: tuple[int, ...] | None = None  # (images, C, H, W) of a chunk of storage
    missing_chunks: int = 0  # that were never written
    has_holes: bool = False  # whether cells may be without a value, which are read as NaN
    spooled_bytes: int = 0  # of the temporary file that reading makes
    held_per_image: int = 16  # bytes: how many RoIs it has, and what is still to be done

    words: Words  # what the file says about where boxes lie
    paths: Sequence[PathLike]  # the files that are read
    inputs: list[Input]  # what is read from them

    def __init__(self, axes: Axes) -> None:
        self._axes = axes

    @property
    def shape(self) -> tuple[int, ...]:
        """N, C and the height and width of the largest map."""
        return self.images, self.channels, *self._size(np.max)

    @property
    def map_bytes(self) -> int:
        """The size of the largest map."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    @property
    def smallest(self) -> tuple[int, ...]:
        """A height and a width that no map is below."""
        return self._size(np.min)

    def _size(self, of: Callable[..., Any]) -> tuple[int, ...]:
        """Return the largest or the smallest size along each axis; cells where there is no map."""
        every = self.sizes if len(self.sizes) else np.ones((1, self.sizes.shape[1]), np.int64)
        return tuple(of(every, axis=0).tolist())

    @property
    def chunk_bytes(self) -> int:
        """The size of a chunk of storage, 0 where there are none."""
        return self.dtype.itemsize * math.prod(self.chunks) if self.chunks else 0

    @property
    def cell_bytes(self) -> int:
        """What a value takes while it is read."""
        return self.dtype.itemsize + 2 * (self.kind == BFLOAT16)

    @property
    def held_bytes(self) -> int:
        """What is held about all images for as long as a run goes on."""
        return self.held_per_image * self.images

    def read(self, image: int, window: tuple[slice, ...]) -> Array:
        """Return a part of a map, (C, h, w)."""
        array, at = self._array(image)
        width = int(self.sizes[min(image, len(self.sizes) - 1), -1])
        return self._axes.part(array, at, window, width)

    def lay_on(self, grid: NDArray[np.int64], inputs: list[Input]) -> None:
        """Have tokens be cells of grids.

        Raises
        ------
        ShapeError
            If they are not as many.
        """
        require_tokens(self.sizes[:, 0].tolist(), grid, self._axes.skipped, self.name)
        self.sizes = grid
        self.inputs = [*self.inputs, *inputs]
        self.paths = [*self.paths, *(one.path for one in inputs if one.path)]
        if self.chunks and len(grid) > 1:
            self.chunks = (1, *self.chunks[1:])

    def read_several(self, images: slice) -> Array:
        """Return maps of one size, (n, C, H, W)."""
        raise NotImplementedError

    def read_whole(self, images: Sequence[int]) -> Iterable[Array]:
        """Return small maps (C, H, W) of one size, of ascending images; good until the next."""
        raise NotImplementedError

    def forget(self) -> None:
        """Give back pages of mapped files, which the system has still in its cache."""

    def close(self) -> None:
        """Close what is open."""

    def _array(self, image: int) -> tuple[Any, int]:
        """Return the array that holds an image, and which of the array's images that is."""
        raise NotImplementedError


class Maps(Features):
    """All maps in one array."""

    def __init__(self, source: Source, axes: Axes, given: Ids | None = None) -> None:
        super().__init__(axes)
        self._source, self.name = source, source.name
        shape = axes.in_order(source.shape)
        self.images, channels, *size = shape
        self.channels = axes.taken(channels, self.name)
        self.sizes = np.array([size], np.int64)
        self.dtype, self.kind = axes.dtype(source.dtype), axes.kind(source.dtype, source.info.kind)
        self.mapped = source.mapped and self.dtype == source.dtype
        self.chunks = axes.in_order(source.info.chunks) if source.info.chunks else None
        self.missing_chunks, self.spooled_bytes = source.missing_chunks, source.spooled_bytes
        self.has_holes = source.has_holes
        try:
            self.ids, self.ids_from = ids_of(given, source, self.images)
            own, others = source.said()
        except BaseException:
            self.close()
            raise
        self.words = Words(self.name, self.images, {**others, **own})
        this = source.as_input("features")._replace(shape=shape)
        self.inputs = [this, *(given.inputs if given else [])]
        self.paths = [one.path for one in self.inputs if one.path]

    def read_several(self, images: slice) -> Array:
        """Return maps, (n, C, H, W)."""
        return self._axes.whole(self._source, images, int(self.sizes[0, -1]))

    def read_whole(self, images: Sequence[int]) -> Iterator[Array]:
        """Yield maps (C, H, W).

        Those between them are read along where that is less work than to go elsewhere.
        """
        far = np.diff(images) * self.map_bytes > tuning.current.seek_bytes
        for run in np.split(images, np.flatnonzero(far) + 1):
            first, last = int(run[0]), int(run[-1])
            maps = self.read_several(slice(first, last + 1))
            yield from (maps[image - first] for image in run.tolist())

    def forget(self) -> None:
        """Give back pages of a mapped file."""
        self._source.forget()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _array(self, image: int) -> tuple[Any, int]:
        return self._source, image


class PipedMaps(Features):
    """All maps in one .npy stream, read forwards: each map once, as a whole."""

    sequential = True

    def __init__(self, stream: PipedNpy, axes: Axes, given: Ids | None = None) -> None:
        super().__init__(axes)
        self._stream, self.name = stream, stream.name
        self.inputs = given.inputs if given else []
        self.paths = [one.path for one in self.inputs if one.path]
        header = stream.header
        axes.require(header.shape, header.dtype, self.name)
        axes.require_forwards(header.shape, self.name)
        self._map_shape = header.shape[-len(axes.of_one) :]
        self.images, channels, *size = axes.in_order(header.shape)
        self.channels = axes.taken(channels, self.name)
        self.words = Words(self.name, self.images)
        self.sizes, self.dtype = np.array([size], np.int64), axes.dtype(header.dtype)
        self.kind = axes.kind(header.dtype, str(self.dtype))
        self.ids, self.ids_from = ids_of(given, None, self.images)
        self._next, self._held = 0, np.empty((0, 0, 0))

    def _array(self, image: int) -> tuple[Any, int]:
        while self._next <= image:
            self._held = np.empty((0, 0, 0))  # never two at a time
            self._held = self._stream.read(self._map_shape)
            self._next += 1
        return self._held, 0
