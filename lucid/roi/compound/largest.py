"""The largest cell of bins of whole cells: of rows of cells first, then of columns of those."""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import Engine, PlacedRois, WorkingBytes
from lucid.roi.geometry import Operator
from lucid.roi.operators.whole_cells import RoiPool
from lucid.roi.types import Array, Floats, Ints
from lucid.roi.workers import Workers


class Part(NamedTuple):
    """A part of a map, and the bins of the RoIs that lie on it."""

    first: int  # of all RoIs
    cells: Array  # (h, w, C)
    rows: Ints  # (k, PH, 2) begin and end of bins, from the corner of the part
    cols: Ints  # (k, PW, 2)


class Largest:
    """What computes the largest cells of bins; an engine for weights says what that may hold."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows."""
        for part in _parts(rois):
            for k, (rows, cols) in enumerate(zip(part.rows, part.cols, strict=True)):
                across = slice(cols[:, 0].min(), cols[:, 1].max())
                window, left = part.cells[:, across], across.start
                line = np.stack([_largest(window[begin:end], 0) for begin, end in rows])
                bins = [_largest(line[:, begin - left : end - left], 1) for begin, end in cols]
                crops[rois.rows[part.first + k]] = np.stack(bins, axis=1).transpose(2, 0, 1)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features, which the first of the largest cells have."""
        total, values = rois.regions[0].features, cast(Array, rois.values)
        total[...] = 0
        channels = np.arange(len(total))
        (part,) = _parts(rois._replace(regions=[rois.regions[0]._replace(features=values)]))
        for k, (rows, cols) in enumerate(zip(part.rows, part.cols, strict=True)):
            own = gradient[rois.rows[k]]
            for p, q in np.ndindex(own.shape[1:]):
                (top, bottom), (left, right) = rows[p], cols[q]
                if top < bottom and left < right:
                    cells = part.cells[top:bottom, left:right].reshape(-1, len(total))
                    y, x = np.divmod(cells.argmax(axis=0), right - left)
                    total[channels, top + y, left + x] += own[:, p, q]

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return zeros: rounded corners have no gradient."""
        return np.zeros((len(rois.geometry), len(rois.geometry.operator.form.columns)))

    def working_bytes(
        self, operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a map, or a part of one, of `size` cells."""
        plain = self._engine.working_bytes(operator, channels, size, dtype)
        table = 2 * channels * size[0] * size[1] * np.dtype(dtype).itemsize
        return plain._replace(region=plain.region + table)


def _largest(values: Array, axis: int) -> Array:
    """Return the largest values along an axis, 0 where there are none."""
    if values.shape[axis]:
        largest: Array = values.max(axis=axis)
        return largest
    return np.zeros([*values.shape[:axis], *values.shape[axis + 1 :]], values.dtype)


def _parts(rois: PlacedRois) -> Iterator[Part]:
    """Yield the regions that RoIs lie on, with their bins."""
    rows, cols = _bins(rois)
    edges = accumulate((region.rois for region in rois.regions), initial=0)
    for region, (first, end) in zip(rois.regions, pairwise(edges), strict=True):
        cells = np.ascontiguousarray(region.features.transpose(1, 2, 0), rois.dtype)
        (top, left), some = region.origin, slice(first, end)
        yield Part(
            first=first,
            cells=cells,
            rows=np.maximum(rows[some] - top, 0),
            cols=np.maximum(cols[some] - left, 0),
        )


def _bins(rois: PlacedRois) -> tuple[Ints, Ints]:
    """Return the begins and ends of the bins of RoIs on their maps, (K, PH, 2) and (K, PW, 2)."""
    geometry, (PH, PW) = rois.geometry, rois.geometry.pooled
    found = cast(RoiPool, geometry.operator).bins(geometry)
    bins = np.zeros((2, len(geometry), max(PH, PW), 2), np.int64)
    axis, roi = np.divmod(found.line, max(len(geometry), 1))
    bins[axis, roi, found.bin] = np.stack([found.begin, np.maximum(found.end, found.begin)], axis=1)
    return bins[0, :, :PH], bins[1, :, :PW]
