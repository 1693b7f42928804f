"""Feature maps as files have them: one array of all, one array per image, or a pipe.

Whatever the file's layout is, a map is read as (C, h, w).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import ShapeError, SourceError
from lucid.roi.pooling import require_features
from lucid.stream.checks import PIPE, PLACE, Held, PathLike
from lucid.stream.read.arrays import open_source, open_stdin
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.ids import as_texts, lines_of, require_ids
from lucid.stream.read.npy import PipedNpy
from lucid.stream.read.per_image import per_image
from lucid.stream.read.source import Source
from lucid.stream.read.words import Said, Words, gathered
from lucid.stream.types import Array

FEATURES = ("features", "feat", "x")  # what arrays of maps are called


class Axes(NamedTuple):
    """Where arrays of maps have their channels: the only place that knows it."""

    channels_last: bool

    def in_order(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Return what the file has per axis in the order (..., C, H, W)."""
        *first, height, width, channels = lengths
        return (*first, channels, height, width) if self.channels_last else lengths

    def part(self, array: Any, first: tuple[Any, ...], rows: slice, cols: slice) -> Array:
        """Return (..., C, h, w) of the maps of an array that `first` chooses."""
        if self.channels_last:
            return np.moveaxis(array[(*first, rows, cols)], -1, -3)
        part: Array = array[(*first, slice(None), rows, cols)]
        return part


class Features:
    """N maps of C channels."""

    name: str
    images: int
    channels: int
    sizes: NDArray[np.int64]  # (N, 2) height and width, or (1, 2) if they are the same for all
    dtype: np.dtype[Any]
    kind: str  # of the values in the file
    ids: list[str] | None = None  # what the file or its user calls the images, where that is known
    mapped: bool = False  # whether reading copies nothing into memory of its own
    sequential: bool = False  # whether maps can only be read in order, each once and as a whole
    chunks: tuple[int, ...] | None = None  # (images, C, H, W) of a chunk of storage
    missing_chunks: int = 0  # that were never written
    spooled_bytes: int = 0  # of the temporary file that reading makes
    held_per_image: int = 16  # bytes: how many RoIs it has, and what is still to be done

    words: Words  # what the file says about where boxes lie
    paths: list[Path]  # the files that are read
    inputs: list[Input]  # what is read from them

    def __init__(self, axes: Axes) -> None:
        self._axes = axes

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, C and the height and width of the largest map."""
        height, width = self.sizes.max(axis=0).tolist() if len(self.sizes) else (1, 1)
        return self.images, self.channels, height, width

    @property
    def chunk_bytes(self) -> int:
        """The size of a chunk of storage, 0 where there are none."""
        return self.dtype.itemsize * math.prod(self.chunks) if self.chunks else 0

    @property
    def held_bytes(self) -> int:
        """What is held about all images for as long as a run goes on."""
        return self.held_per_image * self.images

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return a part of a map, (C, h, w)."""
        return self._axes.part(*self._array(image), rows, cols)

    def read_several(self, images: slice) -> Array:
        """Return maps of one size, (n, C, H, W)."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open."""

    def _array(self, image: int) -> tuple[Any, tuple[int, ...]]:
        """Return the array that holds an image, and where in it."""
        raise NotImplementedError


def open_features(
    spec: PathLike | Held, layout: str, ids: PathLike | Held | None, *, trust: bool = False
) -> Features:
    """Open feature maps.

    Parameters
    ----------
    spec : path
        `PATH` or `PATH::DATASET`, either of which may have '{id}' in it for one file or dataset
        per image, or '-' for a .npy stream on standard input.
    layout : {'nchw', 'nhwc'}
        Whether channels come before height and width, or after.
    ids : path, optional
        The array of what stands for '{id}', image by image; in natural order unless given.
    trust : bool
        As in `open_source`.
    """
    axes = Axes(channels_last=layout == "nhwc")
    if spec == PIPE:
        return PipedMaps(open_stdin("features"), axes)
    given, inputs = read_ids(ids, trust)
    if PLACE in str(spec):
        return MapPerImage(str(spec), axes, given, inputs, trust)
    source = open_source(spec, FEATURES, require_features, trust=trust)
    return Maps(source, axes, given, inputs)


def read_ids(spec: PathLike | Held | None, trust: bool) -> tuple[list[str] | None, list[Input]]:
    """Return the ids that a user gives, in an array or a text, and what is recorded of them."""
    if spec is None:
        return None, []
    if not isinstance(spec, Held) and (path := Path(spec)).suffix == ".txt":
        lines = lines_of(path)
        return lines, [Input("ids", path, None, (len(lines),), "text")]
    with open_source(spec, ("ids", "image_ids", "image_id"), require_ids, trust=trust) as source:
        return as_texts(source[:]), [source.as_input("ids")]


class Maps(Features):
    """All maps in one array."""

    def __init__(
        self, source: Source, axes: Axes, ids: list[str] | None, inputs: list[Input]
    ) -> None:
        super().__init__(axes)
        self._source = source
        self.images, self.channels, *size = axes.in_order(source.shape)
        self.sizes = np.array([size], np.int64)
        self.name, self.dtype, self.mapped = source.name, source.dtype, source.mapped
        self.kind = source.info.kind
        self.chunks = axes.in_order(source.info.chunks) if source.info.chunks else None
        self.missing_chunks, self.spooled_bytes = source.missing_chunks, source.spooled_bytes
        self.ids = ids
        if ids is not None and len(ids) != self.images:
            source.close()
            raise ShapeError(
                f"{inputs[0].path or 'ids'} must have an id for each of {self.images} images, "
                f"got {len(ids)}"
            )
        self.inputs = [source.as_input("features")._replace(shape=self.shape), *inputs]
        self.paths = [one.path for one in self.inputs if one.path]
        own, others = source.said()
        self.words = Words(self.name, self.images, {**others, **own})

    def read_several(self, images: slice) -> Array:
        """Return maps, (n, C, H, W)."""
        return self._axes.part(self._source, (images,), slice(None), slice(None))

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _array(self, image: int) -> tuple[Any, tuple[int, ...]]:
        return self._source, (image,)


class MapPerImage(Features):
    """An array of three axes for each image, perhaps of differing height and width."""

    held_per_image = 512  # also its names and size

    def __init__(
        self, spec: str, axes: Axes, ids: list[str] | None, inputs: list[Input], trust: bool
    ) -> None:
        super().__init__(axes)
        self.name = spec
        self._arrays = per_image(spec, ids, FEATURES, self._require_map, trust)
        try:
            said = self._hold_against_the_first(self._arrays.first())
            self.words = gathered(spec, said, in_order=ids is not None)
            self.held_per_image *= 1 + bool(self.words.single)
        except BaseException:
            self.close()
            raise
        self.ids = self._arrays.ids
        self.paths = [*self._arrays.paths(), *(one.path for one in inputs if one.path)]
        this = self._arrays.as_input("features", self.shape, str(self.dtype))
        self.inputs = [this, *inputs]

    def _hold_against_the_first(self, sources: Iterable[Source]) -> list[tuple[Said, Said]]:
        """Take down the sizes of all images, and return what is said about them.

        Raises
        ------
        ShapeError
            If channels or dtype differ.
        """
        shapes: list[tuple[int, ...]] = []
        leading: list[int] = []
        said: list[tuple[Said, Said]] = []
        self.channels, self.dtype, self.kind = 0, np.dtype(np.float32), ""
        for source in sources:
            shape = self._shape(source)
            if not shapes:
                self.channels, self.dtype, self.kind = shape[0], source.dtype, source.info.kind
            self._require_like_the_first(source, shape[0])
            self.missing_chunks += source.missing_chunks
            self.spooled_bytes = max(self.spooled_bytes, source.spooled_bytes)
            if source.info.chunks:
                chunk = self._axes.in_order((1, *source.info.chunks[-3:]))
                self.chunks = max(self.chunks or (1, 0), chunk, key=math.prod)
            shapes.append(shape[1:])
            leading.append(len(source.shape) - 3)
            said.append(source.said())
        self.images = len(shapes)
        self.sizes = np.array(shapes, np.int64).reshape(-1, 2)
        self._leading = np.array(leading, np.int8)  # axes of length 1 before those of the map
        if not shapes:
            raise SourceError(f"{self.name} matches nothing; see what a file holds with info")
        return said

    def _require_like_the_first(self, source: Source, channels: int) -> None:
        """Raise unless an image's array has the channels and the dtype of the first image's."""
        if (channels, source.dtype) != (self.channels, self.dtype):
            raise ShapeError(
                f"{source.name} must have {self.channels} channels of {self.dtype} "
                f"as the first map has, got {channels} of {source.dtype}"
            )

    def _shape(self, source: Source) -> tuple[int, ...]:
        """Return (C, H, W) of an image's array; raise if it is no map."""
        self._require_map(source.shape, source.dtype, source.name)
        return self._axes.in_order(source.shape[-3:])

    def _require_map(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        """Raise unless an array is a map: (C, H, W) or (1, C, H, W), in the order of the axes."""
        if len(shape) != 3 and (len(shape) != 4 or shape[0] != 1):
            raise ShapeError(f"{name} must have shape (C, H, W), got {shape}")
        require_features((1, *self._axes.in_order(shape[-3:])), dtype, name)

    def close(self) -> None:
        """Close what is open."""
        self._arrays.close()

    def _array(self, image: int) -> tuple[Any, tuple[int, ...]]:
        return self._arrays.again(image), (0,) * int(self._leading[image])


class PipedMaps(Features):
    """All maps in one .npy stream, read forwards: each map once, as a whole."""

    sequential = True

    def __init__(self, stream: PipedNpy, axes: Axes) -> None:
        super().__init__(axes)
        self._stream, self.name, self.paths, self.inputs = stream, stream.name, [], []
        self.words = Words(self.name, stream.header.shape[0])
        header = stream.header
        require_features(header.shape, header.dtype, self.name)
        self.images, self.channels, *size = axes.in_order(header.shape)
        self.sizes, self.dtype = np.array([size], np.int64), header.dtype
        self.kind = str(self.dtype)
        self._next, self._held = 0, np.empty((0, 0, 0))

    def _array(self, image: int) -> tuple[Any, tuple[int, ...]]:
        while self._next <= image:
            self._held = np.empty((0, 0, 0))  # never two at a time
            self._held = self._stream.read(self._stream.header.shape[1:])
            self._next += 1
        return self._held, ()


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
