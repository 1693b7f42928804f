"""Where an array lies that is in one piece in a file, and which bytes say so."""

from __future__ import annotations

import math
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from lucid.stream.types import Array


class Packed(Protocol):
    """How the values of an array are packed."""

    @property
    def stored_as(self) -> str:
        """What `ArrayInfo` has of the same name."""

    def unpack(self, stream: BinaryIO, begin: int, values: Array) -> None:
        """Fill values (n,) with what begins at a byte of an open file."""


class Place(NamedTuple):
    """Where the values of an array begin in a file, and what they are."""

    begin: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool = False
    packed: Packed | None = None

    @property
    def nbytes(self) -> int:
        """The size of all values; a Python int, which does not overflow."""
        return self.dtype.itemsize * math.prod(self.shape)


class Ends(NamedTuple):
    """What a file begins and ends with, and its size."""

    start: bytes
    size: int
    end: bytes = b""

    def between(self, begin: int, end: int) -> bytes:
        """Return bytes of the file from one position to another; none if they are not known."""
        if end <= len(self.start):
            return self.start[begin:end]
        known = self.size - len(self.end)
        return self.end[begin - known : end - known] if begin >= known else b""

    def pread(self, count: int, position: int) -> bytes:
        """Return bytes as a file does; raise a ValueError if they are not known."""
        end = min(position + count, self.size)
        found = self.between(position, end)
        if len(found) < end - position:
            raise ValueError(f"bytes {position} to {end} are not known")
        return found

    def close(self) -> None:
        """Do nothing: the file is not open."""


class Span(NamedTuple):
    """Bytes of a file, by their position in it."""

    begin: int
    data: bytes
    free: tuple[tuple[int, int], ...] = ()  # from where to where they say nothing of interest
    stems: tuple[int, ...] = ()  # where the name of the file stands in them

    @property
    def end(self) -> int:
        """Where they end."""
        return self.begin + len(self.data)
