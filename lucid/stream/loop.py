"""From a plan to crops, chunk by chunk: what a process does of a run."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle
from typing import Any, NamedTuple, TypeVar

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
from lucid.stream.plan import Job, Plan, region_bytes
from lucid.stream.tables import Selection, select

Array = NDArray[Any]
Rows = NDArray[np.intp]
Item = TypeVar("Item")

SHARES = 4  # of a process, at least
FEW = 4096  # RoIs; more at once repay the array operations made for them


class _Piece(NamedTuple):
    """RoIs of an image, and the part of its map that they are cut out of."""

    image: int
    rows: Rows
    geometry: Geometry
    window: tuple[slice, slice]


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
    """Yield the crops of a share, or of all, with their rows.

    A chunk overwrites the last but one: the next is made while one is written. Not so if features
    come from a pipe, for a thread that waits for one cannot be told to end.
    """
    made = _made(plan, share)
    return made if plan.job.features.forwards else ahead(made)


def ahead(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield items, each made by a thread while the one before is in use."""
    with closing(items), ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _made(plan: Plan, share: Share | None) -> Generator[tuple[Rows, Array], None, None]:
    job = plan.job
    most = min(plan.crops, job.crops_shape[0])
    reader = Reader(job.features, plan.images)
    buffers = cycle([np.empty((most, *job.crops_shape[1:]), job.dtype) for _ in range(2)])
    with working_threads(1) as workers:
        for pieces in _together(plan, _pieces(plan, share, most), most):
            rows, crops = np.concatenate([piece.rows for piece in pieces]), next(buffers)
            order = np.argsort(rows)  # so that neighbours in the file are written at once
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            _pool(pieces, reader, crops, place, job, workers)
            yield rows[order], crops[: len(rows)]


def _pieces(plan: Plan, share: Share | None, most: int) -> Iterator[_Piece]:
    """Yield the RoIs map by map, and part by part where a map is read in parts."""
    part, parts = (0, 1) if share is None else (share.part, share.parts)
    for images in plan.groups(None if share is None else share.images):
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
        held.append(selection)
        rois += len(selection.rows)
        if rois >= FEW:
            yield held
            held, rois = [], 0
    if rois:
        yield held


def _parts(plan: Plan, image: int, rows: Rows, geometry: Geometry, most: int) -> Iterator[_Piece]:
    for some in plan.regions(geometry):
        its, own = geometry[some], rows[some]
        window = its.bounds()
        for start in range(0, len(own), most):
            now = slice(start, start + most)
            yield _Piece(image, own[now], its[now], window)


def _together(plan: Plan, pieces: Iterable[_Piece], most: int) -> Iterator[list[_Piece]]:
    """Yield pieces, small ones together, for array operations are made for all at once."""
    held: list[_Piece] = []
    room = rois = 0
    for piece in pieces:
        cost = region_bytes(plan.job, *(side.stop - side.start for side in piece.window))
        fits = cost <= room and len(piece.rows) <= rois
        if held and not (fits and plan.in_one_block(held[0].image, piece.image)):
            yield held
            held = []
        if not held:
            room, rois = plan.together, min(FEW, most)
        held.append(piece)
        room, rois = room - cost, rois - len(piece.rows)
    if held:
        yield held


def _pool(
    pieces: list[_Piece],
    reader: Reader,
    crops: Array,
    place: Rows,
    job: Job,
    workers: Workers,
) -> None:
    regions = []
    for image, rows, _, (down, across) in pieces:
        features = reader.read(image, down, across)
        regions.append(Region(features, len(rows), (down.start, across.start)))
    geometry = Geometry.joined([piece.geometry for piece in pieces])
    dtype = compute_dtype(job.features.dtype)
    try:
        kernel.pool(regions, geometry, crops, place, dtype, workers)
    except FloatingPointError as error:
        raise DTypeError(
            f"{job.features.name}: crops exceed the range of {job.dtype}; choose a wider dtype"
        ) from error
