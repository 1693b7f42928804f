"""What bins read along one axis: an operator lists it, an engine computes with it."""

from typing import NamedTuple

import numpy as np

from lucid.roi.types import Bools, Floats, Ints


class Taps(NamedTuple):
    """The n taps of K RoIs along both axes; a tap reads T adjacent cells for one bin.

    Tap i adds `weights[t, i]` times cell `cell[i] + t` to bin `bin[i]` of line `line[i]`. Line k
    is the rows of RoI k, line K + k its columns. Taps are sorted by line, then by bin; along a
    line cells ascend, but a bin may begin with cells that the one before has read. A tap may end
    beyond the map's last cell, which then is weighted in its place.
    """

    line: Ints  # (n,)
    bin: Ints  # (n,)
    cell: Ints  # (n,) the first that is read
    weights: Floats  # (T, n)
    slopes: tuple[Floats, ...]  # (T, n) each: d weights / d start, end in input coordinates; or ()

    def sums(self, values: Floats, pooled: tuple[int, int], rois: int) -> Floats:
        """Return the sums of values (T, n) of the bins of all lines, (2K, most bins)."""
        bins = max(pooled)
        owner = self.line * bins + self.bin
        each: Floats = values.sum(axis=0)
        total: Floats = np.bincount(owner, each, 2 * rois * bins).astype(np.float64, copy=False)
        return total.reshape(2 * rois, bins)


class Grids(NamedTuple):
    """The grid of samples of each RoI along each axis, (2, K): what taps may be made of.

    Sample i of bin p is at `start + (p + (i + 0.5) / samples) * bin`; a tap of two cells with the
    bilinear weights, divided by `samples`, if it is in range.
    """

    start: Floats  # in cells
    bin: Floats  # length of a bin in cells
    min_extent: Bools  # whether the extent is the minimum of one cell, whatever the end
    samples: Ints  # per bin


class Rule(NamedTuple):
    """How grids of samples follow from upright boxes, as `RoiAlign.windows` tells step by step."""

    spatial_scale: tuple[float, float]  # y before x
    offset: float  # in cells
    least_extent: int  # in cells
    sampling_ratio: int  # samples per bin; or -1, as many as a bin is long in cells
    max_samples: int  # of these


class TurnedGrids(NamedTuple):
    """Grids of samples that are turned, each about its centre, (2, K): what bins are means of.

    Before it is turned, sample i of bin p is at `start + (p + (i + 0.5) / samples) * bin` from the
    centre, along each axis. It reads four cells, bilinearly, and is 0 out of range.
    """

    centre: Floats  # in cells
    start: Floats  # in cells, from the centre
    bin: Floats  # length of a bin in cells
    min_extent: Bools  # whether the extent is the minimum of one cell, whatever the side
    samples: Ints  # per bin
    turn: Floats  # sine and cosine of the angle, against the clock as seen with y downwards

    def position(self, v: Floats, u: Floats, roi: Ints | slice = slice(None)) -> Floats:
        """Return where on the map (y, x) is what lies so far from the centre before it is turned.

        Nothing that lies between two others along both axes is beyond them on the map: rounding
        keeps order.
        """
        sine, cosine = self.turn[:, roi]
        return np.array([-u * sine + v * cosine, u * cosine + v * sine]) + self.centre[:, roi]
