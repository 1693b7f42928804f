"""From geometry to weights: which cells each bin of a RoI reads, and how much of each.

The mask and the bilinear weights of a sample factor into a part of its row and a part of its
column, so the average over a bin's grid of samples is

    crop[p, q] = sum over h, w of row_weights[p, h] * features[h, w] * col_weights[q, w]

Only touched cells are listed. RoIs that list equally many form a group, and are weighted by the
same few array operations. The number of cells is rounded up a little, so that groups are large;
for each RoI by itself, so that it is weighted in the same way whoever its neighbours are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.geometry import Floats, Geometry, Ints

Array = NDArray[Any]

# What a row of cells costs, against that of gathering it: to be weighted for one bin alone, and
# for each of several bins in one product. Measured; only the speed depends on them.
ONE_BIN, MANY_BINS = 0.4, 1.0


class Side(NamedTuple):
    """One axis of a group of G RoIs: B bands of M bins, with the L cells that a band touches."""

    cells: Ints  # (G, B, L) ascending; the last is repeated where a band touches fewer
    weights: Array  # (G, B, M, L)
    slopes: tuple[Array, ...]  # derivatives of the weights by start and end, in box units


@dataclass(frozen=True, slots=True)
class Group:
    """RoIs that are weighted by the same operations."""

    rois: NDArray[np.intp]  # (G,) which ones of a geometry
    pooled_height: int  # bins of all bands; the rest of the last weigh nothing
    rows: Side
    cols: Side  # one band
    gapless: bool  # whether bands list rows and columns with none left out between them

    def __len__(self) -> int:
        return len(self.rois)

    def __getitem__(self, part: slice) -> "Group":
        rows, cols = _some(self.rows, part), _some(self.cols, part)
        return Group(self.rois[part], self.pooled_height, rows, cols, self.gapless)


def _some(side: Side, part: slice) -> Side:
    slopes = tuple(slope[part] for slope in side.slopes)
    return Side(side.cells[part], side.weights[part], slopes)


class _Samples(NamedTuple):
    """The samples in range, line after line: the rows of all K RoIs, then their columns."""

    line: Ints
    bin: Ints
    grid: Ints  # of its line
    along: Floats  # 0 at the start of the RoI, 1 at its end
    position: Floats  # in cells
    low: Ints
    fraction: Floats  # of the way from cell low to cell low + 1


class _Lines(NamedTuple):
    """How the 2K lines are stored."""

    split: NDArray[np.bool_]  # whether each bin is a band, or all bins are one
    cells: Ints  # of a band: L
    bands: Ints  # B
    bins: Ints  # of a band: M
    gapless: NDArray[np.bool_]


def groups(
    geometry: Geometry,
    dtype: DTypeLike,
    first: int = 0,
    *,
    slopes: bool = False,
    one_band: bool = False,
) -> Iterator[Group]:
    """Yield the RoIs of a geometry, numbered from `first`, with their weights, group by group.

    With `one_band`, all bins of a RoI are in one: a cell that neighbours share is listed once.
    """
    if not len(geometry):
        return
    samples = _in_range(geometry)
    lines = _lines(geometry, samples, one_band)
    K = len(geometry)
    gapless = lines.gapless[:K] & lines.gapless[K:]
    shape = np.stack([gapless, lines.split[:K], lines.cells[:K], lines.cells[K:]])
    order = np.lexsort((geometry.first[0], *shape))  # neighbours on the map one after the other
    cells, flat = _scatter(geometry, samples, lines, np.concatenate([order, K + order]), slopes)
    flat = [values.astype(dtype) for values in flat]
    changes = np.flatnonzero((shape[:, order[1:]] != shape[:, order[:-1]]).any(axis=0)) + 1
    at = [0, int((lines.bands * lines.cells)[:K].sum())]  # of rows and of columns, in cells
    at_weights = [0, int((lines.bands * lines.bins * lines.cells)[:K].sum())]
    for some in np.split(order, changes):
        sides = []
        for axis in (0, 1):
            _, L, B, M, _ = (int(column[axis * K + some[0]]) for column in lines)
            here = slice(at[axis], at[axis] + len(some) * B * L)
            there = slice(at_weights[axis], at_weights[axis] + len(some) * B * M * L)
            at[axis], at_weights[axis] = here.stop, there.stop
            listed = np.maximum.accumulate(cells[here].reshape(len(some), B, L), axis=2)
            weights = [values[there].reshape(len(some), B, M, L) for values in flat]
            sides.append(Side(listed, weights[0], tuple(weights[1:])))
        rows, cols = sides
        yield Group(first + some, geometry.pooled[0], rows, cols, bool(gapless[some[0]]))


def _in_range(geometry: Geometry) -> _Samples:
    """List the samples in range of all RoIs: positions, and the cells that they fall between."""
    low, many = (column.ravel() for column in geometry.candidates())
    starts, bins = geometry.start.ravel(), geometry.bin.ravel()
    grids, sizes = geometry.grid.ravel(), geometry.size.ravel()
    line = np.repeat(np.arange(len(many)), many)
    number = np.arange(len(line)) + np.repeat(low - (np.cumsum(many) - many), many)
    grid, size = grids[line], sizes[line]
    of_bin = number // grid
    passed = of_bin + (number - of_bin * grid + 0.5) / grid
    position = starts[line] + passed * bins[line]
    some = np.flatnonzero((position >= -1) & (position <= size))
    if len(some) < len(line):
        line, of_bin, grid, size = line[some], of_bin[some], grid[some], size[some]
        passed, position = passed[some], position[some]
    clamped = np.clip(position, 0, size - 1)
    cell = clamped.astype(np.int64)
    along = passed / np.repeat(geometry.pooled, len(geometry))[line]
    return _Samples(line, of_bin, grid, along, position, cell, clamped - cell)


def _lines(geometry: Geometry, samples: _Samples, one_band: bool) -> _Lines:
    """Decide how each line is stored: in one band or in one for each bin, and how long those are.

    One product over all bins reads each cell once; but for bins of many cells nearly all of its
    weights are zeros, and it is less work to read the few cells that neighbours share twice.
    """
    (PH, PW), K = geometry.pooled, len(geometry)
    slots, gapless = _slots(samples.line, samples.low, 2 * K)
    whole = _rounded(slots)
    of_rows = int(np.searchsorted(samples.line, K))
    line, low = samples.line[:of_rows], samples.low[:of_rows]
    slots, gapless_bins = _slots(line * PH + samples.bin[:of_rows], low, K * PH)
    alone = _rounded(slots.reshape(K, PH).max(axis=1))
    split = PH * alone * (1 + ONE_BIN) < whole[:K] * (1 + MANY_BINS * PH)
    split &= PH > 1 and not one_band
    none = np.zeros(K, bool)
    return _Lines(
        np.concatenate([split, none]),
        np.concatenate([np.where(split, alone, whole[:K]), whole[K:]]),
        np.concatenate([np.where(split, PH, 1), np.ones(K, np.int64)]),
        # Matrix products take rows by fours: a fourth is cheaper than three by themselves.
        np.concatenate([np.where(split, 1, PH + (PH % 4 == 3)), np.full(K, PW)]),
        np.concatenate(
            [np.where(split, gapless_bins.reshape(K, PH).all(axis=1), gapless[:K]), gapless[K:]]
        ),
    )


def _steps(owner: Ints, low: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Return where samples have another owner than the one before, and how many new cells each has.

    A sample falls between the cells low and low + 1, and samples ascend.
    """
    new = np.ones(len(owner), bool)
    new[1:] = owner[1:] != owner[:-1]
    step = np.full(len(owner), 2)
    np.minimum(low[1:] - low[:-1], 2, out=step[1:])
    step[new] = 2
    return new, step


def _slots(owner: Ints, low: Ints, owners: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Return how many cells the samples of each owner touch, and whether they leave none out."""
    new, step = _steps(owner, low)
    gaps = np.flatnonzero((low[1:] - low[:-1] > 2) & ~new[1:])
    gapless = np.ones(owners, bool)
    gapless[owner[gaps]] = False
    return np.bincount(owner, step, owners).astype(np.int64), gapless


def _rounded(cells: Ints) -> Ints:
    """Round numbers of cells up to fewer different ones, by a quarter at most."""
    step = 1 << np.maximum(np.frexp(np.maximum(cells - 1, 0))[1] - 3, 0)
    rounded: Ints = -(-cells // step) * step
    return rounded


def _scatter(
    geometry: Geometry, samples: _Samples, lines: _Lines, order: NDArray[np.intp], slopes: bool
) -> tuple[Ints, list[Floats]]:
    """Return the cells of all lines, and the weights with their slopes if wanted, in an order."""
    line, low = samples.line, samples.low
    band = samples.bin * lines.split[line]
    new, slot = _steps(line * max(geometry.pooled) + band, low)
    slot = np.cumsum(np.where(new, 0, slot))
    slot -= np.repeat(slot[new], np.diff(np.flatnonzero(np.append(new, True))))

    in_line = lines.bands * lines.cells
    begin = _begin(in_line, order)
    cells = np.repeat(geometry.first.ravel()[order], in_line[order])
    at = begin[line] + band * lines.cells[line] + slot
    cells[at] = low
    cells[at + 1] = np.minimum(low + 1, geometry.size.ravel()[line] - 1)

    in_line *= lines.bins
    total = int(in_line.sum())
    at = _begin(in_line, order)[line] + samples.bin * lines.cells[line] + slot

    def spread(at_low: Floats, at_high: Floats) -> Floats:
        values: Array = np.bincount(at, at_low, total) + np.bincount(at + 1, at_high, total)
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


def _rises(geometry: Geometry, samples: _Samples) -> tuple[Floats, Floats]:
    """Return what a sample's upper weight gains per box unit of the start, and of the end."""
    line = samples.line
    last = geometry.size.ravel()[line] - 1
    moves = (samples.position >= 0) & (samples.position < last)  # not clamped
    share = np.repeat(geometry.scale, len(geometry))[line] * moves / samples.grid
    by_end = np.where(geometry.held.ravel()[line], 0, share * samples.along)
    return share - by_end, by_end


def runs(cells: Ints) -> tuple[Ints, Ints]:
    """Return the first cells of gapless lists (.., L), and how many there are from there."""
    first = cells[..., 0]
    return first, cells[..., -1] - first + 1
