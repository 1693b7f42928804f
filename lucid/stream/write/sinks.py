"""Where crops go: a file that gets its name when it is complete, or standard output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lucid.errors import LucidError, OutputExistsError, SinkError
from lucid.stream.write import disk
from lucid.stream.write.journal import Journal
from lucid.stream.write.journal_file import JournalState
from lucid.stream.write.layout import PAGE, Output
from lucid.stream.write.rows import OpenRows, Place
from lucid.stream.write.shards import remove_shards
from lucid.stream.write.sidecars import RunMark, sidecar_paths
from lucid.stream.write.unfinished import require_no_strangers

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


class PlacedRows:
    """Rows that another process has laid out, to be written in place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        with self._errors():
            self._rows = place.open()  # before anything is asked of the run

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend, if the run is going on."""
        with self._errors():
            self._rows.write(rows, crops)

    def require_run(self) -> None:
        """Raise unless the run is going on."""
        with self._errors():
            self._place.require_run()

    def sync(self, rows: Iterable[Rows]) -> None:
        """Bring rows, which ascend in each of some parts, to the disk."""
        with self._errors():
            self._rows.sync(rows)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except LucidError:
            raise
        except OSError as error:
            raise SinkError(f"{self._place.path} cannot be written: {_reason(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._rows.close()


class FileSink:
    """A file, filled in place under its unfinished name, or packed at the end from what was."""

    def __init__(self, output: Output, start: JournalState, keep: bool = True) -> None:
        self._output, self._start, self._keep = output, start, keep
        self._path = output.layout.path
        self._names = sidecar_paths(self._path)
        self.place = Place(self._path)  # where other processes may write rows, once it is open
        self._filled = self._names.rows if output.packs else self._names.part
        self._table = self._names.table
        self._journal: Journal | None = None
        self._rows: OpenRows | None = None
        self.kept = False  # whether the run ended with something that another can go on with

    def __enter__(self) -> Self:
        with self.errors():
            journal = self._journal = self._locked()
            try:
                if journal is not None:
                    self._go_on(journal) if self._start.done.any() else self._start_over(journal)
            except BaseException as error:
                self.__exit__(type(error))
                raise
        return self

    def _locked(self) -> Journal | None:
        """Return the journal, locked; None if there is nothing to be written."""
        journal = Journal(self._names.journal, self._start)
        try:
            if not self._start.seen:
                require_no_strangers(self._path)
            self._require_free()
        except BaseException:
            journal.close()
            raise
        return journal

    def _require_free(self) -> None:
        """Raise if an output is there that the run may not replace."""
        path = None if self._start.replaces else self._output.in_the_way(self._names.part)
        if path is not None:
            raise OutputExistsError.advising(
                f"{path} exists", "pass {overwrite:True} to replace it", path
            )

    def _go_on(self, journal: Journal) -> None:
        """Take over the rows that are there, unless they are packed already."""
        journal.go_on()
        if self._filled.exists():
            journal.sync(self._open(journal))

    def _start_over(self, journal: Journal) -> None:
        """Lay out a file in place of whatever the run before has left."""
        self._remove()
        journal.start()
        self._output.lay_out(self._filled)
        self._open(journal).sync(())  # or else marks would count whose file is not there
        disk.sync_names(self._filled.parent)
        journal.trust()

    def _open(self, journal: Journal) -> OpenRows:
        place = self._output.place(self._filled.absolute())
        self.place = place._replace(run=journal.run)
        self._rows = place.open()
        return self._rows

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend; then mark them as done."""
        with self.errors():
            if self._rows is not None:
                self._rows.write(rows, crops)
        self.mark(rows)

    @property
    def packs(self) -> bool:
        """Whether the output is made from the rows when all are there."""
        return self._output.packs

    @property
    def missing(self) -> Sequence[int]:
        """The shards that are to be done before the output is complete."""
        return ()

    @property
    def run(self) -> RunMark:
        """What tells whether the run is going on, once the sink is open."""
        if self._journal is None:
            raise SinkError(f"{self._path} is not open")
        return self._journal.run

    @contextmanager
    def table(self) -> Iterator[Path]:
        """Lend the name of a file where RoIs that are to be done may stand."""
        path = self._table.absolute()
        disk.remove(path)
        try:
            yield path
        finally:
            disk.remove(path)

    def border_before(self, row: int) -> int:
        """Return the last row, up to this one, with which a page or a file of the rows begins."""
        step, size = self._output.border_rows, self._output.layout.row_bytes
        borders = (k for k in range(step) if (self.place.begin + k * size) % PAGE == 0)
        first = 0 if self.place.chunk_rows else next(borders, 0)
        return max(first + (row - first) // step * step, 0)

    def mark(self, rows: Rows) -> None:
        """Note that rows were written."""
        with self.errors():
            if self._journal is not None and self._rows is not None:
                self._journal.mark(rows, self._rows)

    def commit(self) -> None:
        """Give the complete file its name."""
        journal = self._journal
        if journal is None:
            return
        with self.errors():
            if self._rows is not None:
                journal.sync(self._rows)
            self._publish()
            journal.remove()

    def _publish(self) -> None:
        """Give the complete file its name, packed if it has to be."""
        if self._output.packs and not self._names.part.exists():
            self._pack()
        self._require_free()
        for left in (self._names.rows, self._names.packed, self._names.table):
            disk.remove(left)
        self._output.publish(self._names.part)
        disk.sync_names(self._names.journal.parent)

    def _pack(self) -> None:
        """Make the output from the rows."""
        packed = self._names.packed
        disk.remove(packed)
        self._output.pack(self._filled, packed)
        disk.sync_tree(packed)
        packed.replace(self._names.part)

    def __exit__(self, kind: object = None, *reason: object) -> None:
        journal, self._journal = self._journal, None
        if journal is None:
            return
        # After an error, another one here would hide it; the journal is true as it is.
        with suppress(OSError) if kind else nullcontext(), journal:
            self._close(journal)
            unfinished = journal.is_there  # or else others may have begun by now
            self.kept = self._keep and unfinished and journal.keeps
            if self.kept:
                journal.end()
                journal.flush()
            elif unfinished:  # nothing to be resumed
                self._remove()
                journal.remove()

    def _close(self, journal: Journal) -> None:
        """Close the rows; network file systems may say only here that they were not written."""
        rows, self._rows = self._rows, None
        try:
            if rows is not None:
                rows.close()
        except OSError:
            journal.withdraw()

    def _remove(self) -> None:
        remove_shards(self._path)
        for path in self._names:
            if path != self._names.journal:
                disk.remove(path)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of the system and of HDF5 as ones about the file that the caller named."""
        try:
            yield
        except LucidError:  # a RoI file that can no longer be read, too
            raise
        except (OSError, RuntimeError, KeyError) as error:
            raise SinkError(f"{self._path} cannot be written: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the system's words; HDF5 has them in the middle of its own."""
    quoted = re.search(r"error message = '([^']+)'", str(error))
    if quoted:
        return quoted[1]
    return (isinstance(error, OSError) and error.strerror) or str(error)
