"""What identifies an input wherever it lies: a fingerprint of the contents of its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from lucid.errors import SourceError
from lucid.stream.checks import PathLike

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

    def fingerprint(self) -> str:
        """Return what changes when the contents do; see `fingerprint`."""
        if self.path is None:
            return fingerprint_of_array(self.values)
        if self.files or self.path.is_dir():
            return fingerprint_of_many(self._all_files())
        return fingerprint(self.path)

    def modified(self) -> int:
        """Return when the file, or one of the files, was last modified, in nanoseconds."""
        return max((os.stat(path).st_mtime_ns for path in self._all_files()), default=0)  # noqa: PTH116

    def _all_files(self) -> list[PathLike]:
        """Return the files that are there, with those of folders."""
        found: list[PathLike] = []
        for path in self.files or ((self.path,) if self.path else ()):
            found += sorted(Path(path).rglob("*")) if os.path.isdir(path) else [path]  # noqa: PTH112
        return [path for path in found if os.path.isfile(path)]  # noqa: PTH113


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


def fingerprint_of_array(values: Any) -> str:
    """Return a text that changes with the values of an array."""
    digest = blake2b(digest_size=16)
    for part in values if values.ndim else [values]:
        digest.update(memoryview(part.tobytes()))
    return f"whole:{values.nbytes}:{digest.hexdigest()}"


def fingerprint_of_many(paths: Sequence[PathLike]) -> str:
    """Return a text that changes with the number, the sizes or the contents of files.

    Of each it tells the size and two blocks of 4 KiB, the first and the last; or that it is not
    there.
    """
    digest, whole = blake2b(digest_size=16), True
    for path in paths:
        try:
            file = os.open(path, os.O_RDONLY)  # a `Path` takes longer than all that is read
        except FileNotFoundError:
            digest.update(b"\xff" * 8)
            continue
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
        try:
            size = os.fstat(file).st_size
            whole &= size <= 2 * SMALL_BLOCK_BYTES
            digest.update(size.to_bytes(8, "little"))
            for start in (0, max(size - SMALL_BLOCK_BYTES, 0)):
                digest.update(os.pread(file, SMALL_BLOCK_BYTES, start))
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
        finally:
            os.close(file)
    return f"{'whole' if whole else SAMPLED}:{len(paths)} files:{digest.hexdigest()}"
