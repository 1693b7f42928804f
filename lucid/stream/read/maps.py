"""Feature maps as files have them: one array of all, one dataset per image, or a pipe.

Whatever the file's layout is, a map is read as (C, h, w).
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lucid.errors import ShapeError, SourceError
from lucid.roi.pooling import require_features
from lucid.stream.checks import PIPE, PLACE, PathLike
from lucid.stream.read import hdf5
from lucid.stream.read.arrays import (
    Source,
    attribute,
    open_source,
    open_stdin,
)
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.npy import PipedNpy

Array = NDArray[Any]


class Features:
    """N maps of C channels."""

    name: str
    images: int
    channels: int
    sizes: NDArray[np.int64]  # (N, 2) height and width, or (1, 2) if they are the same for all
    dtype: np.dtype[Any]
    mapped: bool = False  # whether reading copies nothing into memory of its own
    sequential: bool = False  # whether maps can only be read in order, each once and as a whole
    chunks: tuple[int, ...] | None = None  # (images, C, H, W) of a unit of storage
    missing_chunks: int = 0  # that were never written

    paths: list[Path]  # the files that are read
    inputs: list[Input]  # what is read from them

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, C and the height and width of the largest map."""
        height, width = self.sizes.max(axis=0).tolist() if len(self.sizes) else (1, 1)
        return self.images, self.channels, height, width

    @property
    def chunk_bytes(self) -> int:
        """The size of a unit of storage, 0 where there are none."""
        return self.dtype.itemsize * math.prod(self.chunks) if self.chunks else 0

    @property
    def held_bytes(self) -> int:
        """What is held about all images: how many RoIs they have, and what is still to be done."""
        return 16 * self.images

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return a part of a map, (C, h, w)."""
        raise NotImplementedError

    def read_several(self, images: slice) -> Array:
        """Return maps of one size, (n, C, H, W)."""
        raise NotImplementedError

    def attribute(self, name: str) -> Any:
        """Return an attribute of the dataset, None where there is none."""

    def close(self) -> None:
        """Close what is open."""


def open_features(
    spec: PathLike, layout: str, ids: PathLike | None, *, trust: bool = False
) -> Features:
    """Open feature maps.

    Parameters
    ----------
    spec : path
        `PATH` or `PATH::DATASET`, where DATASET may have '{id}' in it for one dataset per image,
        or '-' for a .npy stream on standard input.
    layout : {'nchw', 'nhwc'}
        Whether channels come before height and width, or after.
    ids : path, optional
        The array of what stands for '{id}', image by image; in natural order unless given.
    trust : bool
        As in `open_source`.
    """
    if spec == PIPE:
        return PipedMaps(open_stdin("features"), layout)
    if PLACE in str(spec):
        return MapPerImage(str(spec), layout, ids, trust)
    return Maps(open_source(spec, ("features",), require_features, trust=trust), layout)


def _nchw(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    return (shape[0], shape[3], shape[1], shape[2]) if layout == "nhwc" else shape


class Maps(Features):
    """All maps in one array."""

    def __init__(self, source: Source, layout: str) -> None:
        self._source, self._last = source, layout == "nhwc"
        shape = _nchw(source.shape, layout)
        self.name, self.dtype, self.mapped = source.name, source.dtype, source.mapped
        self.images, self.channels = shape[:2]
        self.sizes = np.array([shape[2:]], np.int64)
        chunks = source.info.chunks
        self.chunks = None if chunks is None else _nchw(chunks, layout)
        self.missing_chunks = source.missing_chunks
        self.paths = [source.path]
        self.inputs = [source.as_input("features")._replace(shape=self.shape)]

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return a part of a map, (C, h, w)."""
        if self._last:
            return self._source[image, rows, cols].transpose(2, 0, 1)
        return self._source[image, :, rows, cols]

    def read_several(self, images: slice) -> Array:
        """Return maps, (n, C, H, W)."""
        maps = self._source[images]
        return maps.transpose(0, 3, 1, 2) if self._last else maps

    def attribute(self, name: str) -> Any:
        """Return an attribute of the dataset, None where there is none."""
        return self._source.attribute(name)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class MapPerImage(Features):
    """A dataset of three axes for each image, perhaps of differing height and width."""

    def __init__(self, spec: str, layout: str, ids: PathLike | None, trust: bool) -> None:
        path, _, pattern = spec.rpartition("::")
        if not path or pattern.count(PLACE) != 1:
            raise SourceError(f"{spec} must be PATH::DATASET with one {PLACE} in the name")
        self.name, self._layout = spec, layout
        self._file = hdf5.open_hdf5(Path(path))
        self.paths = [Path(path)]
        self.inputs = []
        try:
            self._names = self._find(pattern, ids, trust)
            self._check(trust)
        except BaseException:
            self.close()
            raise

    def _find(self, pattern: str, ids: PathLike | None, trust: bool) -> list[str]:
        """Return the dataset of each image."""
        if ids is not None:
            with open_source(ids, ("ids",), _require_ids, trust=trust) as source:
                listed = source[:].tolist()
                self.paths.append(source.path)
                self.inputs.append(source.as_input("ids"))
            texts = (
                one.decode("utf-8", "surrogateescape") if isinstance(one, bytes) else str(one)
                for one in listed
            )
            return [pattern.replace(PLACE, text) for text in texts]
        found = hdf5.matching(self._file, pattern, PLACE, trust)
        if not found:
            raise SourceError(f"{self.name} matches no dataset; see what the file holds with info")
        return [found[text] for text in sorted(found, key=_natural)]

    def _check(self, trust: bool) -> None:
        """Hold the datasets of all images against the first."""
        shapes: list[tuple[int, ...]] = []
        self.channels, self.dtype = 0, np.dtype(np.float32)
        for name in self._names:
            dataset = hdf5.dataset_at(self._file, name, trust)
            where = f"{self.paths[0]}::{name}"
            if dataset is None:
                raise SourceError(f"{self.paths[0]} has no dataset {name!r}")
            if dataset.ndim not in {3, 4} or (dataset.ndim == 4 and dataset.shape[0] != 1):
                raise ShapeError(f"{where} must have shape (C, H, W), got {dataset.shape}")
            shape = _nchw((1, *dataset.shape[-3:]), self._layout)[1:]
            require_features((1, *shape), dataset.dtype, where)
            if shapes and (shape[0], dataset.dtype) != (self.channels, self.dtype):
                raise ShapeError(
                    f"{where} must have {self.channels} channels of {self.dtype} "
                    f"as the first map has, got {shape[0]} of {dataset.dtype}"
                )
            self.channels, self.dtype = shape[0], dataset.dtype
            self.missing_chunks += hdf5.missing_chunks(dataset)
            if dataset.chunks:
                self.chunks = max(self.chunks or (1, 0), (1, *dataset.chunks), key=math.prod)
            shapes.append(shape[1:])
        self.images = len(shapes)
        self.sizes = np.array(shapes, np.int64).reshape(-1, 2)
        pattern = self.name.rpartition("::")[2]
        this = Input("features", self.paths[0], pattern, self.shape, str(self.dtype))
        self.inputs.insert(0, this)

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return a part of a map, (C, h, w)."""
        try:
            dataset = self._file[self._names[image]]
            first = (0,) if dataset.ndim == 4 else ()
            if self._layout == "nhwc":
                last: Array = dataset[(*first, rows, cols)]
                return last.transpose(2, 0, 1)
            part: Array = dataset[(*first, slice(None), rows, cols)]
        except Exception as error:
            where = f"{self.paths[0]}::{self._names[image]}"
            raise SourceError(f"{where} cannot be read: {error}") from error
        return part

    @property
    def held_bytes(self) -> int:
        """What is held about all images, here also their names and sizes."""
        return 512 * self.images

    def attribute(self, name: str) -> Any:
        """Return the attribute of all images' datasets, or else of the file."""
        found = [attribute(self._file[each], name, self.name) for each in self._names]
        if any(not np.array_equal(one, found[0]) for one in found):
            raise SourceError(f"{self.name}: the attribute {name} differs from image to image")
        own = found[0] if found else None
        return attribute(self._file, name, self.name) if own is None else own

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PipedMaps(Features):
    """All maps in one .npy stream, read forwards: each map once, as a whole."""

    sequential = True

    def __init__(self, stream: PipedNpy, layout: str) -> None:
        self._stream, self.name, self._layout, self.paths = stream, stream.name, layout, []
        self.inputs = []
        header = stream.header
        require_features(header.shape, header.dtype, self.name)
        shape = _nchw(header.shape, layout)
        self.images, self.channels, self.dtype = shape[0], shape[1], header.dtype
        self.sizes = np.array([shape[2:]], np.int64)
        self._next, self._held = 0, np.empty((0, 0, 0))

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return a part of a map, (C, h, w)."""
        while self._next <= image:
            self._held = np.empty((0, 0, 0))  # never two at a time
            self._held = self._stream.read(self._stream.header.shape[1:])
            self._next += 1
        whole = self._held.transpose(2, 0, 1) if self._layout == "nhwc" else self._held
        return whole[:, rows, cols]


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


def _require_ids(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    is_text = dtype.kind in "SUO" and (dtype.kind != "O" or h5py.check_string_dtype(dtype))
    if len(shape) != 1 or not (is_text or dtype.kind in "iu"):
        raise ShapeError(f"{name} must be a list of whole numbers or texts, got {shape} {dtype}")


def _natural(text: str) -> list[tuple[int, int | str]]:
    """Return a key that puts 9 before 10."""
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts if part]
