"""The planes of a volume that RoIs touch, and what bins read of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lucid.roi.geometry import Geometry
from lucid.roi.types import Floats, Indices, Ints


class Slices(NamedTuple):
    """RoIs on the planes that they touch: P of them, RoI by RoI, and planes ascend in each."""

    roi: Ints  # (P,)
    plane: Ints  # (P,)
    weights: Floats  # (P, PD) of its bins along the depth
    slopes: Floats  # (2, P, PD) of these, by z1 and z2

    def by_plane(self) -> Iterator[tuple[int, Indices]]:
        """Yield each plane that is touched, with the numbers of its slices."""
        order = np.argsort(self.plane, kind="stable")
        planes, starts = np.unique(self.plane[order], return_index=True)
        for at, plane in enumerate(planes.tolist()):
            end = starts[at + 1] if at + 1 < len(starts) else len(order)
            yield plane, order[starts[at] : end]

    def cut(self, rois: int, most: int) -> Iterator[slice]:
        """Yield RoIs that have at most so many slices together, or one."""
        until = np.searchsorted(self.roi, np.arange(rois), side="right")
        first = 0
        while first < rois:
            before = until[first - 1] if first else 0
            end = max(int(np.searchsorted(until, before + most, side="right")), first + 1)
            yield slice(first, end)
            first = end

    def of_rois(self, some: slice) -> "Slices":
        """Return those of some RoIs, which are numbered anew."""
        own = slice(*np.searchsorted(self.roi, [some.start, some.stop]).tolist())
        roi, plane, weights, slopes = self
        return Slices(roi[own] - some.start, plane[own], weights[own], slopes[:, own])


def slices_of(depth: Geometry, touched: Ints) -> Slices:
    """Return the slices of RoIs, given how many cells of the volume each touches."""
    taps, K, bins = depth.tap_operator.taps(depth, True), len(depth), depth.pooled[0]
    some = np.flatnonzero((taps.line < K) & (touched[taps.line % max(K, 1)] > 0))
    roi, size = taps.line[some], int(depth.size.max(initial=1))
    last = depth.size[0, roi] - 1
    cells = np.minimum(taps.cell[some] + np.arange(len(taps.weights))[:, None], last)
    pairs, which = np.unique(roi * size + cells, return_inverse=True)
    places = (which.reshape(cells.shape) * bins + taps.bin[some]).ravel()
    sums: list[Floats] = [
        np.bincount(places, each[:, some].ravel(), len(pairs) * bins).astype(np.float64)
        for each in (taps.weights, *taps.slopes)
    ]
    weights, *slopes = np.reshape(sums, (3, -1, bins))
    return Slices(pairs // size, pairs % size, weights, np.array(slopes))
