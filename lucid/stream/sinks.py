"""Where crops go.

An output has its name only when it is complete. A run that ends before that leaves an unfinished
file with a journal beside it, from which it can be resumed.
"""

from __future__ import annotations

import os
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream.formats import DATASET, Layout
from lucid.stream.journal import Job, Journal, Noted, read_journal

Array = NDArray[Any]


class Sink(Protocol):
    """What a run writes to."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *reason: object) -> None: ...

    def write(self, rows: NDArray[np.intp], crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend."""

    def commit(self) -> None:
        """Say that all rows were written."""


def unfinished(output: Path) -> Path:
    """Return where the rows of an output are until it is complete."""
    return output.with_name(output.name + ".part")


def rows_of(layout: Layout) -> Path:
    """Return the file that rows are written to: the unfinished output or what it is packed from."""
    part = unfinished(layout.path)
    return part.with_name(part.name + ".rows") if layout.is_blocked else part


def journal_of(output: Path) -> Path:
    """Return where the journal of an unfinished output is."""
    return output.with_name(output.name + ".part.journal")


def beginning(layout: Layout, job: Job, overwrite: bool, resume: bool) -> Noted | None:
    """Return from where a run is to go on, None if its output is there already; or refuse.

    Nothing is written. `job` is what must be the same for an unfinished run to be gone on with.

    Raises
    ------
    SinkError
        If the output cannot be written there, or must not be.
    """
    output = layout.path
    if output.is_dir():
        raise SinkError(f"{output} is a directory")
    if not output.parent.is_dir():
        raise SinkError(f"{output} cannot be written: there is no directory {output.parent}")
    if not os.access(output.parent, os.W_OK):
        raise SinkError(f"{output} cannot be written: no permission to write in {output.parent}")
    noted = _unfinished_run(layout)
    if overwrite:
        noted = None
    if noted is None and output.exists() and resume:
        _require_same(_job_of(layout), job, f"{output} is complete, but")
        return None
    if noted is None and output.exists() and not overwrite:
        raise SinkError(f"{output} exists; pass --overwrite to replace it")
    if noted is not None and not resume:
        share = f"{noted.done.mean():.0%}" if len(noted.done) else "0%"
        raise SinkError(
            f"{output} is unfinished ({share} is in {unfinished(output)}); "
            "pass --resume to finish it or --overwrite to start over"
        )
    if noted is None or not _has_rows(layout):
        replaces = overwrite or (noted is not None and noted.replaces)
        noted = Noted(job, replaces, np.zeros(layout.shape[0], bool))
    _require_same(noted.job, job, f"{output} was begun")
    _require_space(layout)
    return noted


def _unfinished_run(layout: Layout) -> Noted | None:
    """Return what the journal says, if a run is unfinished."""
    noted = read_journal(journal_of(layout.path))
    if noted is None or _has_rows(layout) or not noted.done.any():
        return noted
    # All was done and the output has its name; only the journal was not removed any more.
    journal_of(layout.path).unlink()
    return None


def _has_rows(layout: Layout) -> bool:
    return rows_of(layout).exists() or unfinished(layout.path).exists()


def _require_same(noted: Job, job: Job, what: str) -> None:
    for key, value in job.items():
        if key in noted and noted[key] != value:
            raise SinkError(
                f"{what} with {key} {_shown(noted[key])}, not {_shown(value)}; "
                "repeat the job as it was, or pass --overwrite to start over"
            )


def _shown(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)


def _job_of(layout: Layout) -> Job:
    """Return what a complete output says about its job."""
    if layout.is_npy:
        array = np.load(layout.path, mmap_mode="r")
        return {"shape": list(array.shape), "dtype": array.dtype.name}
    try:
        with h5py.File(layout.path, "r") as file:
            attributes = file[DATASET].attrs
            return {key: _plain(attributes[key]) for key in attributes}
    except (OSError, KeyError) as error:
        raise SinkError(f"{layout.path} exists and is no output of this tool") from error


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _require_space(layout: Layout) -> None:
    """Raise unless the disk has room for what is not there yet."""
    part = rows_of(layout)
    there = part.stat().st_blocks * 512 if part.exists() else 0
    needed = layout.nbytes * (1 + layout.is_blocked) - there
    free = shutil.disk_usage(layout.path.parent).free
    if needed > free:
        raise SinkError(
            f"{layout.path} cannot be written: it needs {needed / 1e9:.3g} GB more, "
            f"and {free / 1e9:.3g} GB are free"
        )


class FileSink:
    """A file, filled in place under its unfinished name; blocked ones are packed from that."""

    def __init__(self, layout: Layout, start: Noted) -> None:
        self._layout, self._start = layout, start
        self._part, self._rows = unfinished(layout.path), rows_of(layout)
        self._journal: Journal | None = None
        self._file = -1
        self._begin = 0

    def __enter__(self) -> Self:
        try:
            self._journal = Journal(journal_of(self._layout.path), self._start)
            if not self._start.done.any():
                self._part.unlink(missing_ok=True)
                self._layout.lay_out(self._rows)
            if self._rows.exists():  # or else it is packed already
                self._begin = self._layout.begin(self._rows)
                self._file = os.open(self._rows, os.O_WRONLY)
        except BaseException as error:
            self.__exit__()
            self._fail(error)
        return self

    def write(self, rows: NDArray[np.intp], crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend; then mark them as done."""
        breaks = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        try:
            for start, stop in pairwise(breaks):
                self._write_at(int(rows[start]), crops[start:stop])
            if self._journal is not None:
                self._journal.mark(rows, self._file)
        except OSError as error:
            self._fail(error)

    def _write_at(self, row: int, crops: Array) -> None:
        data = crops.reshape(-1).view(np.uint8).data
        position = self._begin + row * self._layout.row_bytes
        while len(data):
            written = os.pwrite(self._file, data, position)
            data, position = data[written:], position + written

    def commit(self) -> None:
        """Give the complete file its name."""
        output, packed = self._layout.path, self._part.with_name(self._part.name + ".packed")
        try:
            if self._file >= 0 and self._journal is not None:
                self._journal.sync(self._file)
            if self._layout.is_blocked and not self._part.exists():
                self._layout.pack(self._rows, packed)
                _sync(packed)
                packed.replace(self._part)
                self._rows.unlink()
            if output.exists() and not self._start.replaces:
                raise SinkError(f"{output} exists; pass --overwrite to replace it")
            self._part.replace(output)
            _sync(output.parent)
            journal_of(output).unlink()
        except (OSError, RuntimeError) as error:
            self._fail(error)

    def __exit__(self, *reason: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._journal is not None:
            if self._journal.done.any():
                self._journal.flush()
            else:  # nothing that would be worth resuming
                for path in (self._rows, self._part, journal_of(self._layout.path)):
                    path.unlink(missing_ok=True)
            self._journal.close()
            self._journal = None

    def _fail(self, error: BaseException) -> NoReturn:
        """Raise an error, one of the system as one about the file that the caller named."""
        if isinstance(error, (OSError, RuntimeError)) and not isinstance(error, SinkError):
            raise SinkError(f"{self._layout.path} cannot be written: {_reason(error)}") from error
        raise error


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
