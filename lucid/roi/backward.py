"""From the gradient of crops to those of features and boxes: the kernel's steps in reverse."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.bands import Purpose
from lucid.roi.blas import Rectangle, addition
from lucid.roi.cells import Cells, Region, copy, lay_cells, move
from lucid.roi.geometry import Geometry, Ints
from lucid.roi.kernel import chunks, gather, weighted_by_row, windows
from lucid.roi.steps import APART
from lucid.roi.weights import Group
from lucid.roi.workers import Workers, Workspace

Array = NDArray[Any]
Rows = NDArray[np.intp]

PATCH = 1 << 21  # bytes of cells with others between them that are added to at once
LARGE = 1 << 18  # bytes of them that repay a call for each bin


def pool_adjoint(
    gradient: Array,
    rows: Rows,
    geometry: Geometry,
    features: Array,
    dtype: DTypeLike,
    workers: Workers,
) -> None:
    """Write to all of `features` (C, H, W) what the crops' gradient says about a map.

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
    move(space, (features[:, down, across], total))
    features[:, : down.start] = features[:, down.stop :] = 0
    features[:, down, : across.start] = features[:, down, across.stop :] = 0


def _chunks(geometry: Geometry, cells: Cells, purpose: Purpose) -> Iterator[Group]:
    for part in geometry.parts():
        yield from chunks(geometry, part, cells, purpose)


def _spread(
    bins: Array, group: Group, total: Array, corner: tuple[int, int], space: Workspace
) -> None:
    """Add to `total` (h, w, C), which begins at a corner, the gradient of what RoIs touch."""
    lines = _spread_by_col(bins, group, space)
    (G, PH, w, C), (_, R, _, L) = lines.shape, group.rows.weights.shape
    lines = lines.reshape(G * R, PH // R, w * C)
    weights = group.rows.weights[:, :, : PH // R].reshape(G * R, PH // R, L)
    rectangles, others = _bands(group, corner, total.shape[1], C)
    addition(total.dtype)(weights, lines, total.reshape(len(total), -1), rectangles)
    for band, places in others:
        _add_apart(weights[band], lines[band], places, total.reshape(-1, C), space)


def _add_apart(weights: Array, lines: Array, places: Ints, cells: Array, space: Workspace) -> None:
    """Add the lines (M, w * C) of a band to cells with others between them, at (L, w) places."""
    width = places.shape[1] * cells.shape[1]
    bin_by_bin = len(places) * width * cells.itemsize >= LARGE  # as each touches but a few rows
    edges = _edges(weights) if bin_by_bin else [(0, len(places))]
    axis = 1 if bin_by_bin else 0
    weights, lines = np.expand_dims(weights, axis), np.expand_dims(lines, axis)
    step = max(PATCH // (width * cells.itemsize), 1)
    for begin in range(0, len(places), step):
        some = places[begin : begin + step]
        at = space.array("cells apart", (*some.shape, cells.shape[1]), cells.dtype)
        cells.take(some, 0, at, "clip")
        cut = [(max(top, begin), min(end, begin + len(some))) for top, end in edges]
        rectangles = (
            (k, top, top - begin, 0, end - top, width)
            for k, (top, end) in enumerate(cut)
            if top < end
        )
        addition(cells.dtype)(weights, lines, at.reshape(len(at), -1), rectangles)
        cells[some] = at


def _edges(weights: Array) -> list[tuple[int, int]]:
    """Return the first row that each bin touches, and where those rows end."""
    filled = weights != 0
    tops, after = filled.argmax(axis=1), filled[:, ::-1].argmax(axis=1)
    ends = (weights.shape[1] - after) * filled.any(axis=1)
    return list(zip(tops.tolist(), ends.tolist(), strict=True))


def _bands(
    group: Group, corner: tuple[int, int], across: int, channels: int
) -> tuple[Iterator[Rectangle], Iterator[tuple[int, Ints]]]:
    """Return where bands of RoIs lie on a map of so many cells across that begins at a corner.

    Those without gaps are rectangles; of the others it is the places of their cells in a table.
    """
    R, _, L = group.rows.weights.shape[1:]
    rows, cols = group.rows.cells.reshape(-1, L), np.repeat(group.cols.cells, R, axis=0)
    # What a list has after its last cell is that cell again, for nothing.
    (y, high, deep), (x, wide, broad) = (
        (each[:, 0], 1 + (each == each[:, -1:]).argmax(axis=1), each[:, -1] - each[:, 0])
        for each in (rows, cols)
    )
    gaps = (deep >= high) | (broad >= wide)
    at = y - corner[0], (x - corner[1]) * channels
    sides = np.arange(len(rows)), np.zeros_like(y), *at, high, wide * channels
    rectangles = zip(*(side[~gaps].tolist() for side in sides), strict=True)
    return rectangles, _places(
        gaps.nonzero()[0], rows - corner[0], high, cols - corner[1], wide, across
    )


def _places(
    which: Ints, rows: Ints, high: Ints, cols: Ints, wide: Ints, across: int
) -> Iterator[tuple[int, Ints]]:
    """Yield bands, and the places of their cells in the table of a map of so many across."""
    for k in which.tolist():
        yield k, rows[k, : high[k], None] * across + cols[k, : wide[k]]


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
