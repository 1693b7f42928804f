"""What an unfinished run has done: a file beside its output that a kill at any moment leaves true.

It has two tables of one bit per row: rows that were written, and rows that are safe on the disk. A
row is marked after its crop is written. The system keeps what a killed process wrote, but may lose
it when it goes down itself: after a restart of the machine only the second table counts. Only bytes
that changed are written, and which those are is known by blocks of some; so a run of a billion rows
holds 125 MB, and its marks cost no more than those of a small one. The tables of a shard that has a
run of rows are of these alone.

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
table is set back to the second before each sync, and both say all only after it. If the sync fails,
or the process is killed during it, the journal is true as it stands; if a signal only ends the wait
for it, rows are claimed again as the run ends. For the same reason the rows of an earlier run count
only after a first sync by the run that resumes it, and a new run marks nothing until the file that
it laid out is on the disk.

**How late writers are kept away.** Others may write rows for a run, and still do so when it has
ended and another one has begun. Therefore the number of a run stands in its journal before there is
a file of its rows, and each of those writers first opens that file and then, before each write,
looks whether the number is still that of its run. The file of an earlier run is never used again,
but by one that resumes it, which writes the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream import tuning
from lucid.stream.row_set import RowSet, runs_of
from lucid.stream.types import Rows
from lucid.stream.write import disk
from lucid.stream.write.journal_file import (
    JournalState,
    Parts,
    any_in,
    boot_line,
    in_use,
    parts_in,
    seen_in,
)
from lucid.stream.write.rows import OpenRows
from lucid.stream.write.sidecars import RUN_BYTES, RunMark, sidecar_paths

BLOCK = 256  # bytes of a table of which it is known whether any has changed
MOST = 1 << 18  # bytes that are written at once

Blocks = NDArray[np.bool_]


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
        self._number = os.urandom(RUN_BYTES // 2).hex().encode()
        # Blocks of marks that are in neither table, and of those that only the first one has.
        self._waiting, self._claimed = np.zeros((2, -(-len(self.done.bits) // BLOCK)), bool)
        self._marked = self._synced = time.monotonic()
        self._doubtful = True  # whether rows that are not safe may be lost
        self._has_safe = False
        try:
            if seen_in(self._file) != state.seen:
                raise SinkError(f"{path} changed since this run was planned; another run was here")
            if self.done.any():
                self._take_over()
        except BaseException:
            self.close()
            raise

    def _take_over(self) -> None:
        """Take over what the run before has marked."""
        self._parts = parts_in(self._file)
        self._has_safe = any_in(self._file, self._parts.safe, self._parts.end)
        self._claimed[:] = True

    @property
    def run(self) -> RunMark:
        """What tells whether this run is still going on."""
        return RunMark(self._path.absolute(), self._parts.run, self._number)

    def start(self, **more: str) -> None:
        """Say that a run begins in which nothing is done, and more about its job."""
        first = self._state.first_line(self._number, **more)
        self._parts = Parts.after(first)
        os.ftruncate(self._file, 0)
        disk.write_all(self._file, first + boot_line(), 0)
        disk.allocate(self._file, self._parts.end)  # marks must fit when the disk is full of rows
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

    def mark(self, rows: Rows, data: OpenRows) -> None:
        """Note that the crops of rows, which ascend, were written to `data`."""
        self.done.add(rows)
        self._waiting[(rows - self.done.first) // (8 * BLOCK)] = True
        now = time.monotonic()
        if now - self._synced > tuning.sync_seconds():
            self.sync(data)
        elif now - self._marked > tuning.current.mark_seconds:
            self.flush()

    def flush(self) -> None:
        """Write the marks that are pending."""
        if not self._doubtful:
            self._write(self._parts.written)
            self._claimed |= self._waiting
            self._waiting[:] = False
            self._marked = time.monotonic()

    def sync(self, data: OpenRows) -> None:
        """Bring the crops to the disk, and then their marks."""
        was_doubtful = self._doubtful
        try:
            self.withdraw()
            disk.write_all(self._file, boot_line(), self._parts.boot)  # true of what is claimed now
            data.sync(self._rows_waiting())
        except KeyboardInterrupt as error:
            if error.__context__ is None:  # nothing has failed that was waited for
                self._doubtful = was_doubtful
            raise
        self._write(self._parts.written)
        self._write(self._parts.safe)
        os.fsync(self._file)
        self._waiting[:] = False
        self._doubtful, self._has_safe = False, self.done.any()
        self._marked = self._synced = time.monotonic()

    def withdraw(self) -> None:
        """Claim no more than is safe, until a sync has succeeded."""
        self._doubtful = True
        if self._claimed.any():
            for start, stop in _spans(self._claimed, self.done):
                table = disk.read_all(self._file, stop - start, self._parts.safe + start)
                disk.write_all(self._file, table, self._parts.written + start)
            os.fsync(self._file)
            self._waiting |= self._claimed
            self._claimed[:] = False

    @property
    def is_there(self) -> bool:
        """Whether the file still has its name."""
        return disk.has_name(self._file, self._path)

    @property
    def keeps(self) -> bool:
        """Whether there are rows that a later run need not do again."""
        return self._has_safe if self._doubtful else self.done.any()

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

    def _write(self, table: int) -> None:
        """Write the blocks that wait into a table that begins there."""
        for start, stop in _spans(self._waiting, self.done):
            disk.write_all(self._file, self.done.bits[start:stop].data, table + start)

    def _rows_waiting(self) -> Iterator[Rows]:
        """Yield the rows of blocks that wait, some at a time."""
        for start, stop in _spans(self._waiting, self.done):
            yield from self.done.of_bytes(start, stop)


def new_journal(path: Path, state: JournalState) -> None:
    """Write a journal that says but which job it is."""
    disk.remove(path)
    with Journal(path, state._replace(seen=b"", done=RowSet(0))) as journal:
        journal.start()


def finish(output: Path, state: JournalState) -> None:
    """Remove what is left beside a complete output, if the journal still says what it said."""
    names = sidecar_paths(output)
    with Journal(names.journal, state) as journal:
        disk.remove(names.packed)
        journal.remove()


def _spans(blocks: Blocks, rows: RowSet) -> Iterator[tuple[int, int]]:
    """Yield the bytes of blocks of a table that are set, some at a time."""
    for first, last in runs_of(blocks):
        end = min(last * BLOCK, len(rows.bits))
        for start in range(first * BLOCK, end, MOST):
            yield start, min(start + MOST, end)


def _open_locked(path: Path) -> int:
    """Open and lock the file of a name, made if there is none."""
    for _ in range(disk.LOCK_TRIES):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if not disk.lock(file, path):
                raise in_use(path)
            if disk.has_name(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # it was removed before it was locked
    raise in_use(path)
