"""How the cells of RoIs are listed to be weighted: all for all bins, or band by band.

One product over all bins reads each cell once; but for bins of many cells nearly all of its
weights are zeros. A bin touches a narrow band of cells, and to weight each band alone is less
work: a band for each bin, so that cells which neighbours share are listed twice, or bands at a
uniform stride within one list. The figure in `lucid.roi.engines.numpy` shows them.
"""

from typing import NamedTuple

import numpy as np

from lucid.roi.geometry import Geometry
from lucid.roi.taps import Taps
from lucid.roi.types import Bools, Ints

NOTHING = 1 << 40  # the lowest slot of a bin that touches nothing


class BandLayout(NamedTuple):
    """How 2K lines are stored, rows of all RoIs before columns: R bands of M bins and L cells."""

    bands: Ints
    bins: Ints
    cells: Ints
    step: Ints  # from one band to the next in the list
    by_bin: Bools  # whether the list is band after band, one for each bin; else each cell is once
    in_place: Bools  # (K,) whether rows are weighted where they lie in the table

    @property
    def listed(self) -> Ints:
        """Cells of a list."""
        return self.step * (self.bands - 1) + self.cells

    @property
    def weights(self) -> Ints:
        """Weights of a line."""
        return self.bands * self.bins * self.cells


class Spans(NamedTuple):
    """What 2K lines touch; a cell's slot is its number among those that its line lists."""

    slot: Ints  # (n,) of the first cell of each tap
    slots: Ints  # (2K,) in use, of which the map's last cell may have two
    gapless: Bools  # (2K,) whether the cells follow each other on the map
    lowest: Ints  # (2K, bins) first slot of a bin
    highest: Ints  # (2K, bins) last slot of a bin, or -1


class RowForms(NamedTuple):
    """How rows of K RoIs are weighted."""

    by_bin: Bools
    in_place: Bools  # where they lie in the table, by a call for each band
    uncopied: Bools  # so that more of them cost nothing, and fewer sizes make fewer groups


class ColumnForms(NamedTuple):
    """How columns of K RoIs are weighted; all in one band unless one of these."""

    by_bin: Bools
    strided: Bools


class ListSizes(NamedTuple):
    """How many cells a line or band lists, rounded up so that there are fewer sizes."""

    total: Ints  # (2, K) for all bins in one band
    widest_bin: Ints  # (2, K) for a band of each bin
    strided_bin: Ints  # (K,) for a band of each bin's columns, at a uniform stride
    stride: Ints  # (K,) exactly


def spans_of(geometry: Geometry, taps: Taps, slot: Ints) -> Spans:
    """Return which cells lines list, if the first cell of each tap has such a slot."""
    lines, bins = 2 * len(geometry), max(geometry.pooled)
    lowest, highest = _outermost_slots(taps, slot, (lines, bins))
    return Spans(
        slot=slot,
        slots=highest.max(axis=1) + 1,
        gapless=_gapless(taps, slot, lines),
        lowest=lowest,
        highest=highest,
    )


def _outermost_slots(taps: Taps, slot: Ints, shape: tuple[int, int]) -> tuple[Ints, Ints]:
    """Return the first and the last slot of each line's bins, (2K, bins)."""
    owner = taps.line * shape[1] + taps.bin
    first, last = _runs(owner)
    lowest, highest = np.full(shape, NOTHING), np.full(shape, -1)
    lowest.ravel()[owner[first]] = slot[first]
    highest.ravel()[owner[last]] = slot[last] + len(taps.weights) - 1
    return lowest, highest


def touched_slots(taps: Taps) -> Ints:
    """Return the slots of taps if lines list the cells that they touch."""
    first, last = _runs(taps.line)
    slot = np.zeros(len(taps.line), np.int64)
    np.minimum(taps.cell[1:] - taps.cell[:-1], len(taps.weights), out=slot[1:])
    slot[first] = 0
    np.cumsum(slot, out=slot)
    slot -= np.repeat(slot[first], last - first + 1)
    return slot


def window_slots(taps: Taps) -> Ints:
    """Return the slots of taps if lines list all cells from the first to the last."""
    first, last = _runs(taps.line)
    offsets: Ints = taps.cell - np.repeat(taps.cell[first], last - first + 1)
    return offsets


def _gapless(taps: Taps, slot: Ints, lines: int) -> Bools:
    """Return whether lines list all cells from their first to their last, (2K,)."""
    line, gapless = taps.line, np.ones(lines, bool)
    skips = taps.cell[1:] - taps.cell[:-1] > slot[1:] - slot[:-1]
    gapless[line[1:][skips & (line[1:] == line[:-1])]] = False
    return gapless


def _runs(owner: Ints) -> tuple[Ints, Ints]:
    """Return where each owner's taps begin, and where the last of them is."""
    edges = np.ones(len(owner) + 1, bool)
    np.not_equal(owner[1:], owner[:-1], out=edges[1:-1])
    at = edges.nonzero()[0] if len(owner) else np.zeros(1, np.int64)
    return at[:-1], at[1:] - 1


def most_slots(taps: Taps, slot: Ints, rois: int) -> Ints:
    """Return how many slots the lines of RoIs have, (2, K)."""
    _, last = _runs(taps.line)
    slots = np.zeros(2 * rois, np.int64)
    slots[taps.line[last]] = slot[last] + len(taps.weights)
    return slots.reshape(2, rois)


def list_sizes(spans: Spans) -> ListSizes:
    """Return how many cells each form lists."""
    K = len(spans.slots) // 2
    widest = (spans.highest - spans.lowest).max(axis=1) + 1
    stride, strided_bin = _uniform_stride(spans)
    sizes = _rounded(np.concatenate([spans.slots, widest, strided_bin]))
    return ListSizes(
        total=sizes[: 2 * K].reshape(2, K),
        widest_bin=sizes[2 * K : 4 * K].reshape(2, K),
        strided_bin=sizes[4 * K :],
        stride=stride,
    )


def _uniform_stride(spans: Spans) -> tuple[Ints, Ints]:
    """Return the largest stride at which columns' bands hold their bins, and cells of a band.

    Band q begins q strides after the first.
    """
    lines, most = spans.lowest.shape
    cols, bins = slice(lines // 2, lines), np.arange(most)
    lowest, highest = spans.lowest[cols], spans.highest[cols]
    stride = (lowest[:, 1:] // bins[1:]).min(axis=1, initial=1 << 20)
    stride = np.minimum(stride, spans.slots[cols])
    return stride, (highest - stride[:, None] * bins).max(axis=1) + 1


def _rounded(cells: Ints) -> Ints:
    """Round numbers of cells up to fewer different ones, even ones, by a quarter at most from 5."""
    cells = np.maximum(cells, 0)
    unit = np.maximum(1 << np.maximum(np.frexp(np.maximum(cells - 1, 0))[1] - 3, 0), 2)
    rounded: Ints = -(-cells // unit) * unit
    return rounded


def band_layout(
    pooled: tuple[int, int], sizes: ListSizes, rows: RowForms, cols: ColumnForms
) -> BandLayout:
    """Return how lines of these forms are stored."""
    PH, PW = pooled
    by_bin = np.array([rows.by_bin, cols.by_bin])
    cells = np.where(by_bin, sizes.widest_bin, sizes.total)
    cells[0] = np.where(rows.uncopied, _power_of_two(cells[0]), cells[0])
    cells[1] = np.where(cols.strided, sizes.strided_bin, cells[1])
    step = cells * by_bin
    step[1] += cols.strided * sizes.stride
    banded = by_bin | [np.zeros_like(cols.strided), cols.strided]
    # Matrix products take rows by fours: a fourth is cheaper than three by themselves.
    in_one = [[PH + (PH % 4 == 3)], [PW]]
    return BandLayout(
        bands=np.where(banded, [[PH], [PW]], 1).ravel(),
        bins=np.where(banded, 1, in_one).ravel(),
        cells=cells.ravel(),
        step=step.ravel(),
        by_bin=by_bin.ravel(),
        in_place=rows.in_place,
    )


def _power_of_two(cells: Ints) -> Ints:
    """Round numbers of cells up."""
    return np.where(cells > 0, 1 << np.frexp(cells - 1)[1], cells)
