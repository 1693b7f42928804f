"""The RoIs of a run that are to be done, put together by images in a file that workers read.

They are written once, in the order of the table that they are from, each behind the others of its
range of images. So a worker reads the RoIs of its task in one piece, whatever their order was, and
needs no file of boxes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.roi.table import RoiTable
from lucid.stream.plan.partition import Cut
from lucid.stream.plan.plan import Plan
from lucid.stream.plan.survey import Selection, pending
from lucid.stream.types import Array, Rows
from lucid.stream.write import disk

Span = tuple[int, int]  # of entries of the file


class Task(NamedTuple):
    """What a worker does between two answers: where its RoIs stand."""

    number: int
    spans: tuple[Span, ...]  # each of a range of images
    attempt: int = 0


class PendingRois(NamedTuple):
    """A file of RoIs that are to be done."""

    path: Path
    columns: int  # of a box

    @classmethod
    def written(cls, path: Path, plan: Plan, ranges: Sequence[range]) -> PendingRois:
        """Write the RoIs that a plan has to do, those of each range of images together."""
        disk.remove(path)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            ends = np.cumsum([0, *plan.survey.counts.tolist()])
            at = ends[[images.start for images in ranges]]
            firsts = np.array([images.start for images in ranges])
            columns = 4
            for part in plan.survey.slices:
                table = pending(plan.job.rois, plan.survey, part)
                columns = table.boxes.shape[1]
                _append(file, part.start, table, firsts, at)
        finally:
            os.close(file)
        return cls(path.absolute(), columns)

    def rows(self, task: Task) -> Rows:
        """Return the rows of a task."""
        return np.concatenate([self._read(span)["row"] for span in task.spans])

    def selections(self, task: Task, most: int) -> Iterator[Selection]:
        """Yield the RoIs of a task by images, no more than so many at once."""
        for start, stop in task.spans:
            for begin in range(start, stop, most):
                yield _by_image(self._read((begin, min(begin + most, stop))))

    def _read(self, span: Span) -> NDArray[Any]:
        entry = _entry(self.columns)
        start, stop = (each * entry.itemsize for each in span)
        try:
            file = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise SinkError(f"{self.path}: the run that this task is of has ended") from error
        try:
            return np.frombuffer(disk.read_all(file, stop - start, start), entry)
        finally:
            os.close(file)


def tasks_of(plan: Plan, cuts: Sequence[Cut]) -> tuple[list[range], list[Task]]:
    """Return the ranges of images whose RoIs are to stand together, and the tasks made of them."""
    ends = np.cumsum([0, *plan.survey.counts.tolist()])
    ranges: list[range] = []
    tasks = []
    for number, (images, part, parts) in enumerate(cuts):
        groups = list(plan.groups(images))
        ranges += groups if part == 0 else []
        spans = ((int(ends[group.start]), int(ends[group.stop])) for group in groups)
        tasks.append(Task(number, tuple(_part(*span, part, parts) for span in spans)))
    return ranges, tasks


def _part(start: int, stop: int, part: int, parts: int) -> Span:
    """Return one of so many parts of a span."""
    return start + (stop - start) * part // parts, start + (stop - start) * (part + 1) // parts


def _entry(columns: int) -> np.dtype[Any]:
    return np.dtype([("row", "<i8"), ("image", "<i8"), ("box", "<f8", (columns,))])


def _append(file: int, first: int, table: RoiTable, firsts: Array, at: Array) -> None:
    """Write the RoIs of a slice, each behind those of its range; `at` says where, and moves on."""
    rows = np.flatnonzero(table.valid)
    owner = np.searchsorted(firsts, table.batch_index[rows], side="right") - 1
    order = np.argsort(owner, kind="stable")
    entries = np.empty(len(rows), _entry(table.boxes.shape[1]))
    entries["row"] = first + rows[order]
    entries["image"] = table.batch_index[rows[order]]
    entries["box"] = table.boxes[rows[order]]
    owner = owner[order]
    breaks = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(rows)]
    for start, stop in pairwise(breaks):
        place = int(at[owner[start]])
        disk.write_all(file, entries[start:stop].tobytes(), place * entries.itemsize)
        at[owner[start]] += stop - start


def _by_image(entries: NDArray[Any]) -> Selection:
    """Return entries in the order of images, and of rows on each."""
    entries = entries[np.argsort(entries["image"], kind="stable")]
    rows, boxes = entries["row"].astype(np.intp), np.ascontiguousarray(entries["box"])
    return Selection(images=entries["image"].astype(np.int64), rows=rows, boxes=boxes)
