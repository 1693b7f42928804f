"""What a journal says on the disk, and how that is read.

A first line says in JSON which job it is and ends in the number of the run that is going on, new
each time; a second one says which start of the machine wrote it. Two tables of one bit per row
follow: rows that were written, and rows that are safe on the disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream.row_set import RowSet, bytes_for
from lucid.stream.write import disk
from lucid.stream.write.sidecars import RUN_BYTES

UNKNOWN: dict[str, Any] = {"format": None}  # the job of another version's journal
FORMAT = 3  # of journals and outputs; a run that wrote another cannot be gone on with
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BOOT_BYTES = 40  # of the second line
BEGINS, AFTER_RUN = b'{"format"', b'"}\n'  # of the first line; it ends behind the number of the run
READ_BYTES = 1 << 18  # at once

Job = dict[str, Any]
NOT_OF_A_RUN = ValueError, KeyError, TypeError, RecursionError


class JournalState(NamedTuple):
    """What a journal says, or is to say."""

    job: Job
    replaces: bool  # whether the run may replace an existing output
    done: RowSet
    seen: bytes = b""  # what tells the journal that says so from others, nothing if there is none
    run: str = ""  # the number of the run that wrote it

    def first_line(self, run: bytes, **more: str) -> bytes:
        """Return the first line of a journal that says so, and more about the job."""
        header = {"format": FORMAT, "job": self.job | more, "replaces": self.replaces}
        header |= {"rows": self.done.total, "first": self.done.first, "run": run.decode()}
        return json.dumps(header).encode() + b"\n"


class Parts(NamedTuple):
    """Where the parts of a journal begin and end."""

    run: int
    boot: int
    written: int
    safe: int
    end: int

    @classmethod
    def after(cls, first: bytes) -> Parts:
        """Return the parts after a first line."""
        table, written = bytes_for(json.loads(first)["rows"]), len(first) + BOOT_BYTES
        run = len(first) - len(AFTER_RUN) - RUN_BYTES
        return cls(run, len(first), written, written + table, written + 2 * table)


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
            raise in_use(path)
        return None if _says_nothing(file) else _said(file)
    except NOT_OF_A_RUN as error:
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
        return JournalState(known, header["replaces"], RowSet(0), run=header.get("run", ""))
    except FileNotFoundError:
        return None
    except NOT_OF_A_RUN as error:
        raise _no_journal(path) from error


def seen_in(file: int) -> bytes:
    """Return what tells the contents of an open journal from others, nothing where it says none."""
    return b"" if _says_nothing(file) else _digest(file)


def parts_in(file: int) -> Parts:
    """Return the parts of an open journal that says something."""
    return Parts.after(_first_line(file))


def any_in(file: int, start: int, stop: int) -> bool:
    """Return whether any byte of an open file is not zero."""
    return any(part.strip(b"\0") for part in _pieces(file, start, stop))


def boot_line() -> bytes:
    """Return a line that tells this start of the machine from others, if anything does."""
    try:
        text = BOOT_ID.read_text().strip()
    except OSError:
        text = ""
    return text.encode()[: BOOT_BYTES - 1].ljust(BOOT_BYTES - 1) + b"\n"


def in_use(path: Path) -> SinkError:
    """Return the error that another run has the journal."""
    return SinkError(f"{path} is in use: another run is writing this output")


def _no_journal(path: Path) -> SinkError:
    return SinkError(f"{path} is no journal of an unfinished run; remove it")


def _is_known(header: dict[str, Any]) -> bool:
    """Return whether this version knows what a journal says."""
    return header.get("format") == FORMAT and "run" in header


def _said(file: int) -> JournalState:
    first, seen = _first_line(file), _digest(file)
    header = json.loads(first)
    if not _is_known(header):
        return JournalState(UNKNOWN, header["replaces"], RowSet(0), seen)
    parts, boot = Parts.after(first), boot_line()
    same = os.pread(file, BOOT_BYTES, parts.boot) == boot and boot.strip()
    table = _table(file, parts.written if same else parts.safe, parts.safe - parts.written)
    done = RowSet(header["rows"], table, header.get("first", 0))
    return JournalState(header["job"], header["replaces"], done, seen, header["run"])


def _says_nothing(file: int) -> bool:
    """Return whether a journal is empty, or its run was killed while it wrote that."""
    first, size = _first_line(file), os.fstat(file).st_size
    if not first.startswith(BEGINS):
        is_begun = BEGINS.startswith(first.strip(b"\0"))
        return is_begun and not any_in(file, len(first), size)
    try:
        return not first.endswith(b"\n") or size < Parts.after(first).end
    except NOT_OF_A_RUN:
        return False


def _first_line(file: int) -> bytes:
    """Return the first line of a journal, or as much of it as there is."""
    line = os.pread(file, READ_BYTES, 0)
    while line.startswith(BEGINS) and b"\n" not in line:
        more = os.pread(file, READ_BYTES, len(line))
        if not more:
            return line
        line += more
    first, end, _ = line.partition(b"\n")
    return first + end


def _digest(file: int) -> bytes:
    digest = blake2b(digest_size=16)
    for part in _pieces(file, 0, os.fstat(file).st_size):
        digest.update(part)
    return digest.digest()


def _table(file: int, start: int, size: int) -> NDArray[np.uint8]:
    table, done = np.empty(size, np.uint8), 0
    for part in _pieces(file, start, start + size):
        table[done : done + len(part)] = np.frombuffer(part, np.uint8)
        done += len(part)
    return table


def _pieces(file: int, start: int, stop: int) -> Iterator[bytes]:
    """Yield a part of an open file in pieces."""
    for begin in range(start, stop, READ_BYTES):
        yield disk.read_all(file, min(READ_BYTES, stop - begin), begin)
