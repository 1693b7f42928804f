"""Files that have URLs, which fsspec reads where it is installed: on other machines, mostly.

They are read in ranges. Of small ones, such as headers have, a few blocks are kept.
"""

from __future__ import annotations

import glob
import io
import os
import re
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib import import_module
from pathlib import Path, PosixPath
from threading import Lock
from types import SimpleNamespace
from typing import Any

from lucid.errors import LucidError, SourceError
from lucid.stream.checks import ZARR_SUFFIX, PathLike, is_url

BLOCK_BYTES, BLOCKS = 256 << 10, 16  # of a block, and how many are kept
TAGS = ("ETag", "etag", "md5Hash", "crc32c", "Content-MD5", "content_md5", "generation")
TIMES = ("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "created")
ROOTS = ("zarr.json", ".zgroup", ".zarray")  # one of which a folder has that is a zarr store
UNFINISHED = "unfinished"  # what a store has while it is written at a URL
LEADS_AWAY = ("reference", "simplecache", "filecache", "blockcache")


class Url(PosixPath):
    """A path by which fsspec knows a file or a folder; it is asked in place of the system."""

    def __str__(self) -> str:
        protocol, _, rest = super().__str__().partition(":/")
        return f"{protocol}://{'/' * (protocol in {'file', 'local'})}{rest}"

    @property
    def suffix(self) -> str:
        """The ending of the name, without a query."""
        return PosixPath(self.name.partition("?")[0]).suffix

    @cached_property
    def _known(self) -> tuple[Any, str]:
        """The file system, and what it calls this."""
        protocol = str(self).partition("://")[0]
        if protocol in LEADS_AWAY:
            raise SourceError(f"{self} cannot be opened: what {protocol}:// leads to is not read")
        try:
            fsspec: Any = import_module("fsspec.core")
        except ImportError:
            raise SourceError(
                f"{self} is a URL, for which a package is needed: "
                "pip install 'lucid-roialign[fsspec]'"
            ) from None
        try:
            system, path = fsspec.url_to_fs(str(self))
        except (ImportError, ValueError) as error:  # a package that is missing, or no such protocol
            raise SourceError(f"{self} cannot be opened: {error}") from error
        return system, path

    def _ask(self, what: str, *given: Any, **options: Any) -> Any:
        """Return what a method of the file system answers about this."""
        system, path = self._known
        with told_of(self):
            return getattr(system, what)(path, *given, **options)

    def open(self, mode: str = "r", *_: Any, encoding: str | None = None, **given: Any) -> Any:
        """Open the file for reading, as text where an encoding is given."""
        stream = UrlStream(self)
        if encoding is None:
            return stream
        return io.TextIOWrapper(io.BufferedReader(stream), encoding, **given)

    def stat(self, **_: Any) -> Any:
        """Return the size, the time, and what tells the contents from others, where it is said."""
        info = self._ask("info")
        return SimpleNamespace(
            st_size=info.get("size"), st_mtime_ns=_nanoseconds(info), tag=_tag_of(info)
        )

    @property
    def _is_web(self) -> bool:
        """Whether all there is are pages, of which only heads are asked for: they may be large."""
        return str(self).startswith(("http:", "https:"))

    def exists(self, **_: Any) -> bool:
        """Return whether there is anything."""
        if not self._is_web:
            return bool(self._ask("exists"))
        try:
            return bool(self._ask("info"))
        except FileNotFoundError:
            return False

    def is_file(self, **_: Any) -> bool:
        """Return whether this is a file."""
        return self.exists() if self._is_web else bool(self._ask("isfile"))

    def is_dir(self, **_: Any) -> bool:
        """Return whether this is a folder; of the web, whether it is a zarr store."""
        if self._is_web:
            return self.suffix in {"", ZARR_SUFFIX} and is_store(self)
        return bool(self._ask("isdir"))

    def iterdir(self) -> Generator[Url, None, None]:
        """Yield what is in the folder, by name."""
        names = {name.rstrip("/").rpartition("/")[2] for name in self._ask("ls", detail=False)}
        return (self / name for name in sorted(names))

    def files(self) -> dict[str, dict[str, Any]]:
        """Return what is said of each file in the folder, by its path from there on."""
        before = self._known[1].rstrip("/")
        found = self._ask("find", detail=True)
        return {name.removeprefix(before).lstrip("/"): info for name, info in found.items()}

    def read_part(self, begin: int, end: int | None) -> bytes:
        """Return a part of the file; where it begins may be counted from its end."""
        data: bytes = self._ask("cat_file", start=begin, end=end)
        if end is not None and len(data) > end - begin:
            raise OSError("its server does not answer ranges; copy it first")
        return data

    def write_bytes(self, data: Any) -> int:
        """Write a small file; where there are folders, also that which it is in."""
        try:
            self._ask("pipe_file", bytes(data))
        except FileNotFoundError:
            self.parent.mkdir(exist_ok=True)
            self._ask("pipe_file", bytes(data))
        return len(data)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make the folder; that makes no bucket of an object store, whose name may be mistaken."""
        with suppress(*[FileExistsError] * exist_ok):
            self._ask("mkdir", create_parents=parents)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file."""
        self._ask("rm_file")

    def upload(self, files: Mapping[str, Path]) -> None:
        """Copy files into the folder, each under its name, all at once where that is possible."""
        system, path = self._known
        names = [str(file) for file in files.values()], [f"{path}/{name}" for name in files]
        with told_of(self):
            try:
                system.put(*names)
            except FileNotFoundError:
                for folder in sorted({(self / name).parent for name in files}):
                    folder.mkdir(exist_ok=True)
                system.put(*names)


class UrlStream(io.RawIOBase):
    """A file that is read in ranges, by one thread at a time.

    It goes on reading when it is closed, for arrays are read when they are needed.
    """

    def __init__(self, url: Url) -> None:
        self._url, self._lock, self._at = url, Lock(), 0
        self._file = url._ask("open", "rb", block_size=BLOCK_BYTES, cache_type="none")
        size = getattr(self._file, "size", None)
        if size is None:
            raise OSError("its server does not answer ranges; copy it first")
        self.size = int(size)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()  # the last used last

    def __repr__(self) -> str:
        return str(self._url)  # which HDF5 takes for the name of the file

    def pread(self, count: int, at: int) -> bytes:
        """Return bytes from a position on, fewer only where the file ends."""
        end = min(at + count, self.size)
        if end - at >= BLOCK_BYTES:
            return self._fetched(at, end)
        numbers = range(at // BLOCK_BYTES, -(-end // BLOCK_BYTES))
        begin = numbers.start * BLOCK_BYTES
        return b"".join(map(self._block, numbers))[at - begin : max(end - begin, 0)]

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            begin = number * BLOCK_BYTES
            if len(self._blocks) == BLOCKS:
                self._blocks.popitem(last=False)
            self._blocks[number] = self._fetched(begin, min(begin + BLOCK_BYTES, self.size))
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetched(self, begin: int, end: int) -> bytes:
        with self._lock, told_of(self._url):
            self._file.seek(begin)
            data: bytes = self._file.read(end - begin)
        if len(data) != end - begin:
            raise OSError("it has become shorter")
        return data

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next, and return how much that is."""
        wanted = memoryview(buffer).cast("B")
        data = self.pread(len(wanted), self._at)
        wanted[: len(data)] = data
        self._at += len(data)
        return len(data)


def as_path(path: PathLike) -> Path:
    """Return the path that a text is, or the URL."""
    return Url(path) if is_url(path) else Path(path)


def is_store(folder: Path) -> bool:
    """Return whether a folder is a zarr store, or one that is being written."""
    begun = [UNFINISHED] if folder.suffix == ZARR_SUFFIX else []
    return any((folder / name).is_file() for name in (*ROOTS, *begun))


def globbed(pattern: str) -> list[str]:
    """Return the files that a pattern with wildcards means."""
    if not is_url(pattern):
        return glob.glob(pattern, recursive=True)  # noqa: PTH207 - paths stay as written
    url = Url(pattern)
    return [url._known[0].unstrip_protocol(path) for path in url._ask("glob")]


def without_secrets(url: Url) -> str:
    """Return a URL without what may be secret in it: user, password, and signature."""
    return re.sub("://[^/@]*@", "://", str(url).partition("?")[0])


@contextmanager
def told_of(url: Url) -> Iterator[None]:
    """Turn whatever a file system raises into what the system raises of a file."""
    try:
        yield
    except (LucidError, OSError):
        raise
    except Exception as error:
        fact = (str(error) or type(error).__name__).partition("\n")[0]
        raise OSError(f"{type(error).__name__}: {fact}") from error


def fact_of(info: dict[str, Any]) -> str:
    """Return what tells a file from others."""
    return f"{info.get('size')} {_tag_of(info)}"


def _tag_of(info: dict[str, Any]) -> str:
    """Return what tells a file from others of its size, empty if nothing does."""
    there = [str(info[name]) for name in TAGS if info.get(name)]
    return ",".join(there or [str(info[name]) for name in TIMES if info.get(name)][:1])


def _nanoseconds(info: dict[str, Any]) -> int:
    """Return when a file was last modified, 0 where that is not said as a number or a date."""
    time = next((info[name] for name in TIMES if info.get(name)), 0)
    seconds = time.timestamp() if hasattr(time, "timestamp") else time
    return int(seconds * 1e9) if isinstance(seconds, (int, float)) else 0
