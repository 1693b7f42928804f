"""Feature maps as files have them: one array of all, one array per image, or a pipe.

Whatever the file's layout is, a map is read as (C, h, w).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import ShapeError, SourceError
from lucid.stream.checks import PIPE, PLACE, Held, PathLike
from lucid.stream.read.arrays import open_source, open_stdin
from lucid.stream.read.axes import Axes
from lucid.stream.read.bfloat16 import BFLOAT16
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.grids import Grid, read_grid, require_tokens
from lucid.stream.read.ids import as_texts, lines_of, require_ids
from lucid.stream.read.npy import PipedNpy
from lucid.stream.read.per_image import per_image
from lucid.stream.read.source import Source
from lucid.stream.read.words import Said, Words, gathered
from lucid.stream.types import Array

FEATURES = ("features", "feat", "x")  # what arrays of maps are called


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
    def cell_bytes(self) -> int:
        """What a value takes while it is read."""
        return self.dtype.itemsize + 2 * (self.kind == BFLOAT16)

    @property
    def held_bytes(self) -> int:
        """What is held about all images for as long as a run goes on."""
        return self.held_per_image * self.images

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return a part of a map, (C, h, w)."""
        array, at = self._array(image)
        width = int(self.sizes[min(image, len(self.sizes) - 1), 1])
        return self._axes.part(array, at, rows, cols, width)

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

    def close(self) -> None:
        """Close what is open."""

    def _array(self, image: int) -> tuple[Any, int]:
        """Return the array that holds an image, and which of the array's images that is."""
        raise NotImplementedError


def open_features(
    spec: PathLike | Held,
    axes: Axes,
    grid: Grid | None,
    ids: PathLike | Held | None,
    *,
    trust: bool = False,
) -> Features:
    """Open feature maps.

    Parameters
    ----------
    spec : path
        `PATH` or `PATH::DATASET`, either of which may have '{id}' in it for one file or dataset
        per image, or '-' for a .npy stream on standard input.
    axes : Axes
        How arrays hold maps.
    grid : pair, path or array, optional
        Height and width of maps that are lists of tokens, of all or of each.
    ids : path, optional
        The array of what stands for '{id}', image by image; in natural order unless given.
    trust : bool
        As in `open_source`.
    """
    maps = _open(spec, axes, ids, trust)
    if grid is not None:
        try:
            maps.lay_on(*read_grid(grid, maps.images, maps.ids, trust))
        except BaseException:
            maps.close()
            raise
    return maps


def _open(spec: PathLike | Held, axes: Axes, ids: PathLike | Held | None, trust: bool) -> Features:
    if spec == PIPE:
        return PipedMaps(open_stdin("features"), axes)
    given, inputs = read_ids(ids, trust)
    if PLACE in str(spec):
        return MapPerImage(str(spec), axes, given, inputs, trust)
    source = open_source(spec, FEATURES, axes.require, trust=trust)
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
        self._source, self.name = source, source.name
        self.images, self.channels, *size = axes.in_order(source.shape)
        self.sizes = np.array([size], np.int64)
        self.dtype, self.kind = axes.dtype(source.dtype), axes.kind(source.dtype, source.info.kind)
        self.mapped = source.mapped and self.dtype == source.dtype
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
        width = int(self.sizes[0, 1])
        return self._axes.part(self._source, images, slice(None), slice(None), width)

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _array(self, image: int) -> tuple[Any, int]:
        return self._source, image


class MapPerImage(Features):
    """An array for each image, perhaps of differing height and width."""

    held_per_image = 512  # also its names and size

    def __init__(
        self, spec: str, axes: Axes, ids: list[str] | None, inputs: list[Input], trust: bool
    ) -> None:
        super().__init__(axes)
        self.name = spec
        self._arrays = per_image(spec, ids, FEATURES, axes.require_one, trust)
        try:
            said = self._hold_against_the_first(self._arrays.first())
            self.words = gathered(spec, said, in_order=ids is not None)
            self.held_per_image *= 1 + bool(self.words.single)
        except BaseException:
            self.close()
            raise
        self.ids = self._arrays.ids
        self.paths = [*self._arrays.paths(), *(one.path for one in inputs if one.path)]
        this = self._arrays.as_input("features", self.shape, self.kind)
        self.inputs = [this, *inputs]

    def _hold_against_the_first(self, sources: Iterable[Source]) -> list[tuple[Said, Said]]:
        """Take down the sizes of all images, and return what is said about them.

        Raises
        ------
        ShapeError
            If channels or dtype differ.
        """
        shapes: list[tuple[int, ...]] = []
        said: list[tuple[Said, Said]] = []
        self.channels, self.dtype, self.kind = 0, np.dtype(np.float32), ""
        for source in sources:
            self._axes.require_one(source.shape, source.dtype, source.name)
            _, channels, *size = self._axes.in_order(source.shape)
            if not shapes:
                self._take_from_the_first(source, channels)
            self._require_like_the_first(source, channels)
            self.missing_chunks += source.missing_chunks
            self.spooled_bytes = max(self.spooled_bytes, source.spooled_bytes)
            if source.info.chunks:
                chunk = self._axes.in_order(source.info.chunks)
                self.chunks = max(self.chunks or (1, 0), chunk, key=math.prod)
            shapes.append(tuple(size))
            said.append(source.said())
        self.images = len(shapes)
        self.sizes = np.array(shapes, np.int64).reshape(-1, 2)
        if not shapes:
            raise SourceError(f"{self.name} matches nothing; see what a file holds with info")
        return said

    def _take_from_the_first(self, source: Source, channels: int) -> None:
        """Take down what all images' arrays must have."""
        self.channels, self.dtype = channels, self._axes.dtype(source.dtype)
        self.kind = self._axes.kind(source.dtype, source.info.kind)

    def _require_like_the_first(self, source: Source, channels: int) -> None:
        """Raise unless an image's array has the channels and the dtype of the first image's."""
        if (channels, self._axes.dtype(source.dtype)) != (self.channels, self.dtype):
            raise ShapeError(
                f"{source.name} must have {self.channels} channels of {self.dtype} "
                f"as the first map has, got {channels} of {source.dtype}"
            )

    def close(self) -> None:
        """Close what is open."""
        self._arrays.close()

    def _array(self, image: int) -> tuple[Any, int]:
        return self._arrays.again(image), 0


class PipedMaps(Features):
    """All maps in one .npy stream, read forwards: each map once, as a whole."""

    sequential = True

    def __init__(self, stream: PipedNpy, axes: Axes) -> None:
        super().__init__(axes)
        self._stream, self.name, self.paths, self.inputs = stream, stream.name, [], []
        header = stream.header
        axes.require(header.shape, header.dtype, self.name)
        axes.require_forwards(header.shape, self.name)
        self._map_shape = header.shape[-len(axes.of_one) :]
        self.images, self.channels, *size = axes.in_order(header.shape)
        self.words = Words(self.name, self.images)
        self.sizes, self.dtype = np.array([size], np.int64), axes.dtype(header.dtype)
        self.kind = axes.kind(header.dtype, str(self.dtype))
        self._next, self._held = 0, np.empty((0, 0, 0))

    def _array(self, image: int) -> tuple[Any, int]:
        while self._next <= image:
            self._held = np.empty((0, 0, 0))  # never two at a time
            self._held = self._stream.read(self._map_shape)
            self._next += 1
        return self._held, 0
