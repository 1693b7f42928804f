"""Arrays in files that are not mapped into memory: parts are read when asked for."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from lucid.errors import SourceError
from lucid.stream.read.place import Ends
from lucid.stream.read.url import UrlStream
from lucid.stream.types import Array

GAP_BYTES = 256 << 10  # in a file with a URL: to read up to so many takes less time than to ask
SPAN_BYTES = 8 << 20  # that are read at once there, with gaps


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
        places = np.ravel_multi_index(
            np.ix_(*ranges[:axis], [ranges[axis].start]), shape[: axis + 1]
        ).reshape(-1)
        row_bytes = self.dtype.itemsize * math.prod(shape[axis + 1 :])
        positions = (self._begin + places * row_bytes).tolist()
        pieces = self._pieces(positions, len(ranges[axis]) * row_bytes)
        for outer, piece in zip(np.ndindex(part.shape[:axis]), pieces, strict=True):
            rows = piece.view(self.dtype).reshape(len(ranges[axis]), *shape[axis + 1 :])
            part[outer] = rows[(slice(None), *inner)]
        return part

    def _pieces(self, positions: Sequence[int], size: int) -> Iterator[Array]:
        """Yield so many bytes of the file from each position on; the positions ascend."""
        for position in positions:
            piece = np.empty(size, np.uint8)
            read_at(self._file, piece, position)
            yield piece


class UrlArray(PreadArray):
    """An array in a file that has a URL: pieces that are close to each other are read at once."""

    def __init__(
        self,
        stream: UrlStream,
        begin: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        fortran: bool,
    ) -> None:
        self._stream, self._file = stream, -1
        self._begin, self.shape, self.dtype = begin, shape, dtype
        self._order = -1 if fortran else 1

    def _pieces(self, positions: Sequence[int], size: int) -> Iterator[Array]:
        """Yield so many bytes of the file from each position on; the positions ascend."""
        for some in _close(positions, size):
            span = self._span(some[0], some[-1] + size)
            for position in some:
                yield span[position - some[0] : position - some[0] + size]

    def _span(self, begin: int, end: int) -> Array:
        """Return what stands between two positions."""
        span = np.empty(end - begin, np.uint8)
        for at in range(begin, end, SPAN_BYTES):  # so that what comes in is not held as a whole
            some = self._stream.pread(min(SPAN_BYTES, end - at), at)
            span[at - begin : at - begin + len(some)] = np.frombuffer(some, np.uint8)
        return span


def _close(positions: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yield positions of pieces together that are worth to be read at once."""
    begin = 0
    for k, (before, this) in enumerate(pairwise([*positions, math.inf]), 1):
        gap = this - before - size
        if gap > GAP_BYTES or this + size - positions[begin] > SPAN_BYTES:
            yield positions[begin:k]
            begin = k


def size_of(stream: BinaryIO | UrlStream | Ends) -> int:
    """Return the size of an open file."""
    return (
        stream.size if isinstance(stream, UrlStream | Ends) else os.fstat(stream.fileno()).st_size
    )


def pread(stream: BinaryIO | UrlStream | Ends, count: int, position: int) -> bytes:
    """Return bytes of an open file from a position on, fewer where it ends."""
    if isinstance(stream, UrlStream | Ends):
        return stream.pread(count, position)
    return os.pread(stream.fileno(), count, position)


def read_at(file: int, values: Array, position: int) -> None:
    """Fill a contiguous array (n,) with what stands in a file from a position on."""
    wanted = values.view(np.uint8).data
    while len(wanted):
        count = os.preadv(file, [wanted], position)
        if not count:
            raise SourceError("the file has become shorter")
        wanted, position = wanted[count:], position + count
