"""Which RoIs are drawn: named, of an image, at random, odd, or the first few of a few images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import RoiError
from lucid.roi.table import RoiTable
from lucid.stream import tuning
from lucid.stream.plan.coverage import Placement
from lucid.stream.read.rois import RoiSource
from lucid.stream.types import Rows
from lucid.viewer.wishes import Wishes

FIRST_IMAGES, FIRST_ROIS = 4, 12  # that are drawn where nothing is asked for
MOST_ROIS, MOST_IMAGES = 200, 20
WORST_OF_A_KIND = 3
THIN, TINY_CELLS = 8.0, 1.0

Floats = NDArray[np.float64]


class Choice(NamedTuple):
    """The RoIs that are drawn."""

    rows: Rows  # ascending
    kinds: dict[int, list[str]]  # why a row is among the worst
    left_out: int = 0  # that were asked for and are more than can be drawn


class Part(NamedTuple):
    """Some rows of the table that are asked for."""

    rows: Rows
    images: Floats  # as the rows name them, which need not be there
    table: RoiTable  # as they lie on their maps


def choose(
    source: RoiSource, wishes: Wishes, images: Collection[int] | None, placement: Placement
) -> Choice:
    """Return the rows to draw, of some images or of all.

    Raises
    ------
    RoiError
        If rows are asked for that are not there.
    """
    parts: Sequence[slice] | None = wishes.rows
    wanted = images is not None
    for part in parts or ():
        if part.start is not None and part.start >= source.rois:
            raise RoiError(f"{source.name} has {source.rois} RoIs and no row {part.start}")
    if wishes.worst:
        kinds = _worst(source, parts, images, placement)
        return _at_most(np.array(sorted(kinds), np.intp), kinds)
    if wishes.random is not None:
        rng = np.random.default_rng(wishes.seed)
        among = source.rois if not (parts or wanted) else _all(source, parts, images)
        count = min(wishes.random, among if isinstance(among, int) else len(among))
        return _at_most(np.sort(rng.choice(among, count, replace=False)))
    if not (parts or wanted):
        return Choice(_first(source), {})
    return _at_most(_all(source, parts, images))


def _at_most(rows: Rows, kinds: dict[int, list[str]] | None = None) -> Choice:
    return Choice(rows[:MOST_ROIS], kinds or {}, max(len(rows) - MOST_ROIS, 0))


def _slices(
    source: RoiSource, parts: Collection[slice] | None, images: Collection[int] | None
) -> Iterator[Part]:
    """Yield the rows of the table that are asked for, some at a time."""
    for start in range(0, source.rois, tuning.current.slice_rows):
        stop = min(start + tuning.current.slice_rows, source.rois)
        wanted = np.zeros(stop - start, bool)
        for part in parts if parts is not None else [slice(None)]:
            first, last, step = part.indices(source.rois)
            first += max(-(-(start - first) // step), 0) * step
            wanted[first - start : max(last - start, 0) : step] = first < stop
        if wanted.any():
            _, rows, table, _ = source.examined(start, stop)
            named = np.where(table.valid, table.batch_index % max(source.images, 1), rows[:, 0])
            if images is not None:
                wanted &= np.isin(named, list(images))
            yield Part(start + np.flatnonzero(wanted), named[wanted], table[wanted])


def _all(
    source: RoiSource, parts: Collection[slice] | None, images: Collection[int] | None
) -> Rows:
    found = [part.rows for part in _slices(source, parts, images)]
    return np.concatenate([np.empty(0, np.intp), *found])


def _first(source: RoiSource) -> Rows:
    """Return the first RoIs of the first images that have any."""
    counts = np.zeros(source.images, np.int64)
    for part in _slices(source, None, None):
        owners = part.images[part.table.valid].astype(np.int64)
        counts += np.bincount(owners, minlength=source.images)
    left = dict.fromkeys(np.flatnonzero(counts)[:FIRST_IMAGES].tolist(), FIRST_ROIS)
    found: list[Rows] = []
    for part in _slices(source, None, list(left)):
        for image in left:
            mine = part.rows[part.images == image][: left[image]]
            left[image] -= len(mine)
            found.append(mine)
        if not any(left.values()):
            break
    return np.sort(np.concatenate([np.empty(0, np.intp), *found]))


def _worst(
    source: RoiSource,
    parts: Collection[slice] | None,
    images: Collection[int] | None,
    placement: Placement,
) -> dict[int, list[str]]:
    """Return the oddest few rows of each kind, and of which kinds each is."""
    kept: dict[str, list[tuple[float, int]]] = {}
    for part in _slices(source, parts, images):
        for kind, scores in _odd(part.table, placement).items():
            order = np.argsort(-scores, kind="stable")[:WORST_OF_A_KIND]
            some = [(-float(scores[k]), int(part.rows[k])) for k in order if scores[k] > 0]
            kept[kind] = sorted(kept.get(kind, []) + some)[:WORST_OF_A_KIND]
    found: dict[int, list[str]] = {}
    for kind, worst in kept.items():
        for _, row in worst:
            found.setdefault(row, []).append(kind)
    return found


def _odd(table: RoiTable, placement: Placement) -> dict[str, Floats]:
    """Return by kind how odd each RoI is, 0 where it is not."""
    boxes = table.boxes if placement.upright is None else placement.upright(table.boxes)
    low, high = (ends + placement.offset for ends in placement.cells(boxes))
    limits = placement.limits(table.batch_index)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sides = high - low
        within = np.clip(np.minimum(high, limits) - np.maximum(low, 0), 0, None)
        share = np.where(sides > 0, within / sides, (low >= 0) & (high <= limits)).prod(axis=0)
        longest = sides.max(axis=0)
        odd = {
            "outside": 1 - share,
            "tiny": np.where(longest < TINY_CELLS, 1 / longest, 0),
            "thin": np.where(longest >= TINY_CELLS, longest / sides.min(axis=0), 0),
            "largest": sides.prod(axis=0),
        }
    odd["thin"][odd["thin"] < THIN] = 0
    odd = {kind: np.where(table.valid, np.nan_to_num(scores), 0) for kind, scores in odd.items()}
    return {"invalid": (~table.valid).astype(float), **odd}
