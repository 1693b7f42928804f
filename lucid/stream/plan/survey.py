"""RoI tables in files, read slice by slice: what they hold in all, and who belongs to an image."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.table import RoiReport, RoiTable
from lucid.roi.types import Bools
from lucid.stream import tuning
from lucid.stream.plan.coverage import Coverage
from lucid.stream.read.rois import RoiSource
from lucid.stream.row_set import RowSet


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
    images: range | None = None  # of a shard, if it has not all of them
    elsewhere: int = 0  # RoIs that other shards do

    def add(self, start: int, table: RoiTable) -> None:
        """Take in a slice of the table, whose coverage is known."""
        index = table.batch_index[table.valid]
        np.add.at(self.valid, index, 1)
        back = np.flatnonzero(np.diff(index, prepend=self.latest_image) < 0)
        if self.out_of_order is None and len(back):
            self.out_of_order = start + int(np.flatnonzero(table.valid)[back[0]])
        self.latest_image = int(index[-1]) if len(index) else self.latest_image
        self.count(start, table)

    def count(self, start: int, table: RoiTable) -> None:
        """Count what is to be done of a slice."""
        stop = start + len(table.valid)
        index = table.batch_index[self.pending(start, table)]
        if len(index):
            np.add.at(self.counts, index, 1)
            first, last = int(index.min()), int(index.max())
            self.slices.append(
                TableSlice(start=start, stop=stop, first_image=first, last_image=last)
            )

    def pending(self, start: int, table: RoiTable) -> Bools:
        """Return which rows of a slice are to be done."""
        mine: Bools = table.valid & ~self.done[start : start + len(table)]
        return mine if self.images is None else mine & _within(self.images, table)


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
    zeros: RowSet | None = None,
    among: range | None = None,
) -> Survey:
    """Read the table, or some of its rows, once and return what it holds.

    Rows that stay zeros are added to `zeros`.
    """
    valid, counts = np.zeros((2, source.maps), np.int64)
    found = Survey(coverage=coverage, done=done, valid=valid, counts=counts)
    among = range(source.rois) if among is None else among
    for start in among[:: tuning.current.slice_rows]:
        stop = min(start + tuning.current.slice_rows, among.stop)
        rows, table, report = source.examined(start, stop)
        found.report.add(report)
        coverage.add(table, rows)
        found.add(start, table)
        if zeros is not None:
            zeros.add(start + np.flatnonzero(~table.valid))
    return found


def _within(images: range, table: RoiTable) -> Bools:
    """Return which rows are of some images."""
    index = table.batch_index
    mine: Bools = (index >= images.start) & (index < images.stop)
    return mine


def pending(source: RoiSource, survey: Survey, part: TableSlice) -> RoiTable:
    """Return the RoIs of a slice, valid only where they are to be done."""
    _, table, _ = source.examined(part.start, part.stop)
    return replace(table, valid=survey.pending(part.start, table))


def select(source: RoiSource, survey: Survey, images: range, most: int) -> Iterator[Selection]:
    """Yield the RoIs of a range of images that are to be done.

    The range has at most `most` RoIs, or is one image: that comes in several selections.
    """
    held: list[tuple[NDArray[np.intp], RoiTable]] = []
    for part in survey.slices:
        if part.last_image < images.start or part.first_image >= images.stop:
            continue
        table = pending(source, survey, part)
        mine = np.flatnonzero(table.valid & _within(images, table))
        if len(images) == 1 and sum(len(rows) for rows, _ in held) + len(mine) > most:
            yield from _in_order(held)
            held = []
        held.append((part.start + mine, table[mine]))
    yield from _in_order(held)


def _in_order(held: list[tuple[NDArray[np.intp], RoiTable]]) -> Iterator[Selection]:
    """Yield the held rows, if there are any, image by image."""
    if held:
        rows = np.concatenate([rows for rows, _ in held])
        table = RoiTable.joined([table for _, table in held])
        order = np.argsort(table.batch_index, kind="stable")
        yield Selection(table.batch_index[order], rows[order], table.boxes[order])
