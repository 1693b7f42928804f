"""How a run is cut: into tasks for its processes, and those into RoIs worked on at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from lucid.roi.geometry import Geometry
from lucid.stream import tuning
from lucid.stream.plan.memory import region_bytes
from lucid.stream.plan.plan import Plan, Window
from lucid.stream.plan.survey import Selection, select
from lucid.stream.types import Rows


class Task(NamedTuple):
    """A part of a run: images, and of their RoIs one part of so many."""

    images: range
    part: int = 0
    parts: int = 1


def tasks(plan: Plan) -> Iterator[Task]:
    """Yield a run in tasks, several for each of its processes so that all end at one time.

    An image of which there are too many RoIs for that is shared by its RoIs, and read by all.
    """
    counts, jobs = plan.survey.counts, plan.jobs
    most = max(-(-int(counts.sum()) // (tuning.current.tasks_per_worker * jobs)), 1)
    begin = held = 0
    for image in np.flatnonzero(counts).tolist():
        first = image - image % plan.images  # those of one chunk stay together
        if held >= most and first > begin:
            yield Task(images=range(begin, first))
            begin, held = first, 0
        if counts[image] > most * tuning.current.tasks_per_worker and plan.images == 1:
            if held:
                yield Task(images=range(begin, image))
            this = range(image, image + 1)
            yield from (Task(images=this, part=part, parts=jobs) for part in range(jobs))
            begin, held = image + 1, 0
        else:
            held += int(counts[image])
    if held:
        yield Task(images=range(begin, len(counts)))


class RoiBatch(NamedTuple):
    """RoIs of an image, and the part of its map that they are cut out of."""

    image: int
    rows: Rows
    geometry: Geometry
    window: Window


def batches_of(plan: Plan, task: Task | None, most: int) -> Iterator[list[RoiBatch]]:
    """Yield batches of a task, or of all, that together have at most so many RoIs.

    Small ones come together: array operations are made for all at once.
    """
    held: list[RoiBatch] = []
    room = rois = 0
    for batch in _batches(plan, task, most):
        cost = region_bytes(plan.job, *(side.stop - side.start for side in batch.window))
        fits = cost < room and len(batch.rows) <= rois
        if held and not (fits and plan.in_one_chunk(held[0].image, batch.image)):
            yield held
            held = []
        if not held:
            room, rois = plan.together, min(tuning.current.batch_rois, most)
        held.append(batch)
        room, rois = room - cost, rois - len(batch.rows)
    if held:
        yield held


def _batches(plan: Plan, task: Task | None, most: int) -> Iterator[RoiBatch]:
    """Yield the RoIs map by map, and part by part where a map is read in parts."""
    part, parts = (0, 1) if task is None else (task.part, task.parts)
    for images in plan.groups(None if task is None else task.images):
        selections = select(plan.job.rois, plan.survey, images, plan.selected)
        for some in _several(selection.part(part, parts) for selection in selections):
            owner = np.repeat([each.image for each in some], [len(each.rows) for each in some])
            geometry = plan.job.lay_out(np.concatenate([each.boxes for each in some]), owner)
            end = 0
            for image, rows, _ in some:
                end += len(rows)
                yield from _parts(plan, image, rows, geometry[end - len(rows) : end], most)


def _several(selections: Iterable[Selection]) -> Iterator[list[Selection]]:
    """Yield selections, small ones together."""
    held: list[Selection] = []
    rois = 0
    for selection in selections:
        if not len(selection.rows):  # a part of fewer RoIs than parts
            continue
        held.append(selection)
        rois += len(selection.rows)
        if rois >= tuning.current.batch_rois:
            yield held
            held, rois = [], 0
    if rois:
        yield held


def _parts(plan: Plan, image: int, rows: Rows, geometry: Geometry, most: int) -> Iterator[RoiBatch]:
    """Yield the RoIs of an image, those together that are cut out of one part of its map."""
    for some, window in plan.regions(geometry):
        its, own = geometry[some], rows[some]
        for start in range(0, len(own), most):
            now = slice(start, start + most)
            yield RoiBatch(image=image, rows=own[now], geometry=its[now], window=window)
