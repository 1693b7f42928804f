"""What is under the keys of a zarr store: files of a folder, or members of a zip file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from lucid.errors import SourceError
from lucid.stream.read.inflated import Inflating, fill, require_plausible
from lucid.stream.read.missing import IF_TRUSTED
from lucid.stream.read.pread import pread
from lucid.stream.read.zip_file import STORED, ZipFile

Range = tuple[int, int | None]  # from a byte on, from the end if it is below 0; and up to one


MOST_BYTES = 64 << 20  # of a value, unless an array has larger chunks


class Keys(Protocol):
    """The values of a store by their keys."""

    most: int  # bytes of a value that is read

    def read(self, key: str, part: Range = (0, None)) -> bytes | None:
        """Return a value or a part of it, None if there is none."""

    def has(self, key: str) -> bool:
        """Return whether there is a value."""

    def under(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix."""

    def beside(self, prefix: str) -> list[str]:
        """Return what follows a prefix in keys, up to the next '/'."""

    def close(self) -> None:
        """Close what is open."""


class Folder:
    """Files of a folder; links that lead out of it are followed only if it is trusted."""

    def __init__(self, path: Path, trust: bool) -> None:
        self.most = MOST_BYTES
        self._path, self._trust = path, trust
        self._real = os.path.realpath(path)

    def read(self, key: str, part: Range = (0, None)) -> bytes | None:
        """Return a value or a part of it, None if there is none."""
        path = self._path / key
        if not self._trust and not os.path.realpath(path).startswith(self._real + os.sep):
            raise SourceError.advising(f"{path} is a link to another file", IF_TRUSTED)
        try:
            with path.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                begin, end = _within(size, part)
                require_bounded(end - begin, self.most, key)
                return os.pread(stream.fileno(), end - begin, begin)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def has(self, key: str) -> bool:
        """Return whether there is a value."""
        return (self._path / key).is_file()

    def under(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix."""
        for folder, _, names in os.walk(self._path / prefix):
            yield from ((Path(folder) / name).relative_to(self._path).as_posix() for name in names)

    def beside(self, prefix: str) -> list[str]:
        """Return what follows a prefix in keys, up to the next '/'."""
        try:
            return sorted(path.name for path in (self._path / prefix).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def close(self) -> None:
        """Close nothing."""


class Zipped:
    """Members of a zip file."""

    def __init__(self, path: Path) -> None:
        self.most = MOST_BYTES
        self._file = ZipFile(path)

    def read(self, key: str, part: Range = (0, None)) -> bytes | None:
        """Return a value or a part of it, None if there is none."""
        member = self._file.members.get(key)
        if member is None:
            return None
        begin, end = _within(member.size, part)
        require_bounded(member.size if member.method != STORED else end - begin, self.most, key)
        if member.method == STORED:
            place = self._file.place(member)
            return pread(self._file.stream, end - begin, place + begin)
        require_plausible(member, f"{self._file.path}::{key}")
        whole = bytearray(member.size)
        place = self._file.place(member)
        fill(Inflating(self._file.stream, place, member), memoryview(whole))
        return bytes(whole[begin:end])

    def has(self, key: str) -> bool:
        """Return whether there is a value."""
        return key in self._file.members

    def under(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix."""
        return (key for key in self._file.members if key.startswith(prefix))

    def beside(self, prefix: str) -> list[str]:
        """Return what follows a prefix in keys, up to the next '/'."""
        before = f"{prefix.rstrip('/')}/" if prefix else ""
        inner = (key.removeprefix(before) for key in self.under(before))
        return sorted({key.partition("/")[0] for key in inner} - {""})

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def require_bounded(size: int, most: int, key: str) -> None:
    """Raise if a value is longer than it can need to be."""
    if size > most:
        raise SourceError(f"{key} in it has more than {most} bytes, which its chunk cannot need")


def _within(size: int, part: Range) -> tuple[int, int]:
    """Return where a part of so many bytes begins and ends."""
    begin, end = part
    begin = max(size + begin, 0) if begin < 0 else min(begin, size)
    return begin, size if end is None else max(min(end, size), begin)
