"""RoI tables in files, read piece by piece: what they hold in all, and who belongs to an image."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.table import RoiReport, RoiTable, examine
from lucid.stream import tuning
from lucid.stream.plan.coverage import Coverage
from lucid.stream.read.rois import RoiSource


class TableSlice(NamedTuple):
    """A run of rows of the table, and the images that its valid ones point to."""

    start: int
    stop: int
    first_image: int
    last_image: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What one reading of a table tells: enough to plan a run, whatever its length."""

    report: RoiReport
    coverage: Coverage
    valid: NDArray[np.int64]  # (N,) valid RoIs of each image
    counts: NDArray[np.int64]  # (N,) those that are still to be done
    pieces: list[TableSlice]  # that have some
    done: NDArray[np.bool_]  # (K,) what is done or, as it is invalid, stays zeros
    out_of_order: int | None  # the first valid row whose image is before that of one above it


class Selection(NamedTuple):
    """Some RoIs of one image."""

    image: int
    rows: NDArray[np.intp]  # their rows in the table, ascending
    boxes: NDArray[np.float64]  # (k, 4)

    def part(self, number: int, parts: int) -> "Selection":
        """Return one of so many parts of about equal size."""
        begin, end = (len(self.rows) * each // parts for each in (number, number + 1))
        return Selection(self.image, self.rows[begin:end], self.boxes[begin:end])


def survey(source: RoiSource, done: NDArray[np.bool_], coverage: Coverage) -> Survey:
    """Read the table once and return what it holds; `done` (K,) says which rows are done."""
    done = done.copy()
    report, pieces = RoiReport(), []
    valid, counts = np.zeros(source.images, np.int64), np.zeros(source.images, np.int64)
    latest, out_of_order = 0, None
    for start in range(0, source.rois, tuning.current.slice_rows):
        stop = min(start + tuning.current.slice_rows, source.rois)
        rows = source.read(start, stop)
        table, found = examine(rows, source.images, start)
        report.add(found)
        coverage.add(table, rows)
        done[start:stop] |= ~table.valid  # they stay zeros
        index = table.batch_index[table.valid]
        _count(valid, index)
        back = np.flatnonzero(np.diff(index, prepend=latest) < 0)
        if out_of_order is None and len(back):
            out_of_order = start + int(np.flatnonzero(table.valid)[back[0]])
        latest = int(index[-1]) if len(index) else latest
        index = table.batch_index[table.valid & ~done[start:stop]]
        if len(index):
            _count(counts, index)
            pieces.append(TableSlice(start, stop, int(index.min()), int(index.max())))
    return Survey(report, coverage, valid, counts, pieces, done, out_of_order)


def _count(counts: NDArray[np.int64], index: NDArray[np.int64]) -> None:
    """Add how often each image occurs."""
    if len(index):
        first, last = int(index.min()), int(index.max())
        counts[first : last + 1] += np.bincount(index - first)


def pending(source: RoiSource, survey: Survey, piece: TableSlice) -> RoiTable:
    """Return the RoIs of a piece; those that are done already are not valid any more."""
    table, _ = examine(source.read(piece.start, piece.stop), source.images)
    table.valid[survey.done[piece.start : piece.stop]] = False
    return table


def select(source: RoiSource, survey: Survey, images: range, most: int) -> Iterator[Selection]:
    """Yield the RoIs of a range of images that are to be done, image by image, ascending.

    The range has at most `most` RoIs, or is one image: that comes in several selections.
    """
    held: list[tuple[NDArray[np.intp], RoiTable]] = []
    for piece in survey.pieces:
        if piece.last_image < images.start or piece.first_image >= images.stop:
            continue
        table = pending(source, survey, piece)
        index = table.batch_index
        mine = np.flatnonzero(table.valid & (index >= images.start) & (index < images.stop))
        if len(images) == 1 and sum(len(rows) for rows, _ in held) + len(mine) > most:
            yield from _in_order(held)
            held = []
        held.append((piece.start + mine, table[mine]))
    yield from _in_order(held)


def _in_order(held: list[tuple[NDArray[np.intp], RoiTable]]) -> Iterator[Selection]:
    """Yield the held rows image by image, no more at once than a piece has."""
    if not held:
        return
    rows = np.concatenate([rows for rows, _ in held])
    table = RoiTable.joined([table for _, table in held])
    for image, mine in table.by_image():
        for start in range(0, len(mine), tuning.current.slice_rows):
            some = mine[start : start + tuning.current.slice_rows]
            yield Selection(image, rows[some], table.boxes[some])
