"""RoI tables in files, read slice by slice: what they hold in all, and who belongs to an image."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.table import RoiReport, RoiTable
from lucid.roi.types import Bools
from lucid.stream import tuning
from lucid.stream.plan.coverage import Coverage
from lucid.stream.read.rois import RoiSource
from lucid.stream.row_set import RowSet
from lucid.stream.types import Rows


class TableSlice(NamedTuple):
    """A run of rows of the table, and the images that its valid ones point to."""

    start: int
    stop: int
    first_image: int
    last_image: int


@dataclass(slots=True)
class Survey:
    """What one reading of a table tells: enough to plan a run, whatever its length."""

    coverage: Coverage
    done: RowSet  # what earlier runs have done, and this one so far
    valid: NDArray[np.int64]  # (N,) valid RoIs of each image, or map of a pyramid
    counts: NDArray[np.int64]  # (N,) those that are still to be done
    report: RoiReport = field(default_factory=RoiReport)
    slices: list[TableSlice] = field(default_factory=list)  # that have some of those
    out_of_order: int | None = None  # the first valid row whose image is before that of one above
    latest_image: int = 0  # of the last valid row so far
    images: range | None = None  # that it is of, if not of all

    def add(self, part: range, rows: Rows, table: RoiTable) -> None:
        """Take in rows of a slice of the table, whose coverage is known."""
        index = table.batch_index[table.valid]
        np.add.at(self.valid, index, 1)
        back = np.flatnonzero(np.diff(index, prepend=self.latest_image) < 0)
        if self.out_of_order is None and len(back):
            self.out_of_order = int(rows[np.flatnonzero(table.valid)[back[0]]])
        self.latest_image = int(index[-1]) if len(index) else self.latest_image
        self.count(part, rows, table)

    def count(self, part: range, rows: Rows, table: RoiTable) -> None:
        """Count what is to be done of a slice."""
        index = table.batch_index[self.pending(rows, table)]
        if len(index):
            np.add.at(self.counts, index, 1)
            first, last = int(index.min()), int(index.max())
            self.slices.append(TableSlice(part.start, part.stop, first, last))

    def pending(self, rows: Rows, table: RoiTable) -> Bools:
        """Return which of some rows are to be done."""
        to_be_done: Bools = table.valid & ~self.done.having(rows)
        return to_be_done


class Selection(NamedTuple):
    """Some RoIs, image by image."""

    images: NDArray[np.int64]  # (k,) ascending
    rows: NDArray[np.intp]  # (k,) their rows in the table, ascending on each image
    boxes: NDArray[np.float64]  # (k, 4)

    def some(self, part: slice) -> "Selection":
        """Return some of the RoIs."""
        return Selection(self.images[part], self.rows[part], self.boxes[part])


def survey(
    source: RoiSource,
    done: RowSet,
    coverage: Coverage,
    among: range | None = None,
    images: range | None = None,
    zeros: RowSet | None = None,
) -> Survey:
    """Read the table once, or some of its rows, or those of some images; return what it holds.

    Rows that stay zeros are added to `zeros`.
    """
    valid, counts = np.zeros((2, source.maps), np.int64)
    found = Survey(coverage=coverage, done=done, valid=valid, counts=counts, images=images)
    among = range(source.rois) if among is None else among
    for start in among[:: tuning.current.slice_rows]:
        part = range(start, min(start + tuning.current.slice_rows, among.stop))
        numbers, rows, table, report = source.examined(part.start, part.stop, images)
        found.report.add(report)
        coverage.add(table, rows)
        found.add(part, numbers, table)
        if zeros is not None:
            zeros.add(numbers[~table.valid])
    return found


def pending(source: RoiSource, survey: Survey, part: TableSlice) -> tuple[Rows, RoiTable]:
    """Return the RoIs of a slice that are to be done, and their rows."""
    rows, _, table, _ = source.examined(part.start, part.stop, survey.images)
    some = np.flatnonzero(survey.pending(rows, table))
    return rows[some], table[some]


def select(source: RoiSource, survey: Survey, images: range, most: int) -> Iterator[Selection]:
    """Yield the RoIs of a range of images that are to be done.

    The range has at most `most` RoIs, or is one image: that comes in several selections.
    """
    held: list[tuple[NDArray[np.intp], RoiTable]] = []
    for part in survey.slices:
        if part.last_image < images.start or part.first_image >= images.stop:
            continue
        rows, table = pending(source, survey, part)
        index = table.batch_index
        mine = np.flatnonzero((index >= images.start) & (index < images.stop))
        if len(images) == 1 and sum(len(rows) for rows, _ in held) + len(mine) > most:
            yield from _in_order(held)
            held = []
        held.append((rows[mine], table[mine]))
    yield from _in_order(held)


def _in_order(held: list[tuple[NDArray[np.intp], RoiTable]]) -> Iterator[Selection]:
    """Yield the held rows, if there are any, image by image."""
    if held:
        rows = np.concatenate([rows for rows, _ in held])
        table = RoiTable.joined([table for _, table in held])
        order = np.argsort(table.batch_index, kind="stable")
        yield Selection(table.batch_index[order], rows[order], table.boxes[order])
