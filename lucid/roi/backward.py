"""From the gradient of crops to those of features and boxes: the kernel's steps in reverse."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.cells import Cells, Region, lay_cells
from lucid.roi.geometry import Geometry
from lucid.roi.kernel import APART, chunks, gather, weighted_by_row
from lucid.roi.weights import Group
from lucid.roi.workers import Workers, Workspace

Array = NDArray[Any]
Rows = NDArray[np.intp]


def pool_adjoint(
    gradient: Array,
    rows: Rows,
    geometry: Geometry,
    features: Array,
    dtype: DTypeLike,
    workers: Workers,
) -> None:
    """Write to `features` (C, H, W) what the crops' gradient says about a map, zeros before.

    Row `rows[k]` of the gradient (.., C, PH, PW) is that of RoI k.
    """
    space, (down, across) = workers.space, geometry.bounds()
    height, width, channels = down.stop - down.start, across.stop - across.start, len(features)
    table = space.array("cells", (height * width, channels), dtype)
    table[...] = 0
    total = table.reshape(height, width, channels)
    nowhere = np.zeros(len(geometry), np.int64)
    for chunk in chunks(geometry, Cells(table, nowhere, nowhere), backward=True):
        if not chunk.rows.cells.size * chunk.cols.cells.size:
            continue
        patches = _spread(gradient[rows[chunk.rois]], chunk, space, table.dtype)  # (G * B, L, w, C)
        places = _places(chunk, down.start, across.start)
        for values, (y, high, x, wide) in zip(patches, places, strict=True):
            total[y, x] += values[:high, :wide]
    features[:, down, across] = total.transpose(2, 0, 1)


def _spread(gradient: Array, group: Group, space: Workspace, dtype: np.dtype[Any]) -> Array:
    """Return the gradient of what was gathered, band by band, (G * B, L, w, C)."""
    (G, B, _, L), w = group.rows.weights.shape, group.cols.cells.shape[2]
    PH, C = group.pooled_height, gradient.shape[1]
    bins = _last(gradient, space, dtype)  # (G, PH, PW, C)
    lines = space.array("lines", (G, PH, w, C), dtype)
    np.matmul(group.cols.weights.swapaxes(2, 3), bins, out=lines)
    weights = group.rows.weights[:, :, : PH // B]  # (G, B, M, L)
    patch = space.array("patch", (G, B, L, w * C), dtype)
    np.matmul(weights.swapaxes(2, 3), lines.reshape(G, B, PH // B, w * C), out=patch)
    return patch.reshape(G * B, L, w, C)


def _last(gradient: Array, space: Workspace, dtype: np.dtype[Any]) -> Array:
    """Return the gradient of crops (G, C, PH, PW) with channels last, (G, PH, PW, C)."""
    G, C, PH, PW = gradient.shape
    bins = space.array("bins", (G, PH, PW, C + APART), dtype)[..., :C]
    bins[...] = gradient.transpose(0, 2, 3, 1)
    return bins


def _places(group: Group, top: int, left: int) -> Iterator[tuple[Any, int, Any, int]]:
    """Yield the rows of each RoI and their number, then its columns and theirs.

    They are counted from a corner. What a side lists after them is the last again, for nothing.
    """
    rows, cols = group.rows.cells[:, 0] - top, group.cols.cells[:, 0] - left
    many = (1 + np.count_nonzero(np.diff(cells), axis=1) for cells in (rows, cols))
    for y, x, high, wide in zip(rows, cols, *(numbers.tolist() for numbers in many), strict=True):
        if group.gapless:
            yield slice(y[0], y[0] + high), high, slice(x[0], x[0] + wide), wide
        else:
            yield y[:high, None], high, x[:wide], wide


def box_gradient(
    gradient: Array,
    rows: Rows,
    features: Array,
    geometry: Geometry,
    dtype: DTypeLike,
    workers: Workers,
) -> NDArray[np.float64]:
    """Return what the crops' gradient says about x1, y1, x2, y2 of each box of a map, (K, 4)."""
    result = np.zeros((len(geometry), 4))
    cells = lay_cells([Region(features, len(geometry))], geometry, dtype, workers)
    for chunk in chunks(geometry, cells, backward=True):
        by_row, by_col = _by_weights(gradient[rows[chunk.rois]], chunk, cells, workers.space)
        for axis, side, by in ((1, chunk.rows, by_row), (0, chunk.cols, by_col)):
            for end, slope in enumerate(side.slopes):
                kept = slope[:, :, : by.shape[2]]
                result[chunk.rois, axis + 2 * end] = np.einsum("gbml,gbml->g", kept, by)
    return result


def _by_weights(
    gradient: Array, group: Group, cells: Cells, space: Workspace
) -> tuple[Array, Array]:
    """Return the gradients of a group's row weights (G, B, M, L) and column weights (G, 1, PW, w).

    The rest of the last band's bins, which weigh nothing, is left out.
    """
    bins = _last(gradient, space, cells.table.dtype)  # (G, PH, PW, C)
    lines = weighted_by_row(group, cells, space)  # (G, PH, w, C)
    by_col = np.matmul(bins, lines.swapaxes(2, 3)).sum(axis=1, keepdims=True)
    _, B, L = group.rows.cells.shape
    (G, PH, PW, C), w = bins.shape, lines.shape[2]
    patch = gather(group, cells, space, slice(B), slice(w))  # (G, B, L, w, C)
    columns = np.matmul(group.cols.weights[:, None], patch)  # (G, B, L, PW, C)
    by_bin = np.ascontiguousarray(bins).reshape(G, B, PH // B, PW * C)
    by_row = np.matmul(by_bin, columns.reshape(G, B, L, PW * C).swapaxes(2, 3))
    return by_row, by_col
