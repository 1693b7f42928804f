"""Arrays in files that the system does not map into memory: parts are read when asked for."""

from __future__ import annotations

import math
import os
from typing import Any, BinaryIO

import numpy as np

from lucid.errors import SourceError
from lucid.stream.types import Array


class PreadArray:
    """An array in a file: `array[key]` reads a part.

    A key has slices, at most one of them with a step, whole numbers, and nothing else. All that
    lies in one piece is read at once: of a part of a map, whole rows channel by channel, from which
    columns are cut.
    """

    def __init__(
        self,
        stream: BinaryIO,
        begin: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        fortran: bool,
    ) -> None:
        self._file = os.dup(stream.fileno())
        self._begin, self.shape, self.dtype = begin, shape, dtype
        self._order = -1 if fortran else 1  # in which the axes are stored

    def __getitem__(self, key: Any) -> Array:
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *[slice(None)] * (len(self.shape) - len(keys)))
        ranges = [
            range(length)[each if isinstance(each, slice) else slice(each, each + 1)]
            for each, length in zip(keys, self.shape, strict=True)
        ]
        part = self._read(ranges[:: self._order], self.shape[:: self._order])
        numbers = tuple(slice(None) if isinstance(each, slice) else 0 for each in keys)
        return part.transpose(range(part.ndim)[:: self._order])[numbers]

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def __del__(self) -> None:
        self.close()

    def _read(self, ranges: list[range], shape: tuple[int, ...]) -> Array:
        part = np.empty([len(each) for each in ranges], self.dtype)
        if not part.size:
            return part
        cut = max((k for k, each in enumerate(ranges) if len(each) < shape[k]), default=0)
        axis = min(cut, max(len(shape) - 2, 0))  # from which on a piece is read at once
        axis += ranges[axis].step > 1
        inner = tuple(slice(each.start, each.stop, each.step) for each in ranges[axis + 1 :])
        for outer in np.ndindex(part.shape[:axis]):
            first = [each[k] for each, k in zip(ranges[:axis], outer, strict=True)]
            place = np.ravel_multi_index([*first, ranges[axis].start], shape[: axis + 1])
            piece = self._piece(int(place), (len(ranges[axis]), *shape[axis + 1 :]))
            part[outer] = piece[(slice(None), *inner)]
        return part

    def _piece(self, place: int, shape: tuple[int, ...]) -> Array:
        """Return what is stored from a place on; that is counted in units of a row of the shape."""
        piece = np.empty(shape, self.dtype)
        position = self._begin + place * self.dtype.itemsize * math.prod(shape[1:])
        read_at(self._file, piece.reshape(-1), position)
        return piece


def read_at(file: int, values: Array, position: int) -> None:
    """Fill a contiguous array (n,) with what stands in a file from a position on."""
    wanted = values.view(np.uint8).data
    while len(wanted):
        count = os.preadv(file, [wanted], position)
        if not count:
            raise SourceError("the file has become shorter")
        wanted, position = wanted[count:], position + count
