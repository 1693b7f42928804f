"""HDF5 files that may come from anywhere: their datasets, and the names that lead to them.

A damaged file can make h5py fail in any way, with any exception.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py

from lucid.errors import SourceError
from lucid.stream.read.hdf5_datasets import described, has_values
from lucid.stream.read.hdf5_file import SIGNATURE, damaged, identity, open_id
from lucid.stream.read.hdf5_headers import Headers
from lucid.stream.read.hdf5_plain import (
    only_info,
    place_in_hdf5,
    says_nothing,
    spans_around,
)
from lucid.stream.read.hdf5_words import said_by, said_by_group
from lucid.stream.read.ids import id_in
from lucid.stream.read.pandas_frames import Frame, dataset_of, innards
from lucid.stream.read.place import Place, Span
from lucid.stream.read.placed import PlacedSource
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.unpacked import Unpacked, unpacked
from lucid.stream.read.url import Url
from lucid.stream.read.ways_out import (
    is_open_ended,
    link_of,
    require_inside,
    require_whole,
    target_of,
)
from lucid.stream.read.words import Said


class Hdf5:
    """An HDF5 file, open."""

    kind = "HDF5"
    separator = "/"
    locked = True

    def __init__(self, path: Path, trust: bool) -> None:
        self._path, self._trust = path, trust
        self._leaves = trust and not isinstance(path, Url)  # whether links may lead out of the file
        self._id = open_id(path)
        self._headers = Headers(self._id)
        self._said: tuple[str, dict[str, Any]] | None = None  # by a group

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file is HDF5, which need not begin at its first byte."""
        if start.startswith(SIGNATURE) or isinstance(path, Url):
            return start.startswith(SIGNATURE)
        return bool(h5py.is_hdf5(path))

    @cached_property
    def _file(self) -> h5py.File:
        """The file as h5py has it, which takes a while to make."""
        return h5py.File(self._id)

    @cached_property
    def number(self) -> int:
        """What only this file has, among those that are open."""
        with _told_of(self._path):
            return identity(self._file)[0]

    def infos(self) -> list[ArrayInfo]:
        """Return what the file says about its datasets, in the order of their names.

        Links count as well, those to other files only if the file is trusted.
        """
        if (only := only_info(self._id)) is not None:
            return [only]
        with _told_of(self._path):
            infos = [
                described(unpacked(item), name, target)
                for name, item, target in self._walk()
                if has_values(item)
            ]
        hidden, frames = innards([info.dataset or "" for info in infos])
        tables = []
        for name in frames:
            with suppress(SourceError):  # one that cannot be read is none to choose
                tables += [table.info for table in [self._frame(name)] if table]
        kept = [info for info in infos if info.dataset not in hidden]
        return sorted([*kept, *tables], key=lambda info: info.dataset or "")

    def open(self, name: str | None) -> Source | None:
        """Return a dataset, None if there is none of this name.

        Raises
        ------
        SourceError
            If it is damaged, or one that is only read from files that are trusted.
        """
        name = name or ""
        with _told_of(f"{self._path}::{name}"):
            item = self._checked(name)
            if isinstance(item, h5py.Group):
                return self._frame(name)
            is_array = isinstance(item, h5py.Dataset) and item.shape is not None
            return self._source(name, item) if is_array else None

    def look(self, name: str | None) -> Source | None:
        """Return a dataset as `open` does, but only where it lies if that is all there is to it."""
        name = name or ""
        place = None if isinstance(self._path, Url) else self._headers.place(name)
        if place is None:
            return self.open(name)
        said = self.said_in(name.rpartition("/")[0])
        return PlacedSource(f"{self._path}::{name}", place, self._path, said)

    def spans(self, name: str, stem: bytes) -> list[Span]:
        """Return all bytes that may say where a dataset lies, none if they are many."""
        place = place_in_hdf5(self._id, name)
        return spans_around(self._path, place) if place else []

    def _frame(self, name: str) -> Source | None:
        """Return the table of a frame that pandas wrote, None if it is another group."""
        with _told_of(f"{self._path}::{name}"):
            group = self._checked(name)
            if not isinstance(group, h5py.Group):
                return None
            name, table = dataset_of(name, group, self._checked)
            if isinstance(table, Frame):
                return FrameSource(f"{self._path}::{name}", self._path, table, self)
            return self._source(name, table) if isinstance(table, h5py.Dataset) else None

    def again(self, name: str) -> Source:
        """Return a dataset that was opened before, without looking at it again."""
        with _told_of(f"{self._path}::{name}"):
            return self._source(name, self._file[name])

    def matching(self, pattern: str, place: str) -> dict[str, str]:
        """Return names that match, of datasets or not, by what stands for `place` in them."""
        parts = [part for part in pattern.split("/") if part]
        level = next(k for k, part in enumerate(parts) if place in part)
        found = {}
        for key in self._keys("/".join(parts[:level])):
            inner = id_in(key, parts[level], place)
            if inner is not None:
                below = [part.replace(place, inner) for part in parts[level + 1 :]]
                found[inner] = "/".join([*parts[:level], key, *below])
        return found

    def said_in(self, group: str) -> dict[str, Any]:
        """Return the words of a group and of the file, for all arrays in the group alike."""
        if self._said is None or self._said[0] != group:
            about = group, self._checked, str(self._path)
            silent = says_nothing(self._id, group)
            self._said = group, {} if silent else said_by_group(self._file, *about)
        return self._said[1]

    def close(self) -> None:
        """Close the file."""
        file = vars(self).get("_file", self._id)
        file.close()

    def _source(self, name: str, item: h5py.Dataset) -> Source:
        with _told_of(f"{self._path}::{name}"):
            return Hdf5Source(self, self._path, name, item)

    def _keys(self, name: str) -> list[str]:
        """Return the names in a group; bytes that are no text cannot be asked for."""
        with _told_of(self._path):
            if not self._leaves:
                require_inside(self._file, name, f"{self._path}::{name}")
            group = self._file.get(name or "/")
            return _texts(group) if isinstance(group, h5py.Group) else []

    def _walk(self) -> Iterator[tuple[str, h5py.Dataset, str]]:
        """Yield names, the datasets there, and what links lead to: first what the file has itself.

        Each group is entered once. It is held open until the end, for in a file that is closed and
        opened again it would look like another.
        """
        entered = {identity(self._file): self._file}
        ahead = deque((name, "") for name in _texts(self._file))
        while ahead:
            name, target = ahead.popleft()
            if not target and (link := link_of(self._file, name)) is not None:
                ahead.append((name, target_of(link)))
                continue
            item = self._reached(name, bool(target))
            if isinstance(item, h5py.Dataset):
                yield name, item, target
            elif isinstance(item, h5py.Group) and identity(item) not in entered:
                entered[identity(item)] = item
                within = target and f"{target}/"
                ahead.extendleft((f"{name}/{key}", within and within + key) for key in _texts(item))

    def _reached(self, name: str, linked: bool) -> object:
        """Return what a name leads to, None if that is nothing, or not to be touched."""
        if linked:
            with suppress(Exception):
                return self._checked(name)
            return None
        item = self._file.get(name)
        if not self._leaves and isinstance(item, h5py.Dataset) and is_open_ended(item):
            return self._reached(name, True)
        return item

    def _checked(self, name: str) -> object:
        """Return what a name leads to; raise if that is out of the file, or not there."""
        where = f"{self._path}::{name}"
        if not self._leaves:
            require_inside(self._file, name, where)
        item = self._file.get(name)
        if item is None and (link := link_of(self._file, name)) is not None:
            raise SourceError(f"{where} is a link that leads nowhere, to {target_of(link)}")
        if isinstance(item, h5py.Dataset):
            require_whole(item, where, self._trust)
        return item


class Hdf5Source(Source):
    """An open dataset."""

    def __init__(self, file: Hdf5, path: Path, name: str, item: h5py.Dataset) -> None:
        super().__init__(f"{path}::{name}", path, unpacked(item), file)
        self._file, self._name, self._item = file, name, item

    @cached_property
    def info(self) -> ArrayInfo:
        """What the file says about the dataset."""
        with _told_of(self.name):
            return described(self._array)

    @property
    def has_holes(self) -> bool:
        """Whether cells may be without a value, which are read as NaN."""
        return isinstance(self._array, Unpacked) and self._array.has_holes

    @property
    def missing_chunks(self) -> int:
        """How many chunks were never written, and read as zeros or what the file says."""
        if self.info.chunks is None or 0 in self.shape:
            return 0
        sides = zip(self.shape, self.info.chunks, strict=True)
        with _told_of(self.name):
            written: int = self._array.id.get_num_chunks()
        return math.prod(-(-length // side) for length, side in sides) - written

    def said(self) -> tuple[Said, Said]:
        """Return the words of the dataset's attributes, and those of its group and file."""
        own = said_by(self._item, self.name)
        return own, self._file.said_in(self._name.rpartition("/")[0])

    @property
    def place(self) -> Place | None:
        """Where the values lie in the file, if they are in one piece there as NumPy has them."""
        if self._array is not self._item or isinstance(self.path, Url):
            return None  # they are not stored as they are meant, or there is nothing to map
        with _told_of(self.name):
            begin, kind = self._item.id.get_offset(), self._item.id.get_type()
            is_own = identity(self._item)[0] == self._file.number
            if begin is None or not is_own or not kind.equal(h5py.h5t.py_create(self.dtype)):
                return None
        return Place(begin, self.shape, self.dtype)


class FrameSource(Source):
    """An open frame of pandas in the format "fixed"."""

    @cached_property
    def info(self) -> ArrayInfo:
        """What the file says about it."""
        frame = self._array
        return ArrayInfo(frame.name, frame.shape, frame.dtype, frame.chunks)


def _texts(group: h5py.Group) -> list[str]:
    return [key for key in group if isinstance(key, str)]


@contextmanager
def _told_of(where: str | Path) -> Iterator[None]:
    """Turn whatever h5py raises into an error about a damaged file."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        raise damaged(where, error) from error
