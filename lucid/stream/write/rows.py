"""Where rows are while a run fills them in: in one file, or in files of so many rows each."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np

from lucid.errors import SinkError
from lucid.stream.types import Array, Rows
from lucid.stream.write import disk
from lucid.stream.write.sidecars import RunMark

MOST_OPEN = 16  # files of chunks


class OpenRows(Protocol):
    """Rows that were laid out, open to be written."""

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend."""

    def sync(self, rows: Iterable[Rows]) -> None:
        """Bring rows, which ascend in each of some parts, to the disk; more may come with them."""

    def close(self) -> None:
        """Close what is open; network file systems may say only here that rows were lost."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *reason: object) -> None: ...


class Place(NamedTuple):
    """Where rows lie one after the other, in a file or in the files of a folder."""

    path: Path
    begin: int = 0  # of the rows in a file
    chunk_rows: int = 0  # of a file of the folder
    chunk_name: str = ""  # of such a file, with '{}' for its number
    run: RunMark | None = None  # which must be going on while others write rows for it

    def open(self) -> OpenRows:
        """Open the rows, to write them."""
        return RowFiles(self) if self.chunk_rows else RowFile(self)

    def require_run(self) -> None:
        """Raise unless the run is going on."""
        if self.run is not None and not self.run.stands():
            raise SinkError(f"{self.path}: the run that this task is of has ended")

    def file(self, chunk: int) -> Path:
        """Return a file of the folder."""
        return self.path / self.chunk_name.format(chunk)


class RowFile:
    """Rows that lie in a file's own bytes, so that no library of its format is needed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file = os.open(place.path, os.O_WRONLY)

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend."""
        self._place.require_run()
        write_rows(self._file, self._place.begin, rows, crops)

    def sync(self, rows: Iterable[Rows]) -> None:
        """Bring all rows to the disk."""
        disk.sync_data(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


class RowFiles:
    """Rows in files of a folder, of which few are open at a time."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._files: OrderedDict[int, int] = OrderedDict()  # by chunk, the last used last

    def write(self, rows: Rows, crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend."""
        for chunk, start, stop in self._by_chunk(rows):
            own = rows[start:stop] - chunk * self._place.chunk_rows
            file = self._file(chunk)  # opened before anything is asked of the run
            self._place.require_run()
            write_rows(file, 0, own, crops[start:stop])

    def sync(self, rows: Iterable[Rows]) -> None:
        """Bring the files of rows to the disk."""
        for chunk in sorted({chunk for part in rows for chunk, _, _ in self._by_chunk(part)}):
            disk.sync_file(self._place.file(chunk))

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _by_chunk(self, rows: Rows) -> Iterator[tuple[int, int, int]]:
        """Yield chunks, and which of the rows are in each."""
        chunks = rows // self._place.chunk_rows
        starts = np.flatnonzero(np.diff(chunks, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(rows)]):
            yield int(chunks[start]), start, stop

    def _file(self, chunk: int) -> int:
        if chunk not in self._files:
            if len(self._files) == MOST_OPEN:
                os.close(self._files.popitem(last=False)[1])
            self._files[chunk] = os.open(self._place.file(chunk), os.O_WRONLY)
        self._files.move_to_end(chunk)
        return self._files[chunk]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def write_rows(file: int, begin: int, rows: Rows, crops: Array) -> None:
    """Write crops (k, C, PH, PW) at their rows, which ascend, of a file that begins at `begin`."""
    if not crops.size:
        return
    size, data = crops[0].nbytes, crops.reshape(-1).view(np.uint8).data
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    stops = np.append(starts[1:], len(rows)) * size
    columns = starts * size, stops, begin + rows[starts] * size
    for start, stop, position in zip(*(column.tolist() for column in columns), strict=True):
        disk.write_all(file, data[start:stop], position)
