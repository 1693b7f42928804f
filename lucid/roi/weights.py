"""From geometry to weights: which cells each bin of a RoI reads, and how much of each.

The mask and the bilinear weights of a sample factor into a part of its row and a part of its
column, so the average over a bin's grid of samples is

    crop[p, q] = sum over h, w of row_weights[p, h] * features[h, w] * col_weights[q, w]

Only touched cells are listed, but for gradients perhaps also those between. RoIs that list equally
many in the same way form a group, and are weighted by the same few array operations. A RoI's way
does not depend on its neighbours.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.bands import Lines, Purpose, add_to_all, choose
from lucid.roi.geometry import Floats, Geometry, Ints
from lucid.roi.samples import Samples, Touched, filled, in_range, sides, touched

Array = NDArray[Any]


class Side(NamedTuple):
    """One axis of a group of G RoIs: a list of n cells with R bands, of M bins and L cells each.

    Band r has the cells of the list from r * step on.
    """

    cells: Ints  # (G, n) ascending in each band; where none is touched, the one before, for nothing
    weights: Array  # (G, R, M, L)
    step: int
    slopes: tuple[Array, ...]  # derivatives of the weights by start and end, in box units

    def some(self, part: slice) -> "Side":
        """Return some of the RoIs."""
        slopes = self.slopes and tuple(slope[part] for slope in self.slopes)
        return Side(self.cells[part], self.weights[part], self.step, slopes)


class Group(NamedTuple):
    """RoIs that are weighted by the same operations."""

    rois: NDArray[np.intp]  # (G,) which ones of a geometry
    pooled: tuple[int, int]  # bins of a RoI; more rows fill up its last band, and weigh nothing
    rows: Side
    cols: Side
    in_place: bool  # whether rows are weighted on the map; none is left out, nor a column
    places: Ints  # (G, n) column 0 of listed rows in a table of cells; rows themselves before

    def some(self, part: slice) -> "Group":
        """Return some of the RoIs."""
        rows, cols = self.rows.some(part), self.cols.some(part)
        return Group(self.rois[part], self.pooled, rows, cols, self.in_place, self.places[part])


def groups(
    geometry: Geometry,
    dtype: DTypeLike,
    size: int,
    rois: NDArray[np.intp],
    purpose: Purpose = Purpose.CROPS,
) -> Iterator[Group]:
    """Yield some RoIs with their weights, group by group.

    `geometry` is theirs, `rois` are their numbers, and `size` is that of a cell in bytes.
    """
    if not len(geometry):
        return
    K, samples = len(geometry), in_range(geometry)
    if purpose is Purpose.FEATURES:
        samples = filled(samples, add_to_all(*sides(samples, K), geometry.pooled[0], size))
    span = touched(geometry, samples)
    lines = choose(geometry, span, size, purpose)
    sizes = np.reshape((lines.bands, lines.cells, lines.step), (6, K))
    shape = np.array([*sizes, lines.own[:K], ~lines.in_place])  # those in place come first
    order = np.lexsort((geometry.first[0], *shape))  # neighbours on the map one after the other
    both = np.concatenate([order, K + order])
    cells, flat = _scatter(geometry, samples, span, lines, both, purpose is Purpose.BOXES)
    flat = [values.astype(dtype) for values in flat]
    changes = np.flatnonzero((shape[:, order[1:]] != shape[:, order[:-1]]).any(axis=0)) + 1
    each = [order[start:stop] for start, stop in pairwise([0, *changes.tolist(), K])]
    cut, cut_weights = int(lines.listed[:K].sum()), int(lines.weights[:K].sum())
    rows = _sides(lines, each, cells, flat)
    cols = _sides(
        lines, [K + some for some in each], cells[cut:], [values[cut_weights:] for values in flat]
    )
    for some, down, across in zip(each, rows, cols, strict=True):
        in_place = bool(lines.in_place[some[0]])
        yield Group(rois[some], geometry.pooled, down, across, in_place, down.cells)


def _sides(
    lines: Lines, each: list[NDArray[np.intp]], cells: Ints, flat: list[Array]
) -> Iterator[Side]:
    """Yield groups of lines that are stored alike, whose cells and weights follow each other."""
    at = at_weights = 0
    for some in each:
        G, first = len(some), some[0]
        R, M, L, step = (int(column[first]) for column in lines[:4])
        n = step * (R - 1) + L
        lists = cells[at : (at := at + G * n)].reshape(G, -1, max(L if lines.own[first] else n, 1))
        listed = np.maximum.accumulate(lists, axis=2).reshape(G, n)
        here = slice(at_weights, at_weights := at_weights + G * R * M * L)
        weights, *slopes = (values[here].reshape(G, R, M, L) for values in flat)
        yield Side(listed, weights, step, tuple(slopes))


def _scatter(
    geometry: Geometry,
    samples: Samples,
    span: Touched,
    lines: Lines,
    order: NDArray[np.intp],
    slopes: bool,
) -> tuple[Ints, list[Floats]]:
    """Return the cells of all lines, and the weights with their slopes if wanted, in an order."""
    line, low = samples.line, samples.low
    before = np.where(
        lines.own[line], samples.bin * lines.cells[line] - span.lowest[line, samples.bin], 0
    )
    in_line = samples.slot + before

    cells = np.repeat(geometry.first.ravel()[order], lines.listed[order])
    at = _begin(lines.listed, order)[line] + in_line
    cells[at] = low
    cells[at + 1] = np.minimum(low + 1, geometry.size.ravel()[line] - 1)

    # Bins of one band are L weights apart, as are bands of their own; of bands at an even distance
    # each begins so many cells later.
    total = int(lines.weights.sum())
    at = (
        _begin(lines.weights, order)[line]
        + samples.bin * (lines.cells - lines.step)[line]
        + in_line
    )

    places = np.concatenate([at, at + 1])

    def spread(at_low: Floats, at_high: Floats) -> Floats:
        values: Array = np.bincount(places, np.concatenate([at_low, at_high]), total)
        return values

    share = 1 / samples.grid
    flat = [spread((1 - samples.fraction) * share, samples.fraction * share)]
    if slopes:
        flat += (spread(-rise, rise) for rise in _rises(geometry, samples))
    return cells, flat


def _begin(sizes: Ints, order: NDArray[np.intp]) -> Ints:
    """Return where each line begins if they follow each other in an order."""
    begin = np.empty_like(sizes)
    begin[order] = np.cumsum(sizes[order]) - sizes[order]
    return begin


def _rises(geometry: Geometry, samples: Samples) -> tuple[Floats, Floats]:
    """Return what a sample's upper weight gains per box unit of the start, and of the end."""
    line = samples.line
    last = geometry.size.ravel()[line] - 1
    moves = (samples.position >= 0) & (samples.position < last)  # not clamped
    share = np.repeat(geometry.scale, len(geometry))[line] * moves / samples.grid
    along = samples.passed / np.repeat(geometry.pooled, len(geometry))[line]
    by_end = np.where(geometry.held.ravel()[line], 0, share * along)
    return share - by_end, by_end


def runs(cells: Ints) -> tuple[Ints, Ints]:
    """Return the first cells of gapless lists (.., n), and how many there are from there."""
    first = cells[..., 0]
    return first, cells[..., -1] - first + 1
