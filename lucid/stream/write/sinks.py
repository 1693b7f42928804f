"""Where crops go: a file that gets its name when it is complete, or standard output."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream.write.journal import Journal, JournalState, sidecar_paths
from lucid.stream.write.outputs import Layout, write_npy_header

Array = NDArray[Any]
Rows = NDArray[np.intp]


class Sink(Protocol):
    """What a run writes to."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *reason: object) -> None: ...

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend."""

    def commit(self) -> None:
        """Say that all rows were written; those that were not are zeros."""


class Place(NamedTuple):
    """Where rows are in a file that was laid out: one after the other."""

    path: Path
    begin: int


class RowFile:
    """An output that another process has laid out, to write rows in place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file = os.open(place.path, os.O_WRONLY)

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend."""
        try:
            write_rows(self._file, self._place.begin, rows, crops)
        except OSError as error:
            raise SinkError(f"{self._place.path} cannot be written: {_reason(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        os.close(self._file)


class FileSink:
    """A file, filled in place under its unfinished name; chunked ones are packed from that."""

    def __init__(self, layout: Layout, start: JournalState, keep: bool = True) -> None:
        self._layout, self._start, self._keep = layout, start, keep
        self._names = sidecar_paths(layout.path)
        self._part = self._names.part
        self._rows = self._names.rows if layout.is_chunked else self._part
        self._journal: Journal | None = None
        self._file = -1
        self._begin = 0

    def __enter__(self) -> Self:
        try:
            if self._start.done.any() and self._rows.exists():
                _sync(self._rows)  # for the new journal says that these rows are on the disk
            self._journal = Journal(self._layout.path, self._start)
            if not self._start.done.any():
                self._remove()  # what the run has left that this starts over
                self._layout.lay_out(self._rows)
                _sync(self._rows.parent)
            if self._rows.exists():  # or else it is packed already
                self._begin = self._layout.begin(self._rows)
                self._file = os.open(self._rows, os.O_WRONLY)
        except BaseException as error:
            self.__exit__()
            self._fail(error)
        return self

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend; then mark them as done."""
        try:
            # The rows lie one after the other in the file's own bytes: contiguous, allocated
            # when it was laid out, without filters. So HDF5 is not needed to write them.
            write_rows(self._file, self._begin, rows, crops)
        except OSError as error:
            self._fail(error)
        self.mark(rows)

    @property
    def place(self) -> Place:
        """Where other processes may write rows."""
        return Place(self._rows, self._begin)

    def mark(self, rows: Rows) -> None:
        """Note that rows were written."""
        try:
            if self._journal is not None:
                self._journal.mark(rows, self._file)
        except OSError as error:
            self._fail(error)

    def commit(self) -> None:
        """Give the complete file its name."""
        output, packed = self._layout.path, self._names.packed
        try:
            if self._file >= 0 and self._journal is not None:
                self._journal.sync(self._file)
            if self._layout.is_chunked and not self._part.exists():
                packed.unlink(missing_ok=True)
                self._layout.pack(self._rows, packed)
                _sync(packed)
                packed.replace(self._part)
            if output.exists() and not self._start.replaces:
                raise SinkError(f"{output} exists; pass --overwrite to replace it")
            for left in (self._names.rows, packed):
                left.unlink(missing_ok=True)
            self._part.replace(output)
            _sync(output.parent)
            self._names.journal.unlink()
        except (OSError, RuntimeError) as error:
            self._fail(error)

    def __exit__(self, *reason: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._journal is not None:
            if self._keep and self._journal.done.any():
                self._journal.flush()
            else:  # nothing to be resumed
                self._remove()
                self._names.journal.unlink(missing_ok=True)
            self._journal.close()
            self._journal = None

    def _remove(self) -> None:
        for path in (self._names.part, self._names.rows, self._names.packed):
            path.unlink(missing_ok=True)

    def _fail(self, error: BaseException) -> NoReturn:
        """Raise an error, one of the system as one about the file that the caller named."""
        if isinstance(error, (OSError, RuntimeError)) and not isinstance(error, SinkError):
            raise SinkError(f"{self._layout.path} cannot be written: {_reason(error)}") from error
        raise error


class StreamSink:
    """A .npy stream on standard output, in the order of rows.

    Rows that are ready too early wait in a temporary file, which exists only if there are any.
    """

    def __init__(self, layout: Layout, done: NDArray[np.bool_]) -> None:
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
        self._done[rows] = True
        if len(rows) and rows[0] == self._next and rows[-1] - rows[0] == len(rows) - 1:
            self._send(crops)
            self._next += len(rows)
        else:
            self._keep(rows, crops)
        self._forward()

    def _keep(self, rows: Rows, crops: Array) -> None:
        """Put rows aside until it is their turn."""
        try:
            if self._early is None:
                self._early = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
            write_rows(self._early.fileno(), 0, rows, crops)
        except OSError as error:
            raise SinkError(f"rows that wait for their turn cannot be kept: {error}") from error

    def _forward(self) -> None:
        """Send the rows whose turn it is now."""
        size, step = self._layout.row_bytes, max((1 << 20) // max(self._layout.row_bytes, 1), 1)
        while self._next < len(self._done) and self._done[self._next]:
            ready = self._done[self._next : self._next + step]
            count = len(ready) if ready.all() else int(ready.argmin())
            waiting = b"" if self._early is None else os.pread(
                self._early.fileno(), count * size, self._next * size
            )  # fmt: skip
            self._out.write(waiting.ljust(count * size, b"\0"))
            self._next += count
        self._out.flush()

    def _send(self, crops: Array) -> None:
        self._out.write(crops.reshape(-1).view(np.uint8).data)

    def commit(self) -> None:
        """Say that all rows were written; those that were not are zeros."""
        self._done[:] = True
        self._forward()

    def __exit__(self, *reason: object) -> None:
        if self._early is not None:
            self._early.close()


def write_rows(file: int, begin: int, rows: Rows, crops: Array) -> None:
    """Write crops (k, C, PH, PW) at their rows, which ascend, of a file that begins at `begin`."""
    if not crops.size:
        return
    breaks = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    for start, stop in pairwise(breaks):
        data = crops[start:stop].reshape(-1).view(np.uint8).data
        position = begin + int(rows[start]) * crops[0].nbytes
        while len(data):
            written = os.pwrite(file, data, position)
            data, position = data[written:], position + written


def _sync(path: Path) -> None:
    """Bring a file or the names in a folder to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _reason(error: OSError | RuntimeError) -> str:
    """Return the system's words; HDF5 has them in the middle of its own."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    quoted = re.search(r"error message = '([^']+)'", str(error))
    return quoted[1] if quoted else str(error)
