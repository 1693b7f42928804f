"""Crops as files have them, row by row: all together, or those of each image apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from lucid.errors import LucidError, ShapeError, SourceError
from lucid.stream.checks import PathLike
from lucid.stream.read.arrays import open_source
from lucid.stream.read.source import Source
from lucid.stream.types import Array, Rows


class Part(NamedTuple):
    """Some of the rows that were asked for."""

    among: Rows  # which of them
    crops: Array | None  # None if they cannot be read
    fact: str = ""  # why


class Stored(Protocol):
    """Crops that a file has."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def parts(self, rows: Rows) -> Iterator[Part]:
        """Yield the crops of rows, which ascend, some at a time."""

    def close(self) -> None:
        """Close what is open."""


class StoredTogether:
    """Crops of one array."""

    def __init__(self, path: PathLike, names: Sequence[str]) -> None:
        self.source = open_source(path, names, lambda *about: None)
        self.name, self.shape = self.source.name, self.source.shape
        self.dtype = self.source.dtype
        chunks = self.source.info.chunks
        self._rows = chunks[0] if chunks else 0

    def parts(self, rows: Rows) -> Iterator[Part]:
        """Yield the crops of rows, which ascend: of each chunk those that it has."""
        breaks = np.diff(rows // self._rows) != 0 if self._rows else np.diff(rows) != 1
        edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(rows)]
        for start, stop in pairwise(edges):
            if start < stop:
                yield _read(self.source, rows[start:stop], np.arange(start, stop))

    def close(self) -> None:
        """Close the file."""
        self.source.close()


class StoredApart:
    """Crops of each image in an array of its own.

    Parameters
    ----------
    name : str
        The name of them all.
    paths : sequence of str
        Where those of each image are: PATH, or PATH::DATASET.
    image, position : array of shape (K,)
        Of which image each row is, -1 if of none, and which of its rows.
    """

    def __init__(self, name: str, paths: Sequence[str], image: Rows, position: Rows) -> None:
        self.name, self._paths, self._image, self._position = name, paths, image, position
        with self._opened(0) as first:
            self.shape, self.dtype = (len(image), *first.shape[1:]), first.dtype
        self._counts = np.bincount(image[image >= 0], minlength=len(paths))

    def parts(self, rows: Rows) -> Iterator[Part]:
        """Yield the crops of rows image by image; of no image, there are none."""
        owners = self._image[rows]
        for image in np.unique(owners[owners >= 0]).tolist():
            among = np.flatnonzero(owners == image)
            try:
                with self._opened(image) as source:
                    self._require_shape(source, image)
                    yield _read(source, self._position[rows[among]], among)
            except LucidError as error:
                yield Part(among, None, str(error))

    def close(self) -> None:
        """Do nothing: nothing stays open."""

    def _opened(self, image: int) -> Source:
        return open_source(self._paths[image], ("features",), lambda *about: None)

    def _require_shape(self, source: Source, image: int) -> None:
        shape = (int(self._counts[image]), *self.shape[1:])
        if source.shape != shape or source.dtype != self.dtype:
            raise ShapeError(f"{source.name} is {source.info}, not {shape} {self.dtype}")


def _read(source: Source, rows: Rows, among: Rows) -> Part:
    """Return rows of an array, which ascend, from one reading of it."""
    if not len(rows):
        return Part(among, np.empty((0, *source.shape[1:]), source.dtype))
    first, last = int(rows[0]), int(rows[-1]) + 1
    try:
        crops = np.asarray(source[first:last])
        return Part(among, crops if len(crops) == len(rows) else crops[rows - first])
    except SourceError as error:
        return Part(among, None, str(error))
