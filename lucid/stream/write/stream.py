"""Crops as a .npy stream on standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import BinaryIO, Self

import numpy as np

from lucid.errors import SinkError
from lucid.stream.row_set import RowSet
from lucid.stream.types import Array, Rows
from lucid.stream.write import temporary
from lucid.stream.write.layout import Layout
from lucid.stream.write.npy import write_npy_header
from lucid.stream.write.rows import write_rows


class StreamSink:
    """A .npy stream on standard output, in the order of rows.

    Rows that are ready too early wait in a temporary file, which exists only if there are any.
    """

    def __init__(self, layout: Layout, done: RowSet) -> None:
        self._layout, self._done = layout, done  # what was done, or needs no work
        if sys.stdout is None:
            raise SinkError("standard output is closed")
        self._out: BinaryIO = sys.stdout.buffer
        self._next = 0
        self._early: BinaryIO | None = None

    def __enter__(self) -> Self:
        write_npy_header(self._out, self._layout.shape, self._layout.dtype)
        self._forward()
        return self

    def write(self, rows: Rows, crops: Array) -> None:
        """Send crops (k, C, PH, PW) if it is their turn, and what waited for them."""
        self._done.add(rows)
        if len(rows) and rows[0] == self._next and rows[-1] - rows[0] == len(rows) - 1:
            self._send(crops)
            self._next += len(rows)
        else:
            self._keep(rows, crops)
        self._forward()

    def _keep(self, rows: Rows, crops: Array) -> None:
        """Put rows aside until it is their turn."""
        with temporary.errors():
            if self._early is None:
                self._early = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
            write_rows(self._early.fileno(), 0, rows, crops)

    def _forward(self) -> None:
        """Send the rows whose turn it is now."""
        size, step = self._layout.row_bytes, max((1 << 20) // max(self._layout.row_bytes, 1), 1)
        while count := self._ready(step):
            waiting = b"" if self._early is None else os.pread(
                self._early.fileno(), count * size, self._next * size
            )  # fmt: skip
            self._out.write(waiting.ljust(count * size, b"\0"))
            self._next += count
        self._out.flush()

    def _ready(self, most: int) -> int:
        """Return how many rows, of so many, can be sent now."""
        ready = self._done[self._next : min(self._next + most, self._done.total)]
        return len(ready) if ready.all() else int(ready.argmin())

    def _send(self, crops: Array) -> None:
        self._out.write(crops.reshape(-1).view(np.uint8).data)

    def commit(self) -> None:
        """Say that all rows were written; those that were not are zeros."""
        self._done = RowSet.all_but(self._done.total)
        self._forward()

    def __exit__(self, *reason: object) -> None:
        if self._early is not None:
            self._early.close()
