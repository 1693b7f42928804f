"""Where values that are not finite go: to the bins that read them, and no others.

A matrix product carries a NaN to all bins of a band, for 0 * NaN is NaN. So what is not finite is
made again bin by bin, from the cells that its taps read.
"""

from typing import Any, NamedTuple

import numpy as np

from lucid.roi.engines import PlacedRois, Region
from lucid.roi.geometry import Geometry
from lucid.roi.types import Array, Bools, Floats, Indices, Ints

READ_VALUES = 1 << 18  # at once


class Reads(NamedTuple):
    """The cells that a bin reads along one axis, once each."""

    cells: Ints
    weights: Floats


class Alone(NamedTuple):
    """One RoI."""

    geometry: Geometry
    region: Region
    rows: list[Reads]  # of each row of bins
    cols: list[Reads]

    @classmethod
    def of(cls, rois: PlacedRois, k: int) -> "Alone":
        """Return RoI k."""
        until, one = np.cumsum([region.rois for region in rois.regions]), rois.geometry[k : k + 1]
        region = rois.regions[int(np.searchsorted(until, k, side="right"))]
        return cls(one, region, *reads_of(one))

    def bin(self, p: int, q: int) -> tuple[Ints, Ints, Floats]:
        """Return rows (h, 1) and columns (w,) of the region that a bin reads, and weights."""
        (top, left), row, col = self.region.origin, self.rows[p], self.cols[q]
        return row.cells[:, None] - top, col.cells - left, row.weights[:, None] * col.weights

    def window(self) -> Array:
        """Return the part of the features (C, h, w) that the RoI touches."""
        down, across = (
            slice(each.start - first, each.stop - first)
            for each, first in zip(self.geometry.bounds(), self.region.origin, strict=True)
        )
        part: Array = self.region.features[:, down, across]
        return part


def holes_in_cells(cells: Array) -> Bools:
    """Return in which cells (.., C) some values may not be finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = cells @ np.ones(cells.shape[-1], cells.dtype)  # reads them faster than np.isfinite
    holes: Bools = ~np.isfinite(sums)
    return holes


def holes_in_crops(crops: Array) -> Bools:
    """Return in which crops (G, C, PH, PW), channels side by side in memory, there may be holes."""
    G, C, PH, PW = crops.shape
    holes = holes_in_cells(crops.transpose(0, 2, 3, 1).reshape(-1, C))
    in_crops: Bools = np.logical_or.reduce(holes.reshape(G, PH * PW), axis=1)
    return in_crops


def holes_in_gradient(gradient: Array, rois: PlacedRois) -> list[int]:
    """Return the RoIs whose crops have a gradient with holes."""
    return [k for k, row in enumerate(rois.rows) if not np.isfinite(gradient[row]).all()]


def mend_crop(crop: Array, rois: PlacedRois, k: int) -> None:
    """Write the channels of RoI k's crop (C, PH, PW) again that are not finite."""
    one = Alone.of(rois, k)
    holes = np.flatnonzero(~np.isfinite(crop).all(axis=(1, 2)))
    parts = 1 + len(holes) * one.geometry.touched().item() // READ_VALUES
    for some in np.array_split(holes, parts):
        for p, q in np.ndindex(crop.shape[1:]):
            crop[some, p, q] = _means(one, some, p, q, np.finfo(rois.dtype).max)


def _means(one: Alone, channels: Indices, p: int, q: int, largest: Any) -> Floats:
    """Return a bin of some channels; means of the largest values are not rounded over them."""
    y, x, weights = one.bin(p, q)
    values = one.region.features[channels[:, None, None], y, x].astype(np.float64)
    with np.errstate(invalid="ignore"):
        half = (values * (weights / 2)).sum(axis=(1, 2))
    within = np.clip(half, -float(largest) / 2, float(largest) / 2)
    means: Floats = 2 * np.where(np.isfinite(half), within, half)
    return means


def add_features(rois: PlacedRois, gradient: Array, k: int) -> None:
    """Add what the values of the gradient of a crop bring that are not finite."""
    one, g = Alone.of(rois, k), gradient[rois.rows[k]]
    for c, p, q in np.argwhere(~np.isfinite(g)).tolist():
        y, x, weights = one.bin(p, q)
        with np.errstate(invalid="ignore"):
            one.region.features[c, y, x] += weights * float(g[c, p, q])


def without_holes(rois: PlacedRois, k: int) -> PlacedRois | None:
    """Return a RoI on a copy of its window with zeros for what is not finite and no bin reads.

    None if a bin reads such a cell, or there is none.
    """
    one = Alone.of(rois, k)
    window, (down, across) = one.window(), one.geometry.bounds()
    finite = np.isfinite(window)
    rows = np.concatenate([reads.cells for reads in one.rows]) - down.start
    cols = np.concatenate([reads.cells for reads in one.cols]) - across.start
    if finite.all() or not finite[:, rows[:, None], cols].all():
        return None
    region = Region(features=np.where(finite, window, 0), rois=1, origin=(down.start, across.start))
    return rois._replace(regions=[region], geometry=one.geometry, rows=rois.rows[k : k + 1])


def reads_of(one: Geometry) -> tuple[list[Reads], list[Reads]]:
    """Return what the bins of a RoI read along rows, and along columns."""
    taps = one.tap_operator.taps(one, False)
    along = np.arange(len(taps.weights))[:, None]
    found: tuple[list[Reads], list[Reads]] = [], []
    for axis, bins in enumerate(one.pooled):
        for number in range(bins):
            some = (taps.line == axis) & (taps.bin == number)
            cells = np.minimum(taps.cell[some] + along, one.size[axis, 0] - 1)
            once, which = np.unique(cells, return_inverse=True)
            weights = np.bincount(which.ravel(), taps.weights[:, some].ravel(), len(once))
            found[axis].append(Reads(once, weights.astype(np.float64, copy=False)))
    return found
