"""Outputs that several shards write, each on its own, without anything that coordinates them.

All have one file of rows, and one that says which job it is and into how many shards it is cut:
whoever comes first makes either under a name of its own, complete, and then links it to the common
name, which works for one of several only. Each shard has a journal, which is called done when its
rows are on the disk. Who finds all shards done and gets the lock of the common file makes the
output and gives it its name: the last to end, or whoever is started again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lucid.errors import SinkError
from lucid.stream.write import disk
from lucid.stream.write.journal import Journal, new_journal
from lucid.stream.write.journal_file import JournalState, look
from lucid.stream.write.layout import Output
from lucid.stream.write.same import is_same
from lucid.stream.write.shards import LAYOUT, clear, is_done, progress_of
from lucid.stream.write.sidecars import shard_paths
from lucid.stream.write.sinks import FileSink


class ShardSink(FileSink):
    """A part of an output, which other shards write as well."""

    def __init__(self, output: Output, start: JournalState, shard: tuple[int, int]) -> None:
        super().__init__(output, start)
        self._own = shard_paths(self._path, *shard)
        self._number, self._layout, self._table = shard[0], "", self._own.table

    def _locked(self) -> Journal | None:
        """Lay out what is common, if nobody has, and return the journal; None if all is done."""
        if self._is_done():
            return None
        journal = Journal(self._own.journal, self._start)
        try:
            self._layout = self._joined()
        except BaseException:
            journal.close()
            raise
        return journal

    def _joined(self) -> str:
        """Make the files that are common to all shards, if there are none; return their number."""
        common = self._own.common
        if look(common) is None:
            self._require_free()
            new_journal(self._own.new, self._start)
            _link(self._own.new, common)
        state = look(common)
        planned = self._start.run
        if (
            state is None
            or planned not in ("", state.run)
            or not is_same(state.job, self._start.job)
        ):
            raise SinkError(f"{common} changed since this run was planned; another run was here")
        if not self._filled.exists():
            disk.remove(self._own.new)  # of a run that was killed
            self._output.lay_out(self._own.new)
            disk.sync_tree(self._own.new)
            _link(self._own.new, self._filled)
        return state.run

    def _start_over(self, journal: Journal) -> None:
        """Begin in the file that is laid out."""
        journal.start(**{LAYOUT: self._layout})
        self._open(journal).sync(())
        disk.sync_names(self._filled.parent)
        journal.trust()

    def _remove(self) -> None:
        for path in (self._own.table, self._own.new):
            disk.remove(path)

    def commit(self) -> None:
        """Say that the shard is done, and complete the output if all are."""
        with self.errors():
            if self._journal is not None and self._rows is not None:
                self._journal.sync(self._rows)
                disk.remove(self._own.table)
                self._own.journal.replace(self._own.done)
                disk.sync_names(self._own.common.parent)
            with disk.waited_for(self._own.common) as is_there:
                if is_there and not self.missing:
                    self._complete()

    @property
    def missing(self) -> Sequence[int]:
        """The shards that are to be done before the output is complete."""
        progress = progress_of(self._path)
        return progress.missing if progress else []

    def _is_done(self) -> bool:
        common = look(self._own.common)
        return common is not None and is_done(self._path, self._number, common)

    def _complete(self) -> None:
        self._publish()
        clear(self._path)


def _link(path: Path, name: Path) -> None:
    """Give a file or a folder a name, unless that is taken; it loses its own."""
    if path.is_dir():
        try:
            path.rename(name)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
    else:
        with suppress(FileExistsError):
            os.link(path, name)
    disk.remove(path)
    disk.sync_names(name.parent)
