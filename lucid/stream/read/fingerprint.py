"""What identifies an input wherever it lies: a fingerprint of the contents of its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from lucid.errors import SourceError
from lucid.stream.checks import PathLike, is_url
from lucid.stream.read.place import Ends
from lucid.stream.read.url import ROOTS, Url, UrlStream, as_path, fact_of

BLOCKS, BLOCK_BYTES = 64, 64 << 10  # that stand for a file; smaller ones are read as a whole
SMALL_BLOCK_BYTES = 4 << 10  # of each of many files
SAMPLED = "sample"


class Input(NamedTuple):
    """An array that a run reads."""

    role: str  # the option that names it
    path: Path | None  # None if it is in memory
    dataset: str | None
    shape: tuple[int, ...]
    dtype: str
    files: tuple[PathLike, ...] = ()  # where it is several, as one for each image
    several: bool = False  # whether those are what the option names
    values: Any = None  # where it is in memory
    taken: FilesSeen | None = None  # down, of several files when they were opened

    def fingerprint(self) -> str:
        """Return what changes when the contents do; see `fingerprint`."""
        if self.path is None:
            return fingerprint_of_array(self.values)
        if self.taken:
            return self.taken.text()
        if self.files:
            return fingerprint_of_many(self._all_files())
        if isinstance(self.path, Url):
            return fingerprint_of_url(self.path)
        if self.path.is_dir():
            return fingerprint_of_many(self._all_files())
        return fingerprint(self.path)

    def modified(self) -> int:
        """Return when the file, or one of the files, was last modified, in nanoseconds."""
        if self.taken:
            return self.taken.modified
        there = [path for path in map(as_path, self._all_files()) if path.exists()]
        return max((path.stat().st_mtime_ns for path in there), default=0)

    def seen(self) -> tuple[int, int]:
        """Return the size of the file, or of all files, and when one was last modified.

        Of a folder, which may hold very many, neither is looked at.
        """
        states = [os.stat(path) for path in self._top_files() if os.path.isfile(path)]  # noqa: PTH113, PTH116
        newest = max((state.st_mtime_ns for state in states), default=0)
        return sum(state.st_size for state in states), newest

    def _top_files(self) -> tuple[PathLike, ...]:
        return self.files or ((self.path,) if self.path else ())

    def _all_files(self) -> list[PathLike]:
        """Return the files, with those of folders; one of an image need not be there."""
        found: list[PathLike] = []
        for path in self._top_files():
            is_folder = os.path.isdir(path)  # noqa: PTH112
            within = sorted(Path(path).rglob("*")) if is_folder else []
            found += [each for each in within if each.is_file()] if is_folder else [path]
        return found


def fingerprint(path: Path) -> str:
    """Return a text that changes with the contents of a file, but not with its name or times.

    Of a file of more than 4 MiB it tells the size and 64 blocks, spread evenly from its first byte
    to its last; so it takes milliseconds, and misses changes that lie between them all.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            whole = size <= BLOCKS * BLOCK_BYTES
            room = size - BLOCK_BYTES
            starts = [0] if whole else [k * room // (BLOCKS - 1) for k in range(BLOCKS)]
            digest = blake2b(digest_size=16)
            for start in starts:
                digest.update(os.pread(stream.fileno(), size if whole else BLOCK_BYTES, start))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return f"{'whole' if whole else SAMPLED}:{size}:{digest.hexdigest()}"


def fingerprint_of_url(url: Url) -> str:
    """Return a text that changes when a store says that a file, or one in a folder, has changed.

    Of a file of which the store says but the size, the first and the last bytes are read; of a
    folder that it does not list, what says that it is one of zarr.
    """
    try:
        is_folder = url.is_dir()
        if is_folder and (listed := url.files()):
            facts = [f"{name} {fact_of(info)}" for name, info in sorted(listed.items())]
        elif not is_folder and url.is_file():
            about = url.stat()
            facts = [f"{about.st_size} {about.tag or _ends_of(url)}"]
        else:
            facts = [f"{root} {_ends_of(url / root)}" for root in ROOTS if (url / root).is_file()]
    except OSError as error:
        raise SourceError(f"{url} cannot be read: {error}") from error
    return f"url:{blake2b(repr(facts).encode(), digest_size=16).hexdigest()}"


def _ends_of(url: Url) -> str:
    """Return what a file begins and ends with, as a number."""
    stream: UrlStream = url.open()
    last = max(stream.size - BLOCK_BYTES, 0)
    ends = stream.pread(BLOCK_BYTES, 0) + stream.pread(BLOCK_BYTES, last)
    return blake2b(ends, digest_size=16).hexdigest()


def fingerprint_of_array(values: Any) -> str:
    """Return a text that changes with the values of an array."""
    digest = blake2b(digest_size=16)
    for part in values if values.ndim else [values]:
        digest.update(memoryview(part.tobytes()))
    return f"whole:{values.nbytes}:{digest.hexdigest()}"


class FilesSeen:
    """What makes the fingerprint of many files, taken down file by file."""

    def __init__(self) -> None:
        self._digest, self._whole, self.count = blake2b(digest_size=16), True, 0
        self.modified = 0  # when one of them last was, in nanoseconds

    def look(self, path: PathLike) -> Ends | None:
        """Take down a file; return its size, and the 4 KiB that it begins and ends with.

        None if it is not there, which is taken down as well.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            self.add_text("")
            return None
        try:
            return self._add(file)
        finally:
            os.close(file)

    def _add(self, file: int) -> Ends:
        state = os.fstat(file)
        size = state.st_size
        start = os.pread(file, SMALL_BLOCK_BYTES, 0)
        end = os.pread(file, SMALL_BLOCK_BYTES, max(size - SMALL_BLOCK_BYTES, 0))
        self._whole &= size <= 2 * SMALL_BLOCK_BYTES
        self._digest.update(size.to_bytes(8, "little") + start + end)
        self.modified = max(self.modified, state.st_mtime_ns)
        self.count += 1
        return Ends(start, size, end)

    def add_text(self, known: str) -> None:
        """Take down the fingerprint of a file, or that it is not there."""
        self._digest.update(known.encode() or b"\xff" * 8)
        self.count += 1

    def text(self) -> str:
        """Return the fingerprint."""
        kind = "whole" if self._whole else SAMPLED
        return f"{kind}:{self.count} files:{self._digest.hexdigest()}"


def fingerprint_of_many(paths: Sequence[PathLike]) -> str:
    """Return a text that changes with the number, the sizes or the contents of files.

    Of each it tells the size and two blocks of 4 KiB, the first and the last; or that it is not
    there.
    """
    seen = FilesSeen()
    for path in paths:
        if is_url(path):
            seen.add_text(fingerprint_of_url(Url(path)) if Url(path).exists() else "")
            continue
        try:
            seen.look(path)
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return seen.text()
