"""Zarr stores, folders or zip files, read by the zarr package where that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from lucid.errors import SourceError
from lucid.stream.read.bfloat16 import BFLOAT16, Widened
from lucid.stream.read.ids import id_in
from lucid.stream.read.missing import IF_TRUSTED
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.url import ROOTS, UNFINISHED, Url, is_store
from lucid.stream.read.words import WORDS, Said, fits
from lucid.stream.read.zarr_codecs import bound
from lucid.stream.read.zarr_keys import Folder, Keys, Zipped
from lucid.stream.read.zarr_url import Remote
from lucid.stream.read.zip_file import STARTS
from lucid.stream.types import Array

CHUNKS_AT_ONCE = 2  # that are read and unpacked
MOST_DEPTH = 16  # of groups in groups
MOST_COUNTED = 1 << 20  # chunks, of which zarr makes every name to see which are there
CODECS = {
    "bytes",
    "endian",
    "transpose",
    "sharding_indexed",
    "gzip",
    "zstd",
    "blosc",
    "crc32c",
    "zlib",
    "bz2",
    "lzma",
    "lz4",
    "lz4hc",
    "shuffle",
    "delta",
    "fixedscaleoffset",
    "scale_offset",
    "quantize",
    "bitround",
    "packbits",
    "astype",
    "cast_value",
    "crc32",
    "adler32",
    "fletcher32",
    "jenkins_lookup3",
    "vlen-utf8",
}  # that only transform bytes and numbers; numcodecs has others, which load Python objects


UNBOUNDED = {"zfpy", "pcodec"}  # that make as much as a chunk itself says: of trusted files only


class Zarr:
    """A zarr store, open."""

    kind = "zarr"
    separator = "/"

    def __init__(self, path: Path, trust: bool) -> None:
        self._path, self._trust = path, trust
        try:
            zarr: Any = import_module("zarr")
        except ImportError:
            raise SourceError(
                f"{path} is zarr, for which a package is needed: pip install 'lucid-roialign[zarr]'"
            ) from None
        except Exception as error:  # of a package that zarr needs
            raise SourceError(f"{path} is zarr, whose package does not load: {error}") from error
        self._keys = _keys_of(path, trust)
        if self._keys.has(UNFINISHED):
            self.close()
            raise SourceError(f"{path} is being written, or its writing was interrupted")
        store = import_module("lucid.stream.read.zarr_store").KeysStore(self._keys)
        self.halves: set[str] = store.halves
        self._group_type = zarr.Group
        self.few_at_once = partial(zarr.config.set, {"async.concurrency": CHUNKS_AT_ONCE})
        try:
            with _told_of(path):
                self._root = zarr.open(store=store, mode="r")
        except BaseException:
            self.close()
            raise

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a folder, or a file that begins with these bytes, is of this format."""
        if not start:
            return is_store(path)
        first = start[30 : 30 + int.from_bytes(start[26:28], "little")]
        if not start.startswith(STARTS) or first.endswith(b".npy"):
            return False
        try:
            keys = Zipped(path)
        except SourceError:
            return False
        found = any(keys.has(root) for root in ROOTS)
        keys.close()
        return found

    def infos(self) -> list[ArrayInfo]:
        """Return what the store says about its arrays, in the order of their names."""
        with _told_of(self._path):
            if not self._is_group(self._root):
                return [self.described(None, self._root)]
            members = self._root.members(max_depth=MOST_DEPTH)
            found = [(name, item) for name, item in members if not self._is_group(item)]
            return [
                self.described(name, item) for name, item in sorted(found, key=lambda one: one[0])
            ]

    def open(self, name: str | None) -> Source | None:
        """Return an array, None if there is none of this name.

        Raises
        ------
        SourceError
            If it is damaged, or made by codecs that are not known to be harmless.
        """
        item = self._item(name or "")
        if item is None or self._is_group(item):
            return None
        where = f"{self._path}::{name}" if name else str(self._path)
        with _told_of(where):
            _require_codecs(item.metadata.to_dict(), where, self._trust)
            self._keys.most = max(self._keys.most, bound(item))
            return ZarrSource(where, self._path, name, item, self)

    def look(self, name: str | None) -> Source | None:
        """Return an array as `open` does."""
        return self.open(name)

    def again(self, name: str) -> Source:
        """Return an array that was opened before."""
        found = self.open(name)
        if found is None:
            raise SourceError(f"{self._path} has no {name!r} any more")
        return found

    def matching(self, pattern: str, place: str) -> dict[str, str]:
        """Return names that match, of arrays or not, by what stands for `place` in them."""
        parts = [part for part in pattern.split("/") if part]
        level = next(k for k, part in enumerate(parts) if place in part)
        found = {}
        for key in self._keys.beside("/".join(parts[:level])):
            inner = id_in(key, parts[level], place)
            if inner is not None and key not in ROOTS:
                below = [part.replace(place, inner) for part in parts[level + 1 :]]
                found[inner] = "/".join([*parts[:level], key, *below])
        return found

    def said_in(self, group: str) -> Said:
        """Return the words of a group's attributes and small arrays, and of the store's."""
        parent = self._item(group)
        said: dict[str, Any] = {}
        for word in WORDS:
            source = self.open(f"{group}/{word}" if group else word)
            if source is not None and fits(word, source.shape, source.dtype):
                said[word] = source[...]
        return {**said_by(self._root), **said, **said_by(parent)}

    def described(self, name: str | None, item: Any) -> ArrayInfo:
        """Return what the store says about an array."""
        codecs = [each for each in _codecs(item.metadata.to_dict()) if each in PACKERS]
        is_half = item.path in self.halves
        return ArrayInfo(
            dataset=name,
            shape=item.shape,
            dtype=Widened.dtype if is_half else item.dtype,
            chunks=item.shards or item.chunks,
            compression=", ".join(codecs) or None,
            stored_as=BFLOAT16 if is_half else "",
        )

    def close(self) -> None:
        """Close the store."""
        self._keys.close()

    def _is_group(self, item: Any) -> bool:
        return isinstance(item, self._group_type)

    def _item(self, name: str) -> Any:
        """Return an array or a group, None if there is none."""
        with _told_of(f"{self._path}::{name}"):
            return self._root.get(name) if name and self._is_group(self._root) else self._root


class ZarrSource(Source):
    """An open array."""

    def __init__(self, where: str, path: Path, name: str | None, item: Any, store: Zarr) -> None:
        super().__init__(where, path, Widened(item) if item.path in store.halves else item, store)
        self._name, self._item, self._store = name, item, store

    @cached_property
    def info(self) -> ArrayInfo:
        """What the store says about the array."""
        with _told_of(self.name):
            return self._store.described(self._name, self._item)

    @property
    def missing_chunks(self) -> int:
        """How many chunks were never written, and read as zeros or what the store says."""
        if isinstance(self.path, Url):  # where to list them may take long, or is not possible
            return 0
        with _told_of(self.name):
            if self._item.nchunks > MOST_COUNTED:
                return 0
            missing: int = self._item.nchunks - self._item.nchunks_initialized
        return missing

    def __getitem__(self, key: Any) -> Array:
        with self._store.few_at_once():
            return super().__getitem__(key)

    def said(self) -> tuple[Said, Said]:
        """Return the words of the array's attributes, and those of its group and store."""
        group = (self._name or "").rpartition("/")[0]
        return said_by(self._item), self._store.said_in(group) if self._name else {}


def _keys_of(path: Path, trust: bool) -> Keys:
    """Return what gives the values of a store."""
    if isinstance(path, Url):  # servers do not always tell a file from a folder
        return Remote(path) if is_store(path) else Zipped(path)
    return Folder(path, trust) if path.is_dir() else Zipped(path)


def said_by(item: Any) -> Said:
    """Return the words among the attributes of an array or a group."""
    return {word: item.attrs[word] for word in WORDS if word in item.attrs}


PACKERS = {"gzip", "zstd", "blosc", "zlib", "bz2", "lzma", "lz4", "zfpy", "pcodec"}


def _codecs(about: Any) -> Iterator[str]:
    """Yield the codecs of an array's metadata, those of formats 2 and 3, within others as well."""
    for key in ("codecs", "index_codecs", "filters", "compressor"):
        listed = about.get(key) or ()
        for codec in listed if isinstance(listed, (list, tuple)) else (listed,):
            yield str(codec.get("name", codec.get("id"))).removeprefix("numcodecs.")
            yield from _codecs(codec.get("configuration") or {})


def _require_codecs(about: Any, where: str, trust: bool) -> None:
    """Raise if an array is made by codecs that are not known to be harmless."""
    used = list(_codecs(about))
    unknown = [codec for codec in used if codec not in CODECS | UNBOUNDED]
    if unknown:
        raise SourceError(f"{where} is stored with codec {unknown[0]!r}, which is not read")
    unbounded = [codec for codec in used if codec in UNBOUNDED]
    if unbounded and not trust:
        raise SourceError.advising(
            f"{where} is stored with codec {unbounded[0]!r}, of which nobody says how much it "
            "unpacks to",
            IF_TRUSTED,
        )


@contextmanager
def _told_of(where: str | Path) -> Iterator[None]:
    """Turn whatever zarr raises into an error about a damaged store."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        fact = (str(error) or type(error).__name__).partition("\n")[0]
        raise SourceError(f"{where} cannot be read as zarr: {fact}") from error
