"""From a plan to crops, chunk by chunk: what a process does of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import DTypeError
from lucid.roi import kernel
from lucid.roi.cells import Region
from lucid.roi.geometry import Geometry
from lucid.roi.operator import compute_dtype
from lucid.roi.threads import working_threads
from lucid.roi.workers import Workers
from lucid.stream.features import Reader
from lucid.stream.plan import Job, Plan
from lucid.stream.tables import select

Array = NDArray[Any]
Rows = NDArray[np.intp]

SHARES = 4  # of a process, at least


class Share(NamedTuple):
    """A part of a run: images, and of their RoIs one part of so many."""

    images: range
    part: int = 0
    parts: int = 1


def shares(plan: Plan) -> Iterator[Share]:
    """Yield a run in shares, several for each of its processes so that all end at one time.

    An image of which there are too many RoIs for that is shared by its RoIs, and read by all.
    """
    counts, jobs = plan.survey.counts, plan.jobs
    most = max(-(-int(counts.sum()) // (SHARES * jobs)), 1)
    begin = held = 0
    for image in np.flatnonzero(counts).tolist():
        first = image - image % plan.images  # those of one block stay together
        if held >= most and first > begin:
            yield Share(range(begin, first))
            begin, held = first, 0
        if counts[image] > most * SHARES and plan.images == 1:
            if held:
                yield Share(range(begin, image))
            yield from (Share(range(image, image + 1), part, jobs) for part in range(jobs))
            begin, held = image + 1, 0
        else:
            held += int(counts[image])
    if held:
        yield Share(range(begin, len(counts)))


def crops_of(plan: Plan, share: Share | None = None) -> Iterator[tuple[Rows, Array]]:
    """Yield the crops of a share, or of all, with their rows; each chunk overwrites the last."""
    job = plan.job
    most = min(plan.crops, job.crops_shape[0])
    reader = Reader(job.features, plan.images)
    crops = np.empty((most, *job.crops_shape[1:]), job.dtype)
    with working_threads(1) as workers:
        for image, rows, geometry in _regions(plan, share):
            down, across = geometry.bounds()
            region = reader.read(image, down, across)
            for start in range(0, len(rows), most):
                some = slice(start, start + most)
                _pool(region, (down.start, across.start), geometry[some], crops, job, workers)
                yield rows[some], crops[: len(rows[some])]


def _regions(plan: Plan, share: Share | None) -> Iterator[tuple[int, Rows, Geometry]]:
    """Yield, map by map, the RoIs that are cut out of one region of it."""
    job = plan.job
    for images in plan.groups(None if share is None else share.images):
        for selection in select(job.rois, plan.survey, images, plan.selected):
            mine = slice(None)
            if share is not None and share.parts > 1:
                cuts = np.linspace(0, len(selection.rows), share.parts + 1).astype(int)
                mine = slice(*cuts[share.part : share.part + 2])
            rows, boxes = selection.rows[mine], selection.boxes[mine]
            if not len(rows):
                continue
            geometry = job.lay_out(boxes, selection.image)
            for some in plan.regions(geometry):
                yield selection.image, rows[some], geometry[some]


def _pool(
    features: Array,
    origin: tuple[int, int],
    geometry: Geometry,
    crops: Array,
    job: Job,
    workers: Workers,
) -> None:
    rows, dtype = np.arange(len(geometry)), compute_dtype(features.dtype)
    region = Region(features, len(geometry), origin)
    try:
        kernel.pool([region], geometry, crops, rows, dtype, workers)
    except FloatingPointError as error:
        raise DTypeError(
            f"{job.features.name}: crops exceed the range of {job.dtype}; choose a wider dtype"
        ) from error
