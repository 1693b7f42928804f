"""Arrays of their own for images: datasets of one file, or a file each, found by ids."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lucid.errors import SourceError
from lucid.stream.checks import PLACE, PathLike
from lucid.stream.read.arrays import open_container, open_source, split
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.ids import natural
from lucid.stream.read.source import Check, Container, Source


class PerImage(Protocol):
    """Where the array of each image is."""

    ids: list[str]

    def first(self) -> Iterator[Source]:
        """Yield the array of each image, looked at for the first time."""

    def again(self, image: int) -> Source:
        """Return the array of an image; the one before may be closed."""

    def as_input(self, role: str, shape: tuple[int, ...], dtype: str) -> Input:
        """Return what is recorded of all."""

    def paths(self) -> Sequence[Path]:
        """Return the files."""

    def close(self) -> None:
        """Close what is open."""


def per_image(
    spec: PathLike, ids: Sequence[str] | None, names: Sequence[str], check: Check, trust: bool
) -> PerImage:
    """Return where the arrays are that a path with `{id}` in it means.

    Parameters
    ----------
    spec : path
        `{id}` stands in the path, in the name of the dataset, or in both.
    ids : sequence of str, optional
        What images are called, in order; unless given, all that are there, in natural order.
    names, check, trust
        As in `open_source`, for the arrays of files.
    """
    text = os.fspath(spec)
    path, _, dataset = text.rpartition("::")
    if PLACE in (path or text):
        return FilePerImage(text, ids, names, check, trust)
    if not path or dataset.count(PLACE) != 1:
        raise SourceError(f"{text} must have {PLACE} in its path, or once in the dataset's name")
    return DatasetPerImage(Path(path), dataset, ids, trust)


class DatasetPerImage:
    """Datasets of one file."""

    def __init__(self, path: Path, pattern: str, ids: Sequence[str] | None, trust: bool) -> None:
        self._path, self._pattern, self._given = path, pattern, ids
        self._file: Container = open_container(path, trust)
        self.ids: list[str] = []
        self._names: list[str] = []

    def first(self) -> Iterator[Source]:
        """Yield the dataset of each image; of names that match, those that are no arrays do not."""
        if self._given is None:
            found = self._file.matching(self._pattern, PLACE)
            named = [(one, found[one]) for one in sorted(found, key=natural)]
        else:
            named = [(one, self._pattern.replace(PLACE, one)) for one in self._given]
        for one, name in named:
            source = self._file.open(name)
            if source is not None:
                self.ids.append(one)
                self._names.append(name)
                yield source
            elif self._given is not None:
                raise SourceError(f"{self._path} has no dataset {name!r}")

    def again(self, image: int) -> Source:
        """Return the dataset of an image."""
        return self._file.again(self._names[image])

    def as_input(self, role: str, shape: tuple[int, ...], dtype: str) -> Input:
        """Return what is recorded of the file."""
        return Input(role, self._path, self._pattern, shape, dtype)

    def paths(self) -> Sequence[Path]:
        """Return the file."""
        return [self._path]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FilePerImage:
    """A file for each image, of which one is open at a time."""

    def __init__(
        self,
        pattern: str,
        ids: Sequence[str] | None,
        names: Sequence[str],
        check: Check,
        trust: bool,
    ) -> None:
        self._pattern, self._names, self._check, self._trust = pattern, names, check, trust
        self.ids = _listed(pattern) if ids is None else list(ids)
        self._open: tuple[int, Source] | None = None

    def first(self) -> Iterator[Source]:
        """Yield the array of each file."""
        return (self.again(image) for image in range(len(self.ids)))

    def again(self, image: int) -> Source:
        """Return the array of an image, and close the one before."""
        if self._open is not None and self._open[0] == image:
            return self._open[1]
        self.close()
        spec = self._pattern.replace(PLACE, self.ids[image])
        source = open_source(spec, self._names, self._check, trust=self._trust)
        self._open = image, source
        return source

    def as_input(self, role: str, shape: tuple[int, ...], dtype: str) -> Input:
        """Return what is recorded of all files."""
        path, _, dataset = self._pattern.rpartition("::")
        where = Path(path or self._pattern)
        return Input(role, where, dataset if path else None, shape, dtype, tuple(self.paths()))

    def paths(self) -> Sequence[Path]:
        """Return the files."""
        return [split(self._pattern.replace(PLACE, one))[0] for one in self.ids]

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _listed(pattern: str) -> list[str]:
    """Return the ids of the files that there are, in natural order.

    An id stays within one part of a path, and does not begin with a dot; anything else in the
    pattern is meant as it is written.
    """
    path = pattern.rpartition("::")[0] or pattern
    parts = Path(path).parts
    level = next(k for k, part in enumerate(parts) if PLACE in part)
    folder = Path(*parts[:level])
    before, _, after = parts[level].partition(PLACE)
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed: {error.strerror}") from error
    found = []
    for name in names:
        if not name.startswith(before) or name.startswith("."):
            continue
        for end in _ends(name, len(before), after):
            inner = name[len(before) : end]
            if (
                parts[level].replace(PLACE, inner) == name
                and Path(path.replace(PLACE, inner)).exists()
            ):
                found.append(inner)
                break
    if not found:
        raise SourceError(f"{pattern} matches no file")
    return sorted(found, key=natural)


def _ends(name: str, begin: int, after: str) -> Iterator[int]:
    """Yield where an id may end that begins at `begin`, for what follows it in the pattern."""
    plain = after.partition(PLACE)[0]
    if PLACE not in after:
        if name.endswith(plain) and begin < len(name) - len(plain):
            yield len(name) - len(plain)
        return
    yield from (end for end in range(begin + 1, len(name)) if name.startswith(plain, end))
