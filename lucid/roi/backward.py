"""From the gradient of crops to those of features and boxes: the kernel's steps in reverse."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.bands import Purpose
from lucid.roi.cells import SIDE_BY_SIDE, Cells, Region, copy, lay_cells
from lucid.roi.geometry import Geometry
from lucid.roi.kernel import chunks, gather, weighted_by_row, windows
from lucid.roi.steps import APART
from lucid.roi.weights import Group
from lucid.roi.workers import Workers, Workspace

Array = NDArray[Any]
Rows = NDArray[np.intp]
Span = range | Rows

PATCH = 1 << 19  # bytes that are added at once


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
    if not channels:
        return
    table = space.array("cells", (height * width, channels), dtype)
    table[...] = 0
    total = table.reshape(height, width, channels)
    nowhere = np.zeros(len(geometry), np.int64)
    for chunk in _chunks(geometry, Cells(table, nowhere, nowhere), Purpose.FEATURES):
        if not chunk.rows.cells.size * chunk.cols.cells.size:
            continue
        bins = _last(gradient[rows[chunk.rois]], space, table.dtype)
        _spread(bins, chunk, total, (down.start, across.start), space)
    part = features[:, down, across]
    for y, c in product(range(height), range(0, channels, SIDE_BY_SIDE)):
        some = slice(c, c + SIDE_BY_SIDE)
        part[some, y] = total[y, :, some].T


def _chunks(geometry: Geometry, cells: Cells, purpose: Purpose) -> Iterator[Group]:
    for part in geometry.parts():
        yield from chunks(geometry, part, cells, purpose)


def _spread(
    bins: Array, group: Group, total: Array, corner: tuple[int, int], space: Workspace
) -> None:
    """Add to `total` (h, w, C), which begins at a corner, the gradient of what RoIs touch."""
    lines = _spread_by_col(bins, group, space)
    (G, PH, w, C), (_, R, _, L) = lines.shape, group.rows.weights.shape
    rows = lines.reshape(G, R, PH // R, w * C)
    weights = group.rows.weights[:, :, : PH // R].swapaxes(2, 3)
    step = max(min(PATCH // max(w * C * lines.itemsize, 1), L), 1)
    patch = space.array("patch", (step, w * C), lines.dtype)
    for k, band, y, x in _places(group, *corner):
        line = rows[k, band]
        by = np.multiply if len(line) == 1 else np.matmul  # which for one is ten times slower
        for start in range(0, len(y), step):
            some = y[start : start + step]
            new = by(weights[k, band, start : start + len(some)], line, out=patch[: len(some)])
            _add(new.reshape(-1, w, C)[:, : len(x)], total, some, x, space)


def _add(new: Array, total: Array, y: Span, x: Span, space: Workspace) -> None:
    """Add something to rows and columns of a map, (h, w, C)."""
    if isinstance(y, range) and isinstance(x, range):
        at = total[y.start : y.stop, x.start : x.stop]
        np.add(at, new, out=at)
    else:  # as total[y, x] += new, but without fresh memory for each
        cells = total.reshape(-1, total.shape[2])
        places = np.asarray(y)[:, None] * total.shape[1] + np.asarray(x)
        at = space.array("cells of a patch", new.shape, new.dtype)
        cells.take(places, 0, at, "clip")
        cells[places] = np.add(at, new, out=at)


def _spread_by_col(bins: Array, group: Group, space: Workspace) -> Array:
    """Return the gradient of what was weighted by row, (G, PH, w, C)."""
    (G, PH, _, C), w = bins.shape, group.cols.cells.shape[1]
    lines = space.array("lines", (G, PH, w, C), bins.dtype)
    return np.matmul(group.cols.weights.swapaxes(2, 3), bins, out=lines)


def _last(gradient: Array, space: Workspace, dtype: np.dtype[Any]) -> Array:
    """Return the gradient of crops (G, C, PH, PW) with channels last, (G, PH, PW, C)."""
    G, C, PH, PW = gradient.shape
    bins = space.array("bins", (G, PH, PW, C + APART), dtype)[..., :C]
    bins[...] = gradient.transpose(0, 2, 3, 1)
    return bins


def _places(group: Group, top: int, left: int) -> Iterator[tuple[int, int, Span, Span]]:
    """Yield each RoI and band with its rows and columns, counted from a corner.

    Both are ranges if neither leaves one out. What a list has after them is the last again, for
    nothing.
    """
    R, _, L = group.rows.weights.shape[1:]
    rows, cols = (group.rows.cells - top).reshape(-1, R, L), group.cols.cells - left
    high, wide = (1 + np.count_nonzero(np.diff(cells), axis=-1) for cells in (rows, cols))
    gapless = (rows[..., -1] - rows[..., 0] < high).all(axis=1)
    gapless &= cols[:, -1] - cols[:, 0] < wide
    lists = (gapless, rows[..., 0], high, cols[:, 0], wide)
    each = zip(*(values.tolist() for values in lists), strict=True)
    for k, (ranges, tops, heights, begin, width) in enumerate(each):
        x = range(begin, begin + width) if ranges else cols[k, :width]
        for band, (start, height) in enumerate(zip(tops, heights, strict=True)):
            yield k, band, range(start, start + height) if ranges else rows[k, band, :height], x


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
    cells, copies = lay_cells([Region(features, len(geometry))], geometry, dtype, workers.space)
    workers.each(copy, copies)
    for chunk in _chunks(geometry, cells, Purpose.BOXES):
        by_row, by_col = _by_weights(gradient[rows[chunk.rois]], chunk, cells, workers.space)
        for axis, side, by in ((1, chunk.rows, by_row), (0, chunk.cols, by_col)):
            for end, slope in enumerate(side.slopes):
                kept = slope[:, :, : by.shape[2]]
                result[chunk.rois, axis + 2 * end] = np.einsum("gbml,gbml->g", kept, by)
    return result


def _by_weights(
    gradient: Array, group: Group, cells: Cells, space: Workspace
) -> tuple[Array, Array]:
    """Return the gradients of a group's row weights (G, R, M, L) and column weights (G, 1, PW, w).

    Bins that fill up the one band of all, and weigh nothing, are left out.
    """
    steps = weighted_by_row(group, cells, space)
    bins = _last(gradient, space, cells.table.dtype)  # (G, PH, PW, C)
    by_col = np.matmul(bins, steps.lines.swapaxes(2, 3)).sum(axis=1, keepdims=True)
    (G, PH, w, C), (_, R, _, L) = steps.lines.shape, group.rows.weights.shape
    lines = _spread_by_col(bins, group, space).reshape(G, R, PH // R, w * C)
    if not group.in_place:
        patch = steps.patch
        if not patch.size:  # weighted by pieces
            patch = space.array("patch", (G, R * L, w, C), lines.dtype)
            gather(group, cells, patch)
        return np.matmul(lines, patch.reshape(G, R, L, w * C).swapaxes(2, 3)), by_col
    by_row = np.zeros((G, R, PH // R, L), lines.dtype)
    for k, band, window in windows(group, cells):
        high, width = window.shape
        np.matmul(lines[k, band, :, :width], window.T, out=by_row[k, band, :, :high])
    return by_row, by_col
