"""The .npy format: its header, held against the size of the file, and its values."""

from __future__ import annotations

import io
import math
import re
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from lucid.errors import SourceError
from lucid.stream.read.place import Place
from lucid.stream.read.pread import PreadArray, UrlArray, size_of
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.url import UrlStream
from lucid.stream.types import Array

MAGIC = npy.MAGIC_PREFIX
COMMON = MAGIC + b"\1\0"  # and the version that most have
OF_PYTHON_2 = re.compile(rb"\dL")  # a long integer
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
NOT_PIPED = {
    "HDF5": (0, b"\x89HDF"),
    "a zip file such as .npz or .pt": (0, b"PK"),
    "safetensors": (8, b"{"),
}  # and what they have where
MOST_HEADER_BYTES = 1 << 20  # NumPy refuses shorter ones already, but reads them first


class Header(NamedTuple):
    """What a .npy file says about its values."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """The size of all values; a Python int, which does not overflow."""
        return self.dtype.itemsize * math.prod(self.shape)


class Npy:
    """A .npy file: one array, without a name."""

    kind = ".npy"
    separator = "/"

    def __init__(self, path: Path, trust: bool) -> None:
        self._path, self._array = path, map_npy(path)

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format."""
        return start.startswith(MAGIC)

    def infos(self) -> list[ArrayInfo]:
        """Return what the file says about its array."""
        return [self.open(None).info]

    def open(self, name: str | None) -> Source:
        """Return the array.

        Raises
        ------
        SourceError
            If it is asked for by a name.
        """
        if name is not None:
            raise SourceError(f"{self._path} is a .npy file, without datasets; drop '::{name}'")
        return Source(str(self._path), self._path, self._array, self)

    def look(self, name: str | None) -> Source:
        """Return an array as `open` does."""
        return self.open(name)

    def again(self, name: str) -> Source:
        """Return the array: it has no name that it could be asked for by."""
        return self.open(name)

    def matching(self, pattern: str, place: str) -> dict[str, str]:
        """Return the names of arrays that match: there are none."""
        return {}

    def close(self) -> None:
        """Close the file; one that is mapped is unmapped with its last use."""
        if isinstance(self._array, PreadArray):
            self._array.close()


def read_header(stream: BinaryIO, name: str) -> Header:
    """Read a header; the stream is then at the first value.

    Raises
    ------
    SourceError
        If it is damaged, or speaks of Python objects.
    """
    try:
        version = npy.read_magic(stream)
        if version not in READERS:
            raise ValueError(f"version {version} of the format is not read")
        header = _understood(version, _header_bytes(stream, version))
    except Exception as error:  # NumPy evaluates what stands there, and that can fail in any way
        fact = (str(error) or type(error).__name__).partition("\n")[0]
        raise SourceError(f"{name} has no valid .npy header: {fact}") from error
    if header.dtype.itemsize == 0:
        raise SourceError(f"{name} has no valid .npy header: values of {header.dtype} have no size")
    if header.dtype.hasobject:
        raise SourceError(
            f"{name} holds pickled Python objects, which are never loaded; save numbers, as "
            "array.astype(float) has, and of arrays of several shapes each to its own file"
        )
    return header


@lru_cache(maxsize=64)  # of many files most have the same
def _understood(version: tuple[int, int], text: bytes) -> Header:
    """Return what a header says; raise if that is no array's."""
    with _silent_if(OF_PYTHON_2.search(text) is not None):
        header = Header(*READERS[version](io.BytesIO(text)))
    if any(type(length) is not int or length < 0 for length in header.shape):
        raise ValueError(f"its shape is {header.shape}")
    return header


def _silent_if(old: bool) -> AbstractContextManager[object]:
    """Ignore what NumPy says of old headers; that takes the warnings of other threads along."""
    return warnings.catch_warnings(action="ignore") if old else nullcontext()


def _header_bytes(stream: BinaryIO, version: tuple[int, int]) -> bytes:
    """Return a header and its length, which is held against what is reasonable before it is read.

    NumPy reads a header before it judges how long it is.
    """
    start = stream.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(start, "little")
    if length > MOST_HEADER_BYTES:
        raise ValueError(f"it would be {length} bytes long")
    return start + stream.read(length)


def map_npy(path: Path) -> Array | PreadArray:
    """Return the array of a file: mapped into memory, or read where that is refused.

    Raises
    ------
    SourceError
        If the header is damaged, or promises more than the file has.
    """
    with path.open("rb") as stream:
        header = read_header(stream, str(path))
        begin, held = stream.tell(), size_of(stream)
        if held - begin < header.nbytes:
            raise SourceError(
                f"{path} is truncated: its header promises {begin + header.nbytes} bytes, "
                f"it has {held}"
            )
        return FileValues(stream, str(path)).array(header, begin)


class FileValues:
    """The values in a file: mapped into memory all at once, or read where that cannot be."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name

    def array(self, header: Header, begin: int) -> Array | PreadArray:
        """Return the array that begins at a byte and ends within the file.

        Raises
        ------
        SourceError
            If NumPy has no array of such a shape.
        """
        shape, size = header.shape, header.nbytes
        try:
            if size == 0:  # nothing can be mapped
                return np.empty(shape, header.dtype)
            if isinstance(self._stream, UrlStream):
                return UrlArray(self._stream, begin, shape, header.dtype, header.fortran)
            values = self._mapped[begin : begin + size].view(header.dtype)
            return values.reshape(shape, order="F" if header.fortran else "C")
        except OSError:  # as on FUSE with direct I/O
            return PreadArray(self._stream, begin, shape, header.dtype, header.fortran)
        except (ValueError, TypeError, OverflowError) as error:
            raise SourceError(f"{self._name} has no valid header: {error}") from error

    @cached_property
    def _mapped(self) -> Array:
        mapped: Array = np.memmap(self._stream, np.uint8, "r")
        return mapped


def place_in_npy(start: bytes, held: int) -> Place | None:
    """Return where the values of a .npy file lie; None if that takes a closer look, as `Npy` does.

    Of many files most have the same header, which is then understood once.

    Parameters
    ----------
    start : bytes
        What the file begins with.
    held : int
        Bytes that it has.
    """
    begin = npy.MAGIC_LEN + 2 + int.from_bytes(start[8:10], "little")
    if not start.startswith(COMMON) or begin > len(start):
        return None
    place, end = _place_after(start[:begin])
    return place if end <= held else None


@lru_cache(maxsize=64)
def _place_after(header: bytes) -> tuple[Place | None, int]:
    """Return where the values are that follow a header, and where they end."""
    with suppress(SourceError):
        shape, fortran, dtype = read_header(io.BytesIO(header), "")
        place = Place(len(header), shape, dtype, fortran)
        return place, place.begin + place.nbytes
    return None, 0


class PipedNpy:
    """A .npy stream that is read once, forwards."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self._stream = stream
        start = stream.peek(9)[:9] if hasattr(stream, "peek") else b""
        for kind, (at, mark) in NOT_PIPED.items():
            if start[at:].startswith(mark):
                raise SourceError(f"{name} is {kind}, which must be a file: it cannot be piped in")
        self.header = read_header(stream, name)
        if self.header.fortran and len(self.header.shape) > 1:
            raise SourceError(f"{name} is in Fortran order, which cannot be read forwards")

    def read(self, shape: tuple[int, ...]) -> Array:
        """Return the next values."""
        values = np.empty(shape, self.header.dtype)
        wanted = values.reshape(-1).view(np.uint8).data
        filled = 0
        while filled < len(wanted):
            count = self._stream.readinto(wanted[filled:])  # type: ignore[attr-defined]
            if not count:
                raise SourceError(f"{self.name} ended before the values that its header promises")
            filled += count
        return values
