"""Which rows of a table: one bit for each, so that a billion of them take 125 MB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.stream.types import Rows

STEP = 1 << 16  # bytes that are unpacked at once
ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)  # in a byte


class RowSet:
    """Some of `total` rows from row `first` on; that is the highest bit of the first byte.

    Examples
    --------
    >>> rows = RowSet(20)
    >>> rows.add(np.array([0, 9, 10]))
    >>> rows[8:11].tolist(), rows.count(), rows.bits.tolist()
    ([False, True, True], 3, [128, 96, 0])
    """

    def __init__(self, total: int, bits: NDArray[np.uint8] | None = None, first: int = 0) -> None:
        self.total, self.first = total, first
        self.bits = np.zeros(bytes_for(total), np.uint8) if bits is None else bits

    @classmethod
    def all_but(cls, total: int, rows: Rows | None = None, first: int = 0) -> RowSet:
        """Return all rows but some, which ascend."""
        some = cls(total, first=first)
        if rows is not None:
            some.add(rows)
        np.invert(some.bits, out=some.bits)
        if total % 8:
            some.bits[-1] &= 256 - (256 >> total % 8)
        return some

    def is_of_rows_of(self, other: RowSet) -> bool:
        """Return whether it is about the same rows as another set."""
        return (self.total, self.first) == (other.total, other.first)

    def __getitem__(self, part: slice) -> NDArray[np.bool_]:
        """Return of a run of rows which are in the set."""
        start, stop = part.start - self.first, part.stop - self.first
        bits = np.unpackbits(self.bits[start // 8 : bytes_for(stop)])
        return bits[start % 8 :][: stop - start].view(np.bool_)

    def having(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which of some rows are in the set."""
        places = rows - self.first
        found: NDArray[np.bool_] = (self.bits[places >> 3] & np.right_shift(128, places & 7)) != 0
        return found

    def add(self, rows: Rows) -> None:
        """Put rows, which ascend, into the set."""
        if len(rows):
            places = rows - self.first
            at, masks = places >> 3, np.right_shift(128, places & 7).astype(np.uint8)
            starts = np.flatnonzero(np.diff(at, prepend=-1))
            self.bits[at[starts]] |= np.bitwise_or.reduceat(masks, starts)

    def count(self) -> int:
        """Return how many rows are in the set."""
        steps = range(0, len(self.bits), STEP)
        return sum(int(ONES[self.bits[start : start + STEP]].sum()) for start in steps)

    def any(self) -> bool:
        """Return whether any row is in the set."""
        return bool(self.bits.any())

    def of_bytes(self, start: int, stop: int) -> Iterator[Rows]:
        """Yield the rows of some bytes that are in the set, some at a time."""
        for begin in range(start, min(stop, len(self.bits)), STEP):
            bits = np.unpackbits(self.bits[begin : min(begin + STEP, stop)])
            yield np.flatnonzero(bits) + (self.first + 8 * begin)


def bytes_for(rows: int) -> int:
    """Return how many bytes one bit for each row takes."""
    return -(-rows // 8)


def runs_of(flags: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Yield the runs of flags that are set, each from its first to behind its last.

    Examples
    --------
    >>> list(runs_of(np.array([1, 1, 0, 1])))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).tolist()
    yield from zip(edges[::2], edges[1::2], strict=True)
