"""Files whose arrays have names, and nothing above them: what such containers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from lucid.errors import SourceError
from lucid.stream.read.ids import id_in
from lucid.stream.read.place import Place, Span
from lucid.stream.read.placed import PlacedSource
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.url import Url
from lucid.stream.read.words import NOTHING, WORDS, Said, fits


class FlatSource(Source):
    """An array that is described when it is opened."""

    def __init__(self, path: Path, info: ArrayInfo, array: Any, container: Flat) -> None:
        name = f"{path}::{info.dataset}" if info.dataset is not None else str(path)
        super().__init__(name, path, array, container)
        self._info, self._file = info, container

    @cached_property
    def info(self) -> ArrayInfo:
        """What the file says about the array."""
        return self._info

    def said(self) -> tuple[Said, Said]:
        """Return no words of the array's own, and those of arrays beside it."""
        return NOTHING[0], self._file.said


class Flat(ABC):
    """A file of arrays that have names."""

    kind: str
    separator = "/"
    locked = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[str, Source] | None = None  # what was opened last is kept unpacked

    @staticmethod
    @abstractmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    @abstractmethod
    def names(self) -> Collection[str]:
        """Return the names of what may be arrays."""

    @abstractmethod
    def info(self, name: str) -> ArrayInfo:
        """Return what the file says about an array; raise a SourceError if it cannot be read."""

    @abstractmethod
    def source(self, name: str) -> Source:
        """Return an array; raise a SourceError if it cannot be read."""

    @cached_property
    def said(self) -> Said:
        """What small arrays say that are called by a word."""
        here = [(word, self.info(word)) for word in WORDS if word in self.names()]
        return {word: self.again(word)[...] for word, info in here
                if fits(word, info.shape, info.dtype)}  # fmt: skip

    def infos(self) -> list[ArrayInfo]:
        """Return what the file says about its arrays, in the order of their names.

        Raises
        ------
        SourceError
            If none can be read.
        """
        found, refused = [], []
        for name in sorted(self.names()):
            try:
                found.append(self.info(name))
            except SourceError as error:
                refused.append(error)
        if refused and not found:
            raise refused[0]
        return found

    def open(self, name: str | None) -> Source | None:
        """Return an array of a name, None if there is none.

        Raises
        ------
        SourceError
            If it is damaged, or of a kind that is not read.
        """
        return None if name is None or name not in self.names() else self.again(name)

    def place(self, name: str) -> Place | None:
        """Return where an array lies, if that is in one piece and as NumPy has it."""
        return None

    def spans(self, name: str, stem: bytes) -> list[Span]:
        """Return all that was read to know where an array lies, none if that is not known.

        Parameters
        ----------
        name : str
            Of the array.
        stem : bytes
            What the file is called, which may stand there.
        """
        return []

    def look(self, name: str | None) -> Source | None:
        """Return an array as `open` does, but only where it lies if that is all there is to it."""
        if name is None or name not in self.names() or isinstance(self._path, Url):
            return self.open(name)
        place = self.place(name)
        if place is None or not place.nbytes:
            return self.again(name)
        where = f"{self._path}::{name}" if name else str(self._path)
        return PlacedSource(where, place, self._path, self.said)

    def again(self, name: str) -> Source:
        """Return an array that was opened before."""
        if self._last is None or self._last[0] != name:
            self._last = None  # never two at a time
            self._last = name, self.source(name)
        return self._last[1]

    def matching(self, pattern: str, place: str) -> dict[str, str]:
        """Return the names that match, by what stands for `place` in them."""
        there = ((id_in(name, pattern, place), name) for name in self.names())
        return {inner: name for inner, name in there if inner is not None}
