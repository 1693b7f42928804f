"""The arrays that a batch of RoIs passes through on its way to crops."""

from typing import Any, NamedTuple

import numpy as np

from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.weights import Batch
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array


class Buffers(NamedTuple):
    """Arrays of G RoIs with n rows and w columns of C channels, in R bands of M bins.

    They lie in memory of a thread, which the next batch overwrites.
    """

    patch: Array  # (G, n, w, C); of nothing if it is not asked for
    bands: Array  # (G, R, L, w * C), of the patch
    weighted: Array  # (G, R, M, w * C)
    by_row: Array  # (G, PH, w, C), of these: without bins that fill up the last band
    columns: Array  # (G, PH, R, L, C), of these
    bins: Array  # (G, PH, R, M, C)
    crops: Array  # (G, C, PH, PW), of the bins


def buffers_for(
    batch: Batch, channels: int, dtype: np.dtype[Any], space: Workspace, gathers: bool
) -> Buffers:
    """Return the arrays for a batch: the last ones, if that was of the same shape."""
    rows, cols = batch.rows, batch.cols
    shapes = rows.weights.shape, cols.weights.shape, rows.cells.shape, cols.cells.shape
    key = *shapes, batch.pooled, rows.step, cols.step, channels, dtype, gathers
    if space.last[0] != key:
        space.last = None, None  # so that nothing holds arrays that are too small
        space.last = key, _made(batch, channels, dtype, space, gathers)
    buffers: Buffers = space.last[1]
    return buffers


def _made(batch: Batch, C: int, dtype: np.dtype[Any], space: Workspace, gathers: bool) -> Buffers:
    """Return views of a thread's memory."""
    (G, R, M, L), step, (PH, PW) = batch.rows.weights.shape, batch.rows.step, batch.pooled
    (_, bands, bins, wide), w = batch.cols.weights.shape, batch.cols.cells.shape[1]
    row, cell, n = w * C, C + tuning.current.padding_values, gathers * batch.rows.cells.shape[1]
    line, width = R * M * row, PW * cell
    patch = space.patch.array((G * n * row,), dtype)
    by_row = space.by_row.array((G * line,), dtype)
    square = space.bins.array((G * PH * width,), dtype)
    return Buffers(
        patch=patch.reshape(G, n, w, C),
        bands=_view(patch, (G, R * gathers, L, row), (n * row, step * row, row, 1)),
        weighted=by_row.reshape(G, R, M, row),
        by_row=_view(by_row, (G, PH, w, C), (line, row, C, 1)),
        columns=_view(by_row, (G, PH, bands, wide, C), (line, row, batch.cols.step * C, C, 1)),
        bins=_view(square, (G, PH, bands, bins, C), (PH * width, width, bins * cell, cell, 1)),
        crops=_view(square, (G, C, PH, PW), (PH * width, 1, width, cell)),
    )


def _view(memory: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Return values of one-dimensional memory, so many values apart along each axis."""
    size = memory.itemsize
    return np.ndarray(shape, memory.dtype, memory, 0, [size * stride for stride in strides])
