"""The samples of RoIs that are in range: between which cells they fall, and with which share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.geometry import Floats, Geometry, Ints, clip


class Samples(NamedTuple):
    """Samples in range, line after line: the rows of all K RoIs, then their columns."""

    line: Ints
    bin: Ints
    grid: Ints  # of its line
    passed: Floats  # bins from the start of the RoI
    position: Floats  # in cells
    low: Ints
    fraction: Floats  # of the way from cell low to cell low + 1
    slot: Ints  # of cell low in its line's list; the next is that of low + 1


class Touched(NamedTuple):
    """What the 2K lines touch."""

    slots: Ints  # (2K,) cells, or one more: the map's last may be there twice
    gapless: NDArray[np.bool_]  # (2K,) whether they leave none out
    lowest: Ints  # (2K, bins) first slot of a bin; of one that touches nothing, a large number
    highest: Ints  # (2K, bins) last slot of a bin, or -1


def in_range(geometry: Geometry) -> Samples:
    """List the samples in range of all RoIs."""
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
    clamped = clip(position, 0, size - 1)
    cell = clamped.astype(np.int64)
    slot = _slots(line, cell)
    return Samples(line, of_bin, grid, passed, position, cell, clamped - cell, slot)


def _slots(line: Ints, low: Ints) -> Ints:
    """Return the numbers of cells `low` among those that each line touches."""
    first, last = _runs(line)
    slot = np.zeros(len(line), np.int64)
    np.minimum(low[1:] - low[:-1], 2, out=slot[1:])
    slot[first] = 0
    np.cumsum(slot, out=slot)
    slot -= np.repeat(slot[first], last - first + 1)
    return slot


def sides(samples: Samples, rois: int) -> tuple[Ints, Ints]:
    """Return how many cells RoIs touch along each axis, and how many their windows have, (2, K)."""
    first, last = _runs(samples.line)
    touched, window = np.zeros((2, 2 * rois), np.int64)
    touched[samples.line[last]] = samples.slot[last] + 2
    window[samples.line[last]] = samples.low[last] - samples.low[first] + 2
    return touched.reshape(2, rois), window.reshape(2, rois)


def filled(samples: Samples, whole: NDArray[np.bool_]) -> Samples:
    """Return samples with slots for all cells of a window, touched or not, of some RoIs (K,)."""
    first, last = _runs(samples.line)
    cell = samples.low - np.repeat(samples.low[first], last - first + 1)
    return samples._replace(slot=np.where(np.tile(whole, 2)[samples.line], cell, samples.slot))


def _runs(owner: Ints) -> tuple[Ints, Ints]:
    """Return where each owner's samples begin, and where the last of them is."""
    edges = np.ones(len(owner) + 1, bool)
    np.not_equal(owner[1:], owner[:-1], out=edges[1:-1])
    at = edges.nonzero()[0] if len(owner) else np.zeros(1, np.int64)
    return at[:-1], at[1:] - 1


def touched(geometry: Geometry, samples: Samples) -> Touched:
    """Return what lines touch, as a whole and bin by bin."""
    line, low, slot = samples.line, samples.low, samples.slot
    lines, bins = 2 * len(geometry), max(geometry.pooled)
    owner = line * bins + samples.bin
    first, last = _runs(owner)
    lowest, highest = np.full((2, lines * bins), [[1 << 40], [-1]])
    lowest[owner[first]] = slot[first]
    highest[owner[last]] = slot[last] + 1
    gapless = np.ones(lines, bool)
    gaps = (low[1:] - low[:-1] > slot[1:] - slot[:-1]) & (line[1:] == line[:-1])
    gapless[line[1:][gaps]] = False
    highest = highest.reshape(lines, bins)
    return Touched(highest.max(axis=1) + 1, gapless, lowest.reshape(lines, bins), highest)
