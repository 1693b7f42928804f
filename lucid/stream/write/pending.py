"""The RoIs of a run that are to be done, put together by images in a file that workers read.

They are written once, in the order of the table that they are from, each behind the others of its
range of images. So a worker reads the RoIs of its task in one piece, whatever their order was, and
needs no file of boxes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.roi.table import RoiTable
from lucid.stream.plan.partition import Cut
from lucid.stream.plan.plan import Plan
from lucid.stream.plan.survey import Selection, pending
from lucid.stream.types import Array, Rows
from lucid.stream.write import disk, temporary
from lucid.stream.write.sinks import FileSink, Sink

Span = tuple[int, int]  # of entries of the file
AT_ONCE = 1 << 16  # of which only the rows are wanted


class Task(NamedTuple):
    """What a worker does between two answers: where its RoIs stand."""

    number: int
    spans: tuple[Span, ...]  # each of a range of images
    attempt: int = 0


class PendingRois(NamedTuple):
    """A file of RoIs that are to be done."""

    table: Path | int  # an open file is of this process alone
    columns: int  # of a box

    @classmethod
    def written(cls, table: Path | int, plan: Plan, ranges: Sequence[range]) -> PendingRois:
        """Write the RoIs that a plan has to do, those of each range of images together."""
        firsts = np.array([images.start for images in ranges], np.int64)
        at = _before(plan.survey.counts)[firsts]
        with _opened(table, "xb" if isinstance(table, Path) else "wb") as file:
            for rows, some in _pieces(plan):
                _append(file.fileno(), rows, some, firsts, at)
        return cls(table, len(plan.job.rois.box_form.columns))

    def rows(self, task: Task) -> Iterator[Rows]:
        """Yield the rows of a task, some at a time, which ascend."""
        for span in task.spans:
            for some in _in_steps(span, AT_ONCE):
                yield np.sort(self._read(some)["row"]).astype(np.intp, copy=False)

    def row(self, number: int) -> int:
        """Return the row of an entry."""
        return int(self._read((number, number + 1))["row"][0])

    def selections(self, task: Task, most: int) -> Iterator[Selection]:
        """Yield the RoIs of a task by images, no more than so many at once."""
        for span in task.spans:
            for some in _in_steps(span, most):
                yield _by_image(self._read(some))

    def _read(self, span: Span) -> NDArray[Any]:
        entry = _entry(self.columns)
        start, stop = (each * entry.itemsize for each in span)
        try:
            with _opened(self.table, "rb") as file:
                return np.frombuffer(disk.read_all(file.fileno(), stop - start, start), entry)
        except FileNotFoundError as error:
            raise SinkError(f"{self.table}: the run that this task is of has ended") from error


def _opened(table: Path | int, mode: str) -> IO[bytes]:
    return open(table, mode, 0, closefd=isinstance(table, Path))


@contextmanager
def put_together(plan: Plan, ranges: Sequence[range], sink: Sink) -> Iterator[PendingRois]:
    """Put the RoIs that are to be done in a file for a while, those of each range together."""
    home = sink if isinstance(sink, FileSink) else temporary
    with ExitStack() as stack:
        with home.errors():
            table = stack.enter_context(home.table())
            rois = PendingRois.written(table, plan, ranges)
        yield rois


def pending_bytes(plan: Plan) -> int:
    """Return the size of the file in which RoIs are put together."""
    return int(plan.survey.counts.sum()) * _entry(len(plan.job.rois.box_form.columns)).itemsize


def tasks_of(plan: Plan, cuts: Sequence[Cut]) -> tuple[list[range], list[Task]]:
    """Return the ranges of images whose RoIs are to stand together, and the tasks made of them."""
    ends = _before(plan.survey.counts)
    ranges: list[range] = []
    tasks = []
    for number, (images, part, parts) in enumerate(cuts):
        groups = list(plan.groups(images))
        ranges += groups if part == 0 else []
        spans = ((int(ends[group.start]), int(ends[group.stop])) for group in groups)
        tasks.append(Task(number, tuple(_part(*span, part, parts) for span in spans)))
    return ranges, tasks


def runs_of_rows(
    rois: PendingRois, count: int, most: int, border_before: Callable[[int], int]
) -> list[Task]:
    """Return tasks of so many RoIs at most, which stand in the order of their rows.

    They part at rows that are borders of the output, where there are any.
    """
    tasks: list[Task] = []
    begin = 0
    while begin < count:
        end = min(begin + most, count)
        if end < count:
            row = border_before(rois.row(end))
            place = bisect_left(range(end), row, begin, key=rois.row)
            end = place if place > begin else end
        tasks.append(Task(len(tasks), ((begin, end),)))
        begin = end
    return tasks


def _before(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many RoIs there are before those of each image, and in all."""
    return np.concatenate([[0], np.cumsum(counts)])


def _in_steps(span: Span, most: int) -> Iterator[Span]:
    start, stop = span
    for begin in range(start, stop, most):
        yield begin, min(begin + most, stop)


def _part(start: int, stop: int, part: int, parts: int) -> Span:
    """Return one of so many parts of a span."""
    return start + (stop - start) * part // parts, start + (stop - start) * (part + 1) // parts


def _entry(columns: int) -> np.dtype[Any]:
    return np.dtype([("row", "<i8"), ("image", "<i8"), ("box", "<f8", (columns,))])


def _pieces(plan: Plan) -> Iterator[tuple[Rows, RoiTable]]:
    """Yield the RoIs that are to be done, and their rows, as many at once as may be selected."""
    held: list[tuple[Rows, RoiTable]] = []
    for part in plan.survey.slices:
        held.append(pending(plan.job.rois, plan.survey, part))
        if part is plan.survey.slices[-1] or sum(len(rows) for rows, _ in held) >= plan.selected:
            yield np.concatenate([rows for rows, _ in held]), RoiTable.joined([t for _, t in held])
            held = []


def _append(file: int, rows: Rows, table: RoiTable, firsts: Array, at: Array) -> None:
    """Write RoIs, each behind those of its range; `at` says where, and moves on."""
    owner = np.searchsorted(firsts, table.batch_index, side="right") - 1
    order = np.argsort(owner, kind="stable")
    entries = np.empty(len(rows), _entry(table.boxes.shape[1]))
    entries["row"] = rows[order]
    entries["image"] = table.batch_index[order]
    entries["box"] = table.boxes[order]
    owner = owner[order]
    starts = np.flatnonzero(np.diff(owner, prepend=-1)).tolist()
    for start, stop in pairwise([*starts, len(rows)]):
        place = int(at[owner[start]])
        disk.write_all(file, entries[start:stop].view(np.uint8).data, place * entries.itemsize)
        at[owner[start]] += stop - start


def _by_image(entries: NDArray[Any]) -> Selection:
    """Return entries in the order of images, and of rows on each."""
    entries = entries[np.argsort(entries["image"], kind="stable")]
    rows, boxes = entries["row"].astype(np.intp), np.ascontiguousarray(entries["box"])
    return Selection(images=entries["image"].astype(np.int64), rows=rows, boxes=boxes)
