"""Arrays of their own for images: datasets of one file, or a file each, found by ids."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lucid.errors import MissingFileError, SourceError
from lucid.stream.checks import PLACE, PathLike, is_url
from lucid.stream.read.alike import Alike
from lucid.stream.read.arrays import look_source, open_container, open_source, split
from lucid.stream.read.fingerprint import FilesSeen, Input
from lucid.stream.read.ids import id_in, natural
from lucid.stream.read.missing import not_opened
from lucid.stream.read.place import Ends, Place
from lucid.stream.read.placed import PlacedSource
from lucid.stream.read.source import Check, Container, Source
from lucid.stream.read.url import Url, as_path


class PerImage(Protocol):
    """Where the array of each image is.

    Where it lies in one piece in its file, that is all that is known of it after the first look,
    and its values are read without asking the file's format again.
    """

    ids: list[str]

    def first(self) -> Iterator[Source]:
        """Yield the array of each image, for the first time; raise where there is none."""

    def look(self, image: int) -> Source | None:
        """Return the array of an image, looked at for the first time; None where there is none."""

    def again(self, image: int) -> Source:
        """Return the array of an image to read its values; the one before may be closed."""

    def opened(self, image: int) -> Source:
        """Return the array of an image with all that its file says; likewise."""

    def as_input(self, role: str, shape: tuple[int, ...], dtype: str) -> Input:
        """Return what is recorded of all."""

    def paths(self) -> Sequence[PathLike]:
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
        `{id}` stands in the path, in the name of the dataset, or in both, once or more.
    ids : sequence of str, optional
        What images are called, in order; unless given, all that are there, in natural order.
    names, check, trust
        As in `open_source`, for the arrays of files.
    """
    text = os.fspath(spec)
    path, _, dataset = text.rpartition("::")
    if path and PLACE not in path:
        return DatasetPerImage(as_path(path), dataset, ids, trust)
    known = files_of(text) if ids is None else list(ids)
    specs = [text.replace(PLACE, one) for one in known]
    return FilePerImage(specs, known, names, check, trust, pattern=text)


class DatasetPerImage:
    """Datasets of one file."""

    def __init__(self, path: Path, pattern: str, ids: Sequence[str] | None, trust: bool) -> None:
        self._path, self._pattern, self._given = path, pattern, ids is not None
        self._file: Container = open_container(path, trust)
        self.ids = list(ids or ())
        self._names = [pattern.replace(PLACE, one) for one in self.ids]
        self._places: list[Place | None] = [None] * len(self.ids)

    def first(self) -> Iterator[Source]:
        """Yield the dataset of each image; of names that match, those that are no arrays do not."""
        if not self._given:
            yield from self._found()
        for image in range(len(self.ids) if self._given else 0):
            source = self.look(image)
            if source is None:
                raise SourceError(f"{self._path} has no dataset {self._names[image]!r}")
            yield source

    def _found(self) -> Iterator[Source]:
        found = self._file.matching(self._pattern, PLACE)
        for one in sorted(found, key=natural):
            source = self._file.look(found[one])
            if source is not None:
                self.ids.append(one)
                self._names.append(found[one])
                self._places.append(source.place)
                yield source

    def look(self, image: int) -> Source | None:
        """Return the dataset of an image, None if there is none of its name."""
        source = self._file.look(self._names[image])
        self._places[image] = None if source is None else source.place
        return source

    def again(self, image: int) -> Source:
        """Return the dataset of an image to read its values."""
        place, name = self._places[image], f"{self._path}::{self._names[image]}"
        return PlacedSource(name, place, self._path) if place else self.opened(image)

    def opened(self, image: int) -> Source:
        """Return the dataset of an image."""
        return self._file.again(self._names[image])

    def as_input(self, role: str, shape: tuple[int, ...], dtype: str) -> Input:
        """Return what is recorded of the file."""
        return Input(role, self._path, self._pattern, shape, dtype)

    def paths(self) -> Sequence[PathLike]:
        """Return the file."""
        return [self._path]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FilePerImage:
    """A file for each image, of which one is open at a time.

    Parameters
    ----------
    specs : sequence of str
        `PATH` or `PATH::DATASET` for each image.
    ids : list of str
        What images are called.
    names, check, trust
        As in `open_source`.
    pattern : str, optional
        What stands for them all, with `{id}` or wildcards in it.
    """

    def __init__(
        self,
        specs: Sequence[str],
        ids: list[str],
        names: Sequence[str],
        check: Check,
        trust: bool,
        pattern: str | None = None,
    ) -> None:
        self._specs, self.ids, self._pattern = specs, ids, pattern
        self._paths = [str(split(spec)[0]) if "::" in spec else spec for spec in specs]
        self._names, self._check, self._trust = names, check, trust
        self._places: list[Place | None] = [None] * len(specs)
        self._seen, self._alike = FilesSeen(), Alike(trust)
        self._open: tuple[int, Source] | None = None

    def first(self) -> Iterator[Source]:
        """Yield the array of each file."""
        return (self.look(image) or self.opened(image) for image in range(len(self._specs)))

    def look(self, image: int) -> Source | None:
        """Return the array of an image, None if there is no such file."""
        ends = self._ends(image)
        if ends is None:
            return None
        path, dataset = self._paths[image], self._specs[image][len(self._paths[image]) + 2 :]
        source: Source | None = self._alike.placed(path, dataset, ends)
        if source is None:
            self.close()
            about = dataset or None, ends.start, self._names, self._check
            source = look_source(as_path(path), *about, trust=self._trust)
            self._alike.learn(path, dataset, ends, source)
            self._open = image, source
        self._places[image] = source.place
        return source

    def _ends(self, image: int) -> Ends | None:
        """Return what a file begins and ends with and its size, None if it is not there.

        What makes the fingerprint of all is taken down in passing, if they are looked at in order.
        """
        path, seen = self._paths[image], self._seen if image == self._seen.count else FilesSeen()
        if is_url(path):
            return Ends(b"", 0) if Url(path).exists() else None
        try:
            return seen.look(path)
        except OSError:  # a folder, such as zarr's, or what a closer look will name
            return Ends(b"", 0)

    def again(self, image: int) -> Source:
        """Return the array of an image to read its values, and close the one before."""
        if self._open is not None and self._open[0] == image:
            return self._open[1]
        place = self._places[image]
        if place is None:
            return self.opened(image)
        self.close()
        source = PlacedSource(self._specs[image], place, self._paths[image])
        self._open = image, source
        return source

    def opened(self, image: int) -> Source:
        """Return the array of an image as its file has it, and close the one before."""
        self.close()
        source = open_source(self._specs[image], self._names, self._check, trust=self._trust)
        self._open = image, source
        return source

    def as_input(self, role: str, shape: tuple[int, ...], dtype: str) -> Input:
        """Return what is recorded of all files."""
        path, _, dataset = (self._pattern or self._specs[0]).rpartition("::")
        where = as_path(path or dataset)
        files, several = tuple(self._paths), self._pattern is None
        this = Input(role, where, dataset if path else None, shape, dtype, files, several)
        return this._replace(taken=self._seen) if self._seen.count == len(files) else this

    def paths(self) -> Sequence[PathLike]:
        """Return the files."""
        return self._paths

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _names_in(folder: Path) -> list[str]:
    """Return what is in a folder, but for what is hidden."""
    try:
        if isinstance(folder, Url):
            names = [path.name for path in folder.iterdir()]
        else:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries]
    except OSError as error:
        raise not_opened(folder, error) from error
    return [name for name in names if not name.startswith(".")]


def files_of(pattern: str) -> list[str]:
    """Return the ids of the files that there are, in natural order.

    An id stays within one part of a path, and does not begin with a dot; anything else in the
    pattern is meant as it is written.
    """
    path = as_path(pattern.rpartition("::")[0] or pattern)
    level = next(k for k, part in enumerate(path.parts) if PLACE in part)
    folder, below = type(path)(*path.parts[:level]), Path(*path.parts[level + 1 :])
    parts, names = path.parts, _names_in(folder)
    rest = str(below) if below.parts else ""
    found = [
        one
        for name in names
        if (one := id_in(name, parts[level], PLACE)) is not None
        and (not rest or (folder / name / rest.replace(PLACE, one)).exists())
    ]
    if not found:
        hint = "; wildcards beside {id} mean themselves" if set("*?") & set(pattern) else ""
        raise MissingFileError(f"{pattern} matches no file{hint}", pattern)
    return sorted(found, key=natural)
