"""How a run is cut: into shares for its processes, and those into RoIs worked on at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.geometry import Geometry
from lucid.stream.plan import Plan, Window, region_bytes
from lucid.stream.tables import Selection, select

Rows = NDArray[np.intp]

SHARES = 4  # of a process, at least
FEW = 4096  # RoIs; more at once repay the array operations made for them


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


class Piece(NamedTuple):
    """RoIs of an image, and the part of its map that they are cut out of."""

    image: int
    rows: Rows
    geometry: Geometry
    window: Window


def pieces_of(plan: Plan, share: Share | None, most: int) -> Iterator[list[Piece]]:
    """Yield the pieces of a share, or of all, with at most so many RoIs.

    Small ones come together: array operations are made for all at once.
    """
    held: list[Piece] = []
    room = rois = 0
    for piece in _pieces(plan, share, most):
        cost = region_bytes(plan.job, *(side.stop - side.start for side in piece.window))
        fits = cost < room and len(piece.rows) <= rois
        if held and not (fits and plan.in_one_block(held[0].image, piece.image)):
            yield held
            held = []
        if not held:
            room, rois = plan.together, min(FEW, most)
        held.append(piece)
        room, rois = room - cost, rois - len(piece.rows)
    if held:
        yield held


def _pieces(plan: Plan, share: Share | None, most: int) -> Iterator[Piece]:
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
        if not len(selection.rows):  # a part of fewer RoIs than parts
            continue
        held.append(selection)
        rois += len(selection.rows)
        if rois >= FEW:
            yield held
            held, rois = [], 0
    if rois:
        yield held


def _parts(plan: Plan, image: int, rows: Rows, geometry: Geometry, most: int) -> Iterator[Piece]:
    """Yield the RoIs of an image, those together that are cut out of one part of its map."""
    for some, window in plan.regions(geometry):
        its, own = geometry[some], rows[some]
        for start in range(0, len(own), most):
            now = slice(start, start + most)
            yield Piece(image, own[now], its[now], window)
