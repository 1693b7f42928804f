"""What an unfinished run has done: a file beside its output that a kill at any moment leaves true.

The first line says in JSON which job it is. Two tables of one bit per row follow: rows that were
written, and rows that are known to be on the disk. A row is marked after its crop is written, and
bits only ever become 1, so whatever part of a mark arrives, no row is marked that is not there.
The system keeps what a killed process wrote, but may lose it when it goes down itself: after a
restart of the machine only the second table counts.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream import tuning

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Job = dict[str, Any]
Rows = NDArray[np.bool_]


class Names(NamedTuple):
    """The files that may stand beside an output while it is not complete."""

    part: Path  # what becomes the output
    rows: Path  # what a chunked output is packed from
    packed: Path  # while it is packed
    journal: Path
    fresh: Path  # a journal that has not got its name yet


def sidecar_paths(output: Path) -> Names:
    """Return the names that a run uses until its output is complete."""
    part = output.name + ".part"
    endings = ("", ".rows", ".packed", ".journal", ".journal.new")
    return Names(*(output.with_name(part + ending) for ending in endings))


class JournalState(NamedTuple):
    """What a journal says."""

    job: Job
    replaces: bool  # whether the run may replace an existing output
    done: Rows  # (K,)
    inode: int | None  # of the journal, None where there is none yet


class Journal:
    """The journal of the run that is going on, locked as long as it is open."""

    def __init__(self, output: Path, state: JournalState) -> None:
        self.done = state.done
        names = sidecar_paths(output)
        header = {"job": state.job, "replaces": state.replaces, "rows": len(state.done)}
        first = json.dumps(header | {"boot": _boot()}).encode() + b"\n"
        table = np.packbits(self.done)
        self._tables = len(first), len(first) + len(table)
        names.fresh.unlink(missing_ok=True)  # of a run that was killed as it began
        self._file = os.open(names.fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _lock(self._file, names.journal)
            os.pwrite(self._file, first + 2 * table.tobytes(), 0)
            os.fsync(self._file)
            _take_name(names, state.inode)
        except BaseException:
            os.close(self._file)
            names.fresh.unlink(missing_ok=True)
            raise
        self._marked = self._synced = time.monotonic()

    def mark(self, rows: NDArray[np.intp], data: int) -> None:
        """Note that the crops of rows were written to the open file `data`."""
        self.done[rows] = True
        now = time.monotonic()
        if now - self._synced > tuning.current.sync_seconds:
            self.sync(data)
        elif now - self._marked > tuning.current.mark_seconds:
            self.flush()

    def flush(self) -> None:
        """Write the marks that are pending."""
        os.pwrite(self._file, np.packbits(self.done).data, self._tables[0])
        self._marked = time.monotonic()

    def sync(self, data: int) -> None:
        """Bring the crops to the disk, and then their marks."""
        _to_disk(data)
        self.flush()
        os.pwrite(self._file, np.packbits(self.done).data, self._tables[1])
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _take_name(names: Names, inode: int | None) -> None:
    """Give a fresh journal its name, if that has not changed since the run was planned."""
    if inode is None:
        try:
            os.link(names.fresh, names.journal)  # unlike renaming, fails if there is one by now
            names.fresh.unlink()
        except FileExistsError:
            raise _in_use(names.journal) from None
        except OSError:  # a file system without links, as exFAT: look and rename in two steps
            if names.journal.exists():
                raise _in_use(names.journal) from None
            names.fresh.replace(names.journal)
        return
    try:
        before = os.open(names.journal, os.O_RDONLY)
    except FileNotFoundError:
        raise _in_use(names.journal) from None
    try:
        _lock(before, names.journal)
        if os.fstat(before).st_ino != inode:
            raise _in_use(names.journal)
        names.fresh.replace(names.journal)
    finally:
        os.close(before)


def is_journal(path: Path) -> bool:
    """Return whether a file begins like a journal, or is empty as one that was just made."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(6) in {b"", b'{"job"'}


def read_journal(path: Path) -> JournalState | None:
    """Return what the journal of an unfinished run says, None where there is none.

    Raises
    ------
    SinkError
        If that run is still going on, or it is not a journal.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        _lock(file, path)
        if not path.exists() or not os.path.samestat(os.fstat(file), path.stat()):
            raise _in_use(path)  # it was replaced just now
        first, _, tables = os.pread(file, os.fstat(file).st_size, 0).partition(b"\n")
        header = json.loads(first)
        # A missing id of the start of the machine is never the same.
        which = int(header["boot"] is None or header["boot"] != _boot())
        done = _table(tables, which, header["rows"])
        return JournalState(header["job"], header["replaces"], done, os.fstat(file).st_ino)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SinkError(f"{path} is no journal of an unfinished run; remove it") from error
    finally:
        os.close(file)


def _table(tables: bytes, which: int, rows: int) -> Rows:
    size = -(-rows // 8)
    bits = np.frombuffer(tables, np.uint8, size, which * size)
    return np.unpackbits(bits, count=rows).astype(bool)


def _to_disk(file: int) -> None:
    """Bring the contents of an open file to the disk."""
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has only the latter


def _boot() -> str | None:
    """Return what tells this start of the machine from others, None where nothing does."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return None


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(path) from None


def _in_use(path: Path) -> SinkError:
    return SinkError(f"{path} is in use: another run is writing this output")
