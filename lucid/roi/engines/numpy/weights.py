"""From taps to weights: which cells each bin of a RoI reads, and how much of each.

Weights factor into a part of the row and a part of the column, so a crop is

    crop[p, q] = sum over h, w of row_weights[p, h] * features[h, w] * col_weights[q, w]

Only touched cells are listed, but for gradients perhaps also those between. RoIs that list equally
many in the same form are weighted by the same few array operations. A RoI's form does not depend
on its neighbours.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.channels_last import ChannelsLastTable
from lucid.roi.engines.numpy.layout import BandLayout, Spans
from lucid.roi.engines.numpy.passes import Pass
from lucid.roi.geometry import Geometry, as_column
from lucid.roi.taps import Taps
from lucid.roi.types import Array, Indices, Ints


class AxisWeights(NamedTuple):
    """One axis of G RoIs: a list of n cells with R bands, of M bins and L cells each.

    Band r has the cells of the list from r * step on.
    """

    cells: Ints  # (G, n) ascending in each band; where none is touched, the one before, for nothing
    weights: Array  # (G, R, M, L)
    step: int
    slopes: tuple[Array, ...]  # of the weights, by start and end in input coordinates

    def part(self, some: slice) -> "AxisWeights":
        """Return some of the RoIs."""
        slopes = tuple(slope[some] for slope in self.slopes)
        return self._replace(cells=self.cells[some], weights=self.weights[some], slopes=slopes)


class Batch(NamedTuple):
    """RoIs that are weighted by the same operations."""

    rois: Indices  # (G,) which ones of a geometry
    pooled: tuple[int, int]  # bins of a RoI; more rows fill up its last band, and weigh nothing
    rows: AxisWeights
    cols: AxisWeights
    in_place: bool  # whether rows are weighted in the table; none is left out, nor a column
    places: Ints  # (G, n) where column 0 of each listed row is in the table

    def part(self, some: slice) -> "Batch":
        """Return some of the RoIs."""
        return self._replace(
            rois=self.rois[some],
            rows=self.rows.part(some),
            cols=self.cols.part(some),
            places=self.places[some],
        )


def parts_of(geometry: Geometry) -> Iterator[Indices]:
    """Yield RoIs, those with like windows together, in parts whose weights are computed at once."""
    if len(geometry) == 1:
        yield np.zeros(1, np.intp)
        return
    order = np.lexsort(geometry.count)
    values = (
        geometry.tap_operator.tap_counts(geometry) + as_column(geometry.pooled) * geometry.count
    )
    cost = np.cumsum(values.sum(axis=0)[order] + 2 * max(geometry.pooled))  # also of no cells
    begin = 0
    while begin < len(geometry):
        before = cost[begin - 1] if begin else 0
        most = before + tuning.current.laid_out_values
        end = int(np.searchsorted(cost, most, side="right"))
        yield order[begin : (begin := max(end, begin + 1))]


def batches_by_part(
    geometry: Geometry, table: ChannelsLastTable, way: Pass
) -> Iterator[Iterator[Batch]]:
    """Yield the batches of each part of RoIs whose weights are computed at once."""
    return (batches_of(geometry, part, table, way) for part in parts_of(geometry))


def batches_of(
    geometry: Geometry, rois: Indices, table: ChannelsLastTable, way: Pass
) -> Iterator[Batch]:
    """Yield some RoIs of a geometry with their weights, as many at a time as the cache holds."""
    for group in groups(geometry, rois, table, way):
        step = _rois_at_once(group, table.cell_bytes, way.gathers)
        if len(group.rois) <= step:
            yield group
            continue
        for start in range(0, len(group.rois), step):
            yield group.part(slice(start, start + step))


def _rois_at_once(group: Batch, cell_bytes: int, gathers: bool) -> int:
    """Return how many RoIs of a group to work on at once, so that the cache holds their cells."""
    (PH, PW), width = group.pooled, group.cols.cells.shape[1]
    height = group.places.shape[1] if gathers and not group.in_place else PH
    size = (width * height + PH * PW) * (cell_bytes + group.places.itemsize)
    return max(tuning.current.batch_bytes // int(size), 1)


def groups(
    geometry: Geometry, rois: Indices, table: ChannelsLastTable, way: Pass
) -> Iterator[Batch]:
    """Yield some RoIs of a geometry with their weights, all together that are stored alike."""
    if not len(rois):
        return
    some, K = geometry[rois], len(rois)
    taps = geometry.tap_operator.taps(some, way.slopes)
    spans = way.spans(some, taps, table.cell_bytes)
    layout = way.layout(some, spans, table.cell_bytes)
    runs = _alike(some, layout)
    order = np.concatenate(runs)
    lists = _Lists(some, taps, spans, layout, np.concatenate([order, K + order]), table)
    for run, rows, cols in zip(runs, lists.axis(runs, 0), lists.axis(runs, K), strict=True):
        chosen = rois[run]
        yield Batch(
            rois=chosen,
            pooled=geometry.pooled,
            rows=rows,
            cols=cols,
            in_place=bool(layout.in_place[run[0]]),
            places=rows.cells * table.pitch[chosen, None] + table.base[chosen, None],
        )


def _alike(geometry: Geometry, layout: BandLayout) -> list[Indices]:
    """Return runs of RoIs that are stored alike, neighbours on the map one after the other.

    Those that are weighted in place come first.
    """
    K = len(geometry)
    sizes = np.reshape((layout.bands, layout.cells, layout.step), (6, K))
    form = np.array([*sizes, layout.by_bin[:K], ~layout.in_place])
    order = np.lexsort((geometry.first[0], *form))
    changes = np.flatnonzero((form[:, order[1:]] != form[:, order[:-1]]).any(axis=0)) + 1
    return [order[start:stop] for start, stop in pairwise([0, *changes.tolist(), K])]


class _Lists:
    """The cells of all lines in an order, and their weights, one line after the other."""

    def __init__(
        self,
        geometry: Geometry,
        taps: Taps,
        spans: Spans,
        layout: BandLayout,
        order: Indices,
        table: ChannelsLastTable,
    ) -> None:
        self._layout = layout
        self._first_cell, self._first_weight = (
            _begin(sizes, order) for sizes in (layout.listed, layout.weights)
        )
        line, before = taps.line, taps.bin * layout.cells[taps.line]
        before = np.where(layout.by_bin[line], before - spans.lowest[line, taps.bin], 0)
        in_list = spans.slot + before
        self._cells = self._filled(geometry, taps, in_list, order)
        # Bins of one band are L weights apart, as are bands of one bin each; of bands at a uniform
        # stride each begins so many cells later.
        at = self._first_weight[line] + taps.bin * (layout.cells - layout.step)[line] + in_list
        places, total = (at + _along(taps)).ravel(), int(layout.weights.sum())
        self._values = [
            np.bincount(places, values.ravel(), total).astype(table.cells.dtype)
            for values in (taps.weights, *taps.slopes)
        ]

    def _filled(self, geometry: Geometry, taps: Taps, in_list: Ints, order: Indices) -> Ints:
        """Return the cells of all lists; where none is touched, the first of the window."""
        cells = np.repeat(geometry.first.ravel()[order], self._layout.listed[order])
        last = geometry.size.ravel()[taps.line] - 1
        at, read = self._first_cell[taps.line] + in_list + _along(taps), taps.cell + _along(taps)
        cells[at] = np.minimum(read, last)
        return cells

    def axis(self, runs: list[Indices], offset: int) -> Iterator[AxisWeights]:
        """Yield the rows (offset 0) or the columns (K) of runs of RoIs that are stored alike."""
        layout = self._layout
        for run in runs:
            G, first = len(run), offset + run[0]
            R, M, L, step = (int(column[first]) for column in layout[:4])
            n, at = step * (R - 1) + L, int(self._first_cell[first])
            band = max(L if layout.by_bin[first] else n, 1)
            lists = self._cells[at : at + G * n].reshape(G, -1, band)
            at = int(self._first_weight[first])
            weights, *slopes = (
                values[at : at + G * R * M * L].reshape(G, R, M, L) for values in self._values
            )
            yield AxisWeights(
                cells=np.maximum.accumulate(lists, axis=2).reshape(G, n),
                weights=weights,
                step=step,
                slopes=tuple(slopes),
            )


def _along(taps: Taps) -> Ints:
    """Return the numbers of the cells that a tap reads, (T, 1)."""
    return np.arange(len(taps.weights))[:, None]


def _begin(sizes: Ints, order: Indices) -> Ints:
    """Return where each line begins if they follow each other in an order."""
    begin = np.empty_like(sizes)
    begin[order] = np.cumsum(sizes[order]) - sizes[order]
    return begin


def gapless_runs(cells: Ints) -> tuple[Ints, Ints]:
    """Return the first cells of gapless lists (.., n), and how many there are from there."""
    first = cells[..., 0]
    return first, cells[..., -1] - first + 1
