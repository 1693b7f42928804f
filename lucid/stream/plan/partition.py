"""How a run is cut: into parts for its tasks, and those into RoIs worked on at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.geometry import Geometry
from lucid.stream import tuning
from lucid.stream.plan.memory import region_bytes
from lucid.stream.plan.plan import Plan, Window
from lucid.stream.plan.survey import Selection, select
from lucid.stream.types import Rows


class Cut(NamedTuple):
    """A part of a run for one task: images, and of their RoIs one part of so many."""

    images: range
    part: int = 0
    parts: int = 1


def rois_of_task(plan: Plan) -> int:
    """Return how many RoIs a task has at most: several tasks for each worker, all of some size."""
    share = -(-int(plan.survey.counts.sum()) // (tuning.current.tasks_per_worker * plan.jobs))
    return max(min(share, _most_of_task(plan)), 1)


def _most_of_task(plan: Plan) -> int:
    now = tuning.current
    return max(min(now.task_bytes // max(plan.job.row_bytes, 1), now.task_rois), 1)


def cuts(plan: Plan) -> Iterator[Cut]:
    """Yield a run in parts, several for each of its workers so that all end at one time.

    An image of which there are too many RoIs for that is shared by its RoIs, and read by all.
    """
    counts, most, at_once = plan.survey.counts, rois_of_task(plan), _most_of_task(plan)
    is_shared = counts > min(most * tuning.current.tasks_per_worker, at_once)
    until = np.concatenate([[0], np.cumsum(counts)])
    begin = 0
    for image in np.flatnonzero(is_shared).tolist() if plan.images == 1 else ():
        yield from _of_whole_images(until, range(begin, image), most, 1)
        parts = max(plan.jobs, -(-int(counts[image]) // at_once))
        yield from (Cut(range(image, image + 1), part, parts) for part in range(parts))
        begin = image + 1
    yield from _of_whole_images(until, range(begin, len(counts)), most, plan.images)


def _of_whole_images(
    until: NDArray[np.int64], images: range, most: int, together: int
) -> Iterator[Cut]:
    """Yield images in parts of so many RoIs at most, or of one image; those of a chunk together.

    `until` says how many RoIs there are before each image.
    """
    begin = images.start
    while until[begin] < until[images.stop]:
        begin = int(np.searchsorted(until, until[begin], side="right")) - 1  # the next with any
        begin -= begin % together
        end = int(np.searchsorted(until, until[begin] + most, side="right")) - 1
        end = max(end // together, begin // together + 1) * together
        end = min(end, images.stop)
        yield Cut(images=range(begin, end))
        begin = end


def is_scattered(plan: Plan) -> bool:
    """Return whether slices of the table have RoIs of so many images that all are read often."""
    groups, slices = list(plan.groups()), plan.survey.slices
    if plan.survey.out_of_order is None or len(groups) <= tuning.current.readings:
        return False
    starts, stops = np.array([(images.start, images.stop) for images in groups]).T
    first, last = np.array([(part.first_image, part.last_image) for part in slices]).T
    reads = np.searchsorted(starts, last, "right") - np.searchsorted(stops, first, "right")
    return int(reads.sum()) > tuning.current.readings * len(slices)


class RoiBatch(NamedTuple):
    """RoIs that are worked on at once: those of one part of a map follow those of another."""

    rows: Rows
    geometry: Geometry
    images: list[int]  # of each part
    rois: list[int]  # on each part
    windows: list[Window]  # of its map that each part is; none where all are whole maps

    @staticmethod
    def joined(batches: list[RoiBatch]) -> RoiBatch:
        """Return several batches as one."""
        return RoiBatch(
            rows=np.concatenate([batch.rows for batch in batches]),
            geometry=Geometry.joined([batch.geometry for batch in batches]),
            images=[image for batch in batches for image in batch.images],
            rois=[rois for batch in batches for rois in batch.rois],
            windows=[window for batch in batches for window in batch.windows],
        )


def batches_of(plan: Plan, selections: Iterator[Selection], most: int) -> Iterator[RoiBatch]:
    """Yield selected RoIs in batches of at most so many."""
    cut = _of_whole_maps if plan.whole_maps else _of_parts
    for selection in _of_images(selections):
        geometry = plan.job.lay_out(selection.boxes, selection.images)
        yield from cut(plan, selection, geometry, most)


def all_selections(plan: Plan) -> Iterator[Selection]:
    """Yield all RoIs of a run, as its table has them."""
    for images in plan.groups():
        yield from select(plan.job.rois, plan.survey, images, plan.selected)


def _of_images(selections: Iterator[Selection]) -> Iterator[Selection]:
    """Yield whole images until they have some RoIs; of one that has many, so many at once."""
    now = tuning.current
    for own in selections:
        begin = 0
        while begin < len(own.rows):
            last = own.images[begin : begin + now.batch_rois][-1]
            end = int(np.searchsorted(own.images, last, side="right"))
            end = min(end, begin + now.slice_rows)
            yield own.some(slice(begin, end))
            begin = end


def _of_whole_maps(
    plan: Plan, selection: Selection, geometry: Geometry, most: int
) -> Iterator[RoiBatch]:
    """Yield RoIs on small maps, each of which is read as a whole."""
    owner, begin = selection.images, 0
    number = np.cumsum(np.diff(owner, prepend=owner[:1]) != 0)  # of the images that have RoIs
    while begin < len(owner):
        chunk_end = (owner[begin] // plan.images + 1) * plan.images if plan.images > 1 else np.inf
        end = min(
            begin + min(tuning.current.batch_rois, most),
            int(np.searchsorted(number, number[begin] + plan.whole_maps)),
            int(np.searchsorted(owner, chunk_end)),
        )
        some = slice(begin, end)
        images, rois = np.unique(owner[some], return_counts=True)
        yield RoiBatch(
            rows=selection.rows[some],
            geometry=geometry[some],
            images=images.tolist(),
            rois=rois.tolist(),
            windows=[],
        )
        begin = end


def _of_parts(
    plan: Plan, selection: Selection, geometry: Geometry, most: int
) -> Iterator[RoiBatch]:
    """Yield RoIs on parts of maps, small ones together."""
    held: list[RoiBatch] = []
    room = rois = 0
    for batch in _parts(plan, selection, geometry, most):
        cost = region_bytes(plan.job, tuple(side.stop - side.start for side in batch.windows[0]))
        fits = cost < room and len(batch.rows) <= rois
        if held and not (fits and plan.in_one_chunk(held[0].images[0], batch.images[0])):
            yield RoiBatch.joined(held)
            held = []
        if not held:
            room, rois = plan.together, min(tuning.current.batch_rois, most)
        held.append(batch)
        room, rois = room - cost, rois - len(batch.rows)
    if held:
        yield RoiBatch.joined(held)


def _parts(plan: Plan, selection: Selection, geometry: Geometry, most: int) -> Iterator[RoiBatch]:
    """Yield the RoIs map by map, those together that are cut out of one part of it."""
    owner = selection.images
    edges = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(owner)]
    for begin, end in pairwise(edges):
        rows, on_map, image = selection.rows[begin:end], geometry[begin:end], int(owner[begin])
        for some, window in plan.regions(on_map):
            its, own = on_map[some], rows[some]
            for start in range(0, len(own), most):
                now = slice(start, start + most)
                yield RoiBatch(own[now], its[now], [image], [len(own[now])], [window])
