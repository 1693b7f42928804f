"""The samples of turned grids, of which only those near the map are ever listed."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from lucid.roi.geometry import Geometry, clip, numbered
from lucid.roi.taps import TurnedGrids
from lucid.roi.types import Bools, Floats, Ints

LISTED_SAMPLES = 1 << 14  # at once
SLACK = 2.0**-46  # how much more than arithmetic asks for is near, of the sizes in it
MOST_SLACK = 256.0  # cells: where arithmetic is not as exact, no sample has a place of its own


class Lines(NamedTuple):
    """Some rows of samples of each RoI, numbered through its bins."""

    first: Ints  # (K,)
    number: Ints  # (K,)


class Samples(NamedTuple):
    """Samples in range, (n,) or (2, n) each; their RoIs ascend, and rows in each."""

    roi: Ints
    bin: Ints  # (2, n)
    per_bin: Ints  # samples of its bin, in range or not
    from_centre: Floats  # (2, n) in cells, before it is turned
    along: Floats  # (2, n) bins from the start
    cell: Ints  # (2, 2, n) first and second that is read, along each axis
    fraction: Floats  # (2, n) how much of the second
    moves: Bools  # (2, n) not where it is clamped


class Frame(NamedTuple):
    """Grids on maps, and how far from their centres these reach: a bit farther, for safety."""

    grids: TurnedGrids
    pooled: tuple[int, int]
    size: Ints  # (2, K)
    low: Floats  # (2, K)
    high: Floats  # (2, K)

    @classmethod
    def of(cls, geometry: Geometry, grids: TurnedGrids) -> "Frame":
        """Return the frame of the RoIs of a geometry."""
        sizes = geometry.size + abs(grids.centre) + abs(grids.start)
        slack = np.minimum(SLACK * sizes.sum(axis=0), MOST_SLACK)
        low, high = -1 - grids.centre - slack, geometry.size - grids.centre + slack
        return cls(grids, geometry.pooled, geometry.size, low, high)

    def corners(self) -> Floats:
        """Return the corners of maps (corner, axis, K) as grids see them that are not turned."""
        sine, cosine = self.grids.turn
        sides = (self.low[0], self.high[0]), (self.low[1], self.high[1])
        both = [(x * sine + y * cosine, x * cosine - y * sine) for y, x in product(*sides)]
        return np.array(both)

    def numbers(self, axis: int, roi: Ints, low: Floats, high: Floats) -> tuple[Ints, Ints]:
        """Return which samples lie between two places: the first, and how many.

        These are two more on each side than arithmetic asks for.
        """
        samples = self.grids.samples[axis, roi]
        total = (samples * self.pooled[axis]).astype(np.float64)
        step = self.grids.bin[axis, roi] / np.maximum(samples, 1)
        start = self.grids.start[axis, roi]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            first = np.ceil((low - start) / step - 0.5) - 2
            end = np.floor((high - start) / step - 0.5) + 3
            most = (self.size[:, roi].sum(axis=0) + 2 * MOST_SLACK) / step + 8
        first = clip(np.where(step > 0, first, 0), 0, total).astype(np.int64)
        end = clip(np.where(step > 0, end, total), 0, total)
        most = np.where(step > 0, np.minimum(most, total), total)
        return first, clip(end - first, 0, most).astype(np.int64)

    def places(self, axis: int, roi: Ints, number: Ints) -> tuple[Ints, Floats, Floats]:
        """Return the bins of samples, and how far these are from the start and the centre."""
        samples = self.grids.samples[axis, roi]
        of_bin = number // samples
        along = of_bin + (number - of_bin * samples + 0.5) / samples
        return of_bin, along, self.grids.start[axis, roi] + along * self.grids.bin[axis, roi]


def near(geometry: Geometry, frame: Frame) -> tuple[Lines, Lines]:
    """Return which rows and columns of samples of each RoI may be in range."""
    corners, every = frame.corners(), np.arange(len(geometry))
    found = []
    for axis, low, high in zip(range(2), corners.min(axis=0), corners.max(axis=0), strict=True):
        first, count = frame.numbers(axis, every, low, high)
        found.append(Lines(first, np.where(geometry.touched() > 0, count, 0)))
    return found[0], found[1]


def parts(geometry: Geometry, frame: Frame, least: int) -> Iterator[tuple[slice, list[Lines]]]:
    """Yield RoIs that are worked on together, with their rows of samples.

    One with many samples is alone, and its rows are cut. Each counts as `least` samples or more.
    """
    rows, columns = near(geometry, frame)
    cost = np.cumsum(np.maximum(rows.number * columns.number, least))
    begin, K = 0, len(geometry)
    while begin < K:
        before = cost[begin - 1] if begin else 0
        end = int(np.searchsorted(cost, before + LISTED_SAMPLES, side="right"))
        some = slice(begin, begin := max(end, begin + 1))
        first, count = rows.first[some], rows.number[some]
        step = max(int(LISTED_SAMPLES // max(columns.number[some.start], 1)), 1)
        if end > some.start or count[0] <= step:
            yield some, [Lines(first, count)]
            continue
        starts = range(0, int(count[0]), step)
        yield some, [Lines(first + at, np.minimum(count - at, step)) for at in starts]


def listed(frame: Frame, lines: Lines) -> Samples:
    """Return the samples in range of some rows."""
    line_of, row = numbered(*lines)
    p, down, v = frame.places(0, line_of, row)
    first, count = frame.numbers(1, line_of, *_crossing(frame, line_of, v))
    line, column = numbered(first, count)
    roi = line_of[line]
    q, across, u = frame.places(1, roi, column)
    v = v[line]
    position, size = frame.grids.position(v, u, roi), frame.size[:, roi]
    some = np.flatnonzero(((position >= -1) & (position <= size)).all(axis=0))
    line, roi, position, last = line[some], roi[some], position[:, some], size[:, some] - 1
    clamped = clip(position, 0, last)
    cell = clamped.astype(np.int64)
    return Samples(
        roi=roi,
        bin=np.array([p[line], q[some]]),
        per_bin=frame.grids.samples.prod(axis=0)[roi],
        from_centre=np.array([v[some], u[some]]),
        along=np.array([down[line], across[some]]),
        cell=np.array([cell, np.minimum(cell + 1, last)]),
        fraction=clamped - cell,
        moves=(position >= 0) & (position < last),
    )


def shares_in_range(geometry: Geometry, grids: TurnedGrids) -> Floats:
    """Return the share of each bin's samples that are in range, (K, PH, PW); 0 without any."""
    counts = np.zeros((len(geometry), *geometry.pooled))
    for some, cuts in parts(geometry, Frame.of(geometry, grids), 1):
        own = Frame.of(geometry[some], TurnedGrids._make(values[:, some] for values in grids))
        for samples in (listed(own, lines) for lines in cuts):
            np.add.at(counts[some], (samples.roi, *samples.bin), 1)
    every = np.maximum(grids.samples.astype(np.float64).prod(axis=0), 1)
    shares: Floats = counts / every[:, None, None]
    return shares


def _crossing(frame: Frame, roi: Ints, v: Floats) -> tuple[Floats, Floats]:
    """Return between which places along them rows of samples cross the map."""
    sine, cosine = frame.grids.turn[:, roi]
    steps, base = np.array([-sine, cosine]), np.array([v * cosine, v * sine])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ends = np.array([(side[:, roi] - base) / steps for side in (frame.low, frame.high)])
    ends[:, steps == 0] = [[-np.inf], [np.inf]]
    return ends.min(axis=0).max(axis=0), ends.max(axis=0).min(axis=0)
