"""How the cells of a RoI are listed to be weighted: all for all bins, or band by band.

One product over all bins reads each cell once; but for bins of many cells nearly all of its
weights are zeros. A bin touches a narrow band of cells, and to weight each band alone is less
work: bands of their own, in which cells that neighbours share are listed twice, or bands at an
even distance within one list.
"""

from enum import Enum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.geometry import Geometry, Ints
from lucid.roi.samples import Touched

# What it costs to weight a cell, as a multiple of gathering it: for one bin alone, and for each of
# several bins in one product. Measured, like all of these; only the speed depends on them.
ONE_BIN, MANY_BINS = 0.8, 0.35
# What a call for one RoI costs beside, a product for one bin, and a group of RoIs for each of them:
# in bytes that could be gathered meanwhile.
CALL, PRODUCT, GROUP = 200_000, 3_000, 300_000
# The same of adding to a map's gradient.
ADD_ONE_BIN, ADD_MANY_BINS, ADD_CALL = 1.0, 3.0, 25_000
# And of a cell with others between, as a multiple of adding to it; of a column's cells for each row
# of bins; and of a RoI with such cells.
ADD_APART, ADD_COLUMN, ADD_ROI = 3.0, 1.5, 20_000
LARGE = 1 << 17  # bytes; threads that call for less hinder each other
NARROW = 128  # bytes; the bits of products with rows of 1 to 3 numbers depend on where these lie


class Purpose(Enum):
    """What weights are for."""

    CROPS = auto()
    BOXES = auto()  # the gradient of boxes: slopes are wanted, and columns in one band
    FEATURES = auto()  # the gradient of features: columns in one band, windows perhaps as a whole


class Lines(NamedTuple):
    """How 2K lines are stored, rows of all RoIs before columns: R bands of M bins and L cells."""

    bands: Ints
    bins: Ints
    cells: Ints
    step: Ints  # from one band to the next in the list
    own: NDArray[np.bool_]  # whether the list is band after band, else it has each cell once
    in_place: NDArray[np.bool_]  # (K,) whether rows are weighted where they lie on the map

    @property
    def listed(self) -> Ints:
        """Cells of a list."""
        return self.step * (self.bands - 1) + self.cells

    @property
    def weights(self) -> Ints:
        """Weights of a line."""
        return self.bands * self.bins * self.cells


def choose(geometry: Geometry, touched: Touched, size: int, purpose: Purpose) -> Lines:
    """Choose how lines are stored, for cells of so many bytes."""
    K, (PH, PW) = len(geometry), geometry.pooled
    alone = (touched.highest - touched.lowest).max(axis=1) + 1
    step, even = _even(touched)
    sizes = _rounded(np.concatenate([touched.slots, alone, even]))
    whole, alone, even = sizes[: 2 * K].reshape(2, K), sizes[2 * K : -K].reshape(2, K), sizes[-K:]
    own, evenly = np.zeros((2, K), bool), np.zeros(K, bool)
    own[0], in_place = _rows(geometry, touched, whole, alone, size, purpose)
    if PW > 1 and purpose is Purpose.CROPS:
        rows = np.where(own[0], alone[0] * PH, whole[0])
        own[1], evenly = _cols(geometry.pooled, whole[1], alone[1], even, rows, size)
        own[1] &= ~in_place
        evenly &= in_place & (step * (PW - 1) + even <= whole[1])
    cells = np.where(own, alone, whole)
    # Where rows are not copied, more of them cost nothing, and fewer sizes make fewer groups.
    uncopied = in_place | (purpose is Purpose.FEATURES)
    cells[0] = np.where(uncopied & (cells[0] > 0), 1 << np.frexp(cells[0] - 1)[1], cells[0])
    cells[1] = np.where(evenly, even, cells[1])
    steps = own * cells
    steps[1] += evenly * step
    several = own | [np.zeros(K, bool), evenly]
    # Matrix products take rows by fours: a fourth is cheaper than three by themselves.
    bins = np.where(several, 1, [[PH + (PH % 4 == 3)], [PW]])
    bands = np.where(several, [[PH], [PW]], 1)
    columns = bands.ravel(), bins.ravel(), cells.ravel(), steps.ravel(), own.ravel()
    return Lines(*columns, in_place)


def add_to_all(touched: Ints, window: Ints, bins: int, size: int) -> NDArray[np.bool_]:
    """Return of which RoIs all of a window is added to: less work than to leave out cells.

    They touch (2, K) cells along the axes of windows (2, K), and have so many rows of bins.
    """
    whole = window.prod(axis=0) + ADD_COLUMN * bins * (window[1] - touched[1])
    to_all: NDArray[np.bool_] = whole * size < ADD_APART * touched.prod(axis=0) * size + ADD_ROI
    return to_all


def _rows(
    geometry: Geometry, touched: Touched, whole: Ints, alone: Ints, size: int, purpose: Purpose
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return of which RoIs each bin has rows of its own, and which lie where they are weighted."""
    PH, width = geometry.pooled[0], whole[1] * size
    gapless = touched.gapless.reshape(2, -1).all(axis=0)
    if purpose is Purpose.FEATURES:
        own = PH * (ADD_CALL + ADD_ONE_BIN * alone[0] * width) < ADD_MANY_BINS * whole[0] * width
        return own & gapless & (PH > 1), np.zeros(len(own), bool)
    gapless &= width >= NARROW
    large = gapless & (alone[0] * width >= LARGE)
    in_one, in_all = MANY_BINS * PH * whole[0], ONE_BIN * PH * alone[0]
    costs = [
        (whole[0] + in_one) * width,  # gathered, for all bins together
        np.where(PH > 1, (alone[0] * PH + in_all) * width, np.inf),  # gathered, for each its own
        np.where(gapless, CALL + in_one * width, np.inf),  # in place, for all bins together
        np.where(large & (PH > 1), CALL * PH + in_all * width, np.inf),  # in place, its own
    ]
    form = np.argmin(costs, axis=0)
    return form % 2 == 1, form >= 2


def _cols(
    pooled: tuple[int, int], whole: Ints, alone: Ints, even: Ints, rows: Ints, size: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where columns of each bin's own are less work, and where bands at an even distance.

    Columns that are listed twice are gathered, and weighted by row, twice.
    """
    bins = pooled[0] * pooled[1]
    spared = whole * size * MANY_BINS - PRODUCT
    twice = (alone * pooled[1] - whole) * rows * size * (1 + ONE_BIN) / bins
    return (
        alone * size * ONE_BIN + twice < spared,
        (spared - even * size * ONE_BIN) * bins > GROUP,
    )


def _even(touched: Touched) -> tuple[Ints, Ints]:
    """Return the largest step so that columns' bands hold their bins, and cells of a band.

    Band q begins q steps after the first.
    """
    lines, most = touched.lowest.shape
    cols, bins = slice(lines // 2, lines), np.arange(most)
    lowest, highest = touched.lowest[cols], touched.highest[cols]
    step = (lowest[:, 1:] // bins[1:]).min(axis=1, initial=1 << 20)
    step = np.minimum(step, touched.slots[cols])
    return step, (highest - step[:, None] * bins).max(axis=1) + 1


def _rounded(cells: Ints) -> Ints:
    """Round numbers of cells up to fewer different ones, even ones, by a quarter at most from 5."""
    cells = np.maximum(cells, 0)
    step = np.maximum(1 << np.maximum(np.frexp(np.maximum(cells - 1, 0))[1] - 3, 0), 2)
    rounded: Ints = -(-cells // step) * step
    return rounded
