"""What an unfinished run has done: a file beside its output that a kill at any moment leaves true.

A first line says in JSON which job it is and ends in the number of the run that is going on, new
each time; a second one says which start of the machine wrote it. Two tables of one bit per row
follow: rows that were written, and rows that are safe on the disk. A row is marked after its crop
is written. The system keeps what a killed process wrote, but may lose it when it goes down itself:
after a restart of the machine only the second table counts.

**How runs begin.** The journal is also the lock of its output. Any number of runs may begin at the
same time, be planned on a state that others then change, and be killed at any step:

1. Open the journal, creating it empty if there is none, and lock it. A run that does not get the
   lock ends.
2. Check that the locked file still has its name. If not, the run that had it has removed it
   meanwhile: go back to 1.
3. Check that it says what it said when this run was planned. A journal that is empty, or cut short
   by a kill, says nothing. If it differs, another run was here meanwhile: end, and remove the
   journal if it is empty.
4. Only now, holding the lock, touch any other file. A run that resumes syncs the rows that are
   there and takes them over. Any other run removes what is left of the run before, empties the
   journal and writes it anew, and then lays out its own file.

Only the holder of the lock writes or removes the journal and the files beside it, and it removes
the journal last of all. So the output gets its name from the one run whose marks are in the
journal. Files without a journal, or with one that says nothing, belong to no run and stay.

**How marks become safe.** A failing disk or a full quota is often reported only by a sync. What was
written since the last one may then be lost, although the next sync succeeds. Therefore the first
table is set back to the second before each sync, and both are written in full only after it. If
the sync fails, or the process is killed during it, the journal is true as it stands. For the same
reason the rows of an earlier run count only after a first sync by the run that resumes it, and a
new run marks nothing until the file that it laid out is on the disk.

**How late writers are kept away.** Others may write rows for a run, and still do so when it has
ended and another one has begun. Therefore the number of a run stands in its journal before there is
a file of its rows, and each of those writers first opens that file and then, before each write,
looks whether the number is still that of its run. The file of an earlier run is never used again,
but by one that resumes it, which writes the same.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream import tuning
from lucid.stream.write import disk
from lucid.stream.write.rows import OpenRows
from lucid.stream.write.sidecars import RUN_BYTES, RunMark, sidecar_paths

UNKNOWN: dict[str, Any] = {"format": None}  # the job of another version's journal
FORMAT = 2  # of journals and outputs; a run that wrote another cannot be gone on with
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BOOT_BYTES = 40  # of the second line
AFTER_RUN = b'"}\n'  # what the first line ends in, behind the number of the run

Job = dict[str, Any]
Rows = NDArray[np.bool_]


class JournalState(NamedTuple):
    """What a journal says, or is to say."""

    job: Job
    replaces: bool  # whether the run may replace an existing output
    done: Rows  # (K,)
    seen: bytes = b""  # the journal that says so, nothing where there is none yet
    run: str = ""  # the number of the run that wrote it


class _Parts(NamedTuple):
    """Where the parts of a journal begin and end."""

    run: int
    boot: int
    written: int
    safe: int
    end: int

    @classmethod
    def after(cls, first: bytes, rows: int) -> _Parts:
        """Return the parts after a first line, of so many rows."""
        table, written = -(-rows // 8), len(first) + BOOT_BYTES
        run = len(first) - len(AFTER_RUN) - RUN_BYTES
        return cls(run, len(first), written, written + table, written + 2 * table)


class Journal:
    """The journal of the run that is going on, locked as long as it is open.

    It is made to say something by `start` or, where it does already, by `sync`.

    Raises
    ------
    SinkError
        If another run is going on, or has been here since `state` was read.
    """

    def __init__(self, path: Path, state: JournalState) -> None:
        self.done = state.done
        self._path, self._state = path, state
        self._file = _open_locked(path)
        self._number = secrets.token_hex(RUN_BYTES // 2).encode()
        self._safe = np.packbits(np.zeros_like(self.done)).tobytes()
        self._claimed = self._safe  # what the first table says
        self._marked = self._synced = time.monotonic()
        try:
            if _contents(self._file) != state.seen:
                raise SinkError(f"{path} changed since this run was planned; another run was here")
            if self.done.any():
                self._parts = _parts_of(state.seen)
                self._safe = state.seen[self._parts.safe : self._parts.end]
                self._claimed = state.seen[self._parts.written : self._parts.safe]
        except BaseException:
            self.close()
            raise
        self._doubtful = True  # whether rows that are not safe may be lost

    @property
    def run(self) -> RunMark:
        """What tells whether this run is still going on."""
        return RunMark(self._path.absolute(), self._parts.run, self._number)

    def start(self, **more: str) -> None:
        """Say that a run begins in which nothing is done, and more about its job."""
        job = self._state.job | more
        header = {"format": FORMAT, "job": job, "replaces": self._state.replaces}
        header |= {"rows": len(self.done), "run": self._number.decode()}
        first = json.dumps(header).encode() + b"\n"
        self._parts = _Parts.after(first, len(self.done))
        self._safe = self._claimed = bytes(self._parts.end - self._parts.safe)
        os.ftruncate(self._file, 0)
        disk.write_all(self._file, first + _boot() + 2 * self._safe, 0)
        os.fsync(self._file)

    def go_on(self) -> None:
        """Say that a run begins that goes on with what is done."""
        disk.write_all(self._file, self._number, self._parts.run)

    def end(self) -> None:
        """Say that no run is going on."""
        disk.write_all(self._file, bytes(RUN_BYTES).replace(b"\0", b"-"), self._parts.run)

    def trust(self) -> None:
        """Believe from now on that what is written is there: the file laid out for it is safe."""
        self._doubtful = False

    def mark(self, rows: NDArray[np.intp], data: OpenRows) -> None:
        """Note that the crops of rows were written to `data`."""
        self.done[rows] = True
        now = time.monotonic()
        if now - self._synced > tuning.current.sync_seconds:
            self.sync(data)
        elif now - self._marked > tuning.current.mark_seconds:
            self.flush()

    def flush(self) -> None:
        """Write the marks that are pending."""
        if not self._doubtful:
            self._claim(np.packbits(self.done).tobytes())

    def sync(self, data: OpenRows) -> None:
        """Bring the crops to the disk, and then their marks."""
        self.withdraw()
        disk.write_all(self._file, _boot(), self._parts.boot)  # true of what is claimed now
        safe = np.unpackbits(np.frombuffer(self._safe, np.uint8), count=len(self.done))
        data.sync(np.flatnonzero(self.done & (safe == 0)))
        self._safe = self._claimed = np.packbits(self.done).tobytes()
        disk.write_all(self._file, 2 * self._safe, self._parts.written)
        os.fsync(self._file)
        self._doubtful = False
        self._marked = self._synced = time.monotonic()

    def withdraw(self) -> None:
        """Claim no more than is safe, until a sync has succeeded."""
        self._doubtful = True
        if self._claimed != self._safe:
            self._claim(self._safe)
            os.fsync(self._file)

    @property
    def is_there(self) -> bool:
        """Whether the file still has its name."""
        return disk.has_name(self._file, self._path)

    @property
    def keeps(self) -> bool:
        """Whether there are rows that a later run need not do again."""
        return any(self._safe) if self._doubtful else bool(self.done.any())

    def remove(self) -> None:
        """Remove the file, as the last of all."""
        if self.is_there:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; where it says nothing, remove it."""
        try:
            if not os.fstat(self._file).st_size:
                self.remove()
        finally:
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def _claim(self, table: bytes) -> None:
        disk.write_all(self._file, table, self._parts.written)
        self._claimed, self._marked = table, time.monotonic()


def _open_locked(path: Path) -> int:
    """Open and lock the file of a name, made if there is none."""
    for _ in range(disk.LOCK_TRIES):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if not disk.lock(file, path):
                raise _in_use(path)
            if disk.has_name(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # it was removed before it was locked
    raise _in_use(path)


def read_journal(path: Path) -> JournalState | None:
    """Return what the journal of an unfinished run says, None where there is none.

    Raises
    ------
    SinkError
        If that run is still going on, or it is not a journal.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        if not disk.lock(file, path, shared=True):
            raise _in_use(path)
        seen = _contents(file)
        return _said(seen) if seen else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _no_journal(path) from error
    finally:
        os.close(file)


def look(path: Path) -> JournalState | None:
    """Return what a journal says of its job, whoever may be writing it; None where it is not."""
    try:
        with path.open("rb") as stream:
            first = stream.readline()
        header = json.loads(first) if first.endswith(b"\n") else {}
        if not header:
            return None
        known = header["job"] if _is_known(header) else UNKNOWN
        return JournalState(known, header["replaces"], np.zeros(0, bool), run=header.get("run", ""))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _no_journal(path) from error


def new_journal(path: Path, state: JournalState) -> None:
    """Write a journal in which nothing is done."""
    disk.remove(path)
    with Journal(path, state._replace(seen=b"", done=np.zeros_like(state.done))) as journal:
        journal.start()


def finish(output: Path, state: JournalState) -> None:
    """Remove what is left beside a complete output, if the journal still says what it said."""
    names = sidecar_paths(output)
    with Journal(names.journal, state) as journal:
        disk.remove(names.packed)
        journal.remove()


def _is_known(header: dict[str, Any]) -> bool:
    """Return whether this version knows what a journal says."""
    return header.get("format") == FORMAT and "run" in header


def _said(seen: bytes) -> JournalState:
    header = json.loads(seen.partition(b"\n")[0])
    if not _is_known(header):
        return JournalState(UNKNOWN, header["replaces"], np.zeros(header["rows"], bool), seen)
    parts, rows = _parts_of(seen), header["rows"]
    same = seen[parts.boot : parts.written] == _boot() != _boot_line("")
    table = seen[parts.written if same else parts.safe : parts.end]
    done = np.unpackbits(np.frombuffer(table, np.uint8), count=rows).astype(bool)
    return JournalState(header["job"], header["replaces"], done, seen, header["run"])


def _contents(file: int) -> bytes:
    """Return what an open journal says; nothing if its run was killed while it wrote that."""
    seen = os.pread(file, os.fstat(file).st_size, 0)
    return b"" if _is_cut_short(seen) else seen


def _is_cut_short(seen: bytes) -> bool:
    begins = b'{"format"'
    if not seen.strip(b"\0") or not seen.startswith(begins):
        return begins.startswith(seen.strip(b"\0"))
    try:
        return b"\n" not in seen or len(seen) < _parts_of(seen).end
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # not of a run


def _parts_of(seen: bytes) -> _Parts:
    first = seen.partition(b"\n")[0]
    return _Parts.after(first + b"\n", json.loads(first)["rows"])


def _boot() -> bytes:
    """Return a line that tells this start of the machine from others, if anything does."""
    try:
        return _boot_line(BOOT_ID.read_text().strip())
    except OSError:
        return _boot_line("")


def _boot_line(text: str) -> bytes:
    return text.encode()[: BOOT_BYTES - 1].ljust(BOOT_BYTES - 1) + b"\n"


def _no_journal(path: Path) -> SinkError:
    return SinkError(f"{path} is no journal of an unfinished run; remove it")


def _in_use(path: Path) -> SinkError:
    return SinkError(f"{path} is in use: another run is writing this output")
