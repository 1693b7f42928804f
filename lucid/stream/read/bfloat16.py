"""The upper halves of float32 values, which NumPy has no dtype for: read as float32."""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple

import numpy as np

from lucid.stream.read.place import Place
from lucid.stream.read.placed import is_small
from lucid.stream.read.pread import read_at
from lucid.stream.types import Array

BFLOAT16 = "bfloat16"
HALVES = np.dtype("V2")  # what they are in formats that have no name for them


class Widened:
    """An array of bfloat16 as float32: `array[key]` reads a part.

    Parameters
    ----------
    halves : array
        Of two bytes each: unsigned, or without a kind, and then in little-endian order.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, halves: Any) -> None:
        self._halves, self.shape = halves, halves.shape

    def __getitem__(self, key: Any) -> Array:
        return widened(self._halves[key])


class Halves(NamedTuple):
    """How values are stored of which a file has the upper halves, of this dtype."""

    dtype: np.dtype[Any]

    @property
    def stored_as(self) -> str:
        """The kind of the values in the file."""
        return BFLOAT16

    def unpack(self, stream: BinaryIO, begin: int, values: Array) -> None:
        """Fill values (n,) with those of which the halves begin at a byte."""
        halves = np.empty(len(values), self.dtype)
        read_at(stream.fileno(), halves, begin)
        values[...] = widened(halves)


def place_of_halves(begin: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Place | None:
    """Return where values lie of which a file has the upper halves; None if they are many."""
    place = Place(begin, shape, np.dtype(np.float32), packed=Halves(dtype))
    return place if is_small(place.nbytes) else None


def widened(halves: Array) -> Array:
    """Return float32 values from their upper halves."""
    if halves.dtype.kind == "V":
        halves = halves.view("<u2")
    wide = halves.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)
