"""Engines: what computes crops and gradients from an operator's taps.

An engine is a module with the functions of `Engine`; it asks a geometry's operator for taps, and
knows no operator. What uses engines chooses one: see `lucid.roi.pooling`.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.geometry import Geometry
from lucid.roi.taps import Rule
from lucid.roi.types import Array, Floats, Indices, Ints
from lucid.roi.workers import Workers


class Region(NamedTuple):
    """A map, or a part of one, and how many of the RoIs of a geometry lie on it."""

    features: Array  # (C, h, w)
    rois: int
    origin: tuple[int, ...] = (0, 0)  # the cell of the map that the part begins at


class PlacedRois(NamedTuple):
    """RoIs and what they lie on: those of a region follow those of the region before."""

    regions: Sequence[Region]
    geometry: Geometry
    rows: Indices  # (K,) of each RoI in the crops (.., C, PH, PW), or in their gradient
    dtype: np.dtype[Any]  # to weight in
    block: tuple[int, int] = (1, 1)  # bins of which the largest is one of the crop
    apart: bool = False  # whether bin b reads but every (PH * PW)th channel, from number b on
    values: Array | None = None  # of the features of the only region, if those are a gradient

    def part(self, some: Indices) -> "PlacedRois":
        """Return some of the RoIs, in ascending order."""
        ends = np.cumsum([region.rois for region in self.regions])
        counts = np.diff(np.searchsorted(some, ends), prepend=0).tolist()
        regions = [
            region._replace(rois=count)
            for region, count in zip(self.regions, counts, strict=True)
            if count
        ]
        return self._replace(regions=regions, geometry=self.geometry[some], rows=self.rows[some])


class WholeBins(NamedTuple):
    """Bins of whole cells: where those of each RoI begin and end."""

    rows: Ints  # (K, PH, 2)
    cols: Ints  # (K, PW, 2)

    def seen_from(self, top: int, left: int) -> "WholeBins":
        """Return the same, counted from a cell of the map."""
        return WholeBins(self.rows - top, self.cols - left)


def parts_of(rois: PlacedRois) -> Iterator[tuple[Region, slice]]:
    """Yield the regions, and which of the RoIs lie on each."""
    edges = accumulate((region.rois for region in rois.regions), initial=0)
    for region, (first, end) in zip(rois.regions, pairwise(edges), strict=True):
        yield region, slice(first, end)


class WorkingBytes(NamedTuple):
    """What an engine holds while it works."""

    region: int  # for a part of a map, and a RoI on all of it
    weights: int  # for the weights of one RoI, at worst


class Engine(Protocol):
    """What makes crops and gradients of RoIs; workers have a workspace of the engine's own."""

    def __hash__(self) -> int:
        """Tell engines apart."""

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows: bins, or the largest of each block, or those set apart.

        Raises
        ------
        FloatingPointError
            If `crops` are of a dtype that cannot hold a value.
        """

    def pool_few(
        self, features: Array, boxes: Floats, rows: Indices, crops: Array, rule: Rule
    ) -> bool:
        """Write the crops of boxes on one map into their rows, all in one call, if that is quicker.

        Return whether they are written.
        """

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of the features from that of the crops to all of the only region."""

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of the boxes (K, B) from that of the crops."""

    def working_bytes(
        self, operator: Any, channels: int, size: Any, dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
