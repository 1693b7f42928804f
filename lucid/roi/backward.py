"""From the gradient of crops to those of features and boxes: the kernel's steps in reverse."""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.bands import Purpose
from lucid.roi.cells import Cells, Region, copy, lay_cells, move
from lucid.roi.geometry import Geometry, Ints
from lucid.roi.kernel import chunks, gather, weighted_by_row, windows
from lucid.roi.steps import APART
from lucid.roi.weights import Group
from lucid.roi.workers import Workers, Workspace

Array = NDArray[Any]
Rows = NDArray[np.intp]

PATCH = 1 << 21  # bytes that are made at once, and added band by band


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
    move(space, (features[:, down, across], total))


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
    weights = group.rows.weights[:, :, : PH // R].swapaxes(2, 3).reshape(G * R, L, PH // R)
    by = np.multiply if PH == R else np.matmul  # which for one bin is ten times slower
    high = max(min(PATCH // (w * C * lines.itemsize), L), 1)
    step = max(PATCH // (high * w * C * lines.itemsize), 1)
    patch = space.array("patch", (min(step, G * R), high, w * C), lines.dtype)
    bands = list(_bands(group, corner, total.shape[1]))
    for begin, done in product(range(0, G * R, step), range(0, L, high)):
        some = slice(begin, begin + step)
        factors = weights[some, done : done + high]
        new = by(factors, lines[some], out=patch[: len(factors), : factors.shape[1]])
        for values, band in zip(new.reshape(*new.shape[:2], w, C), bands[some], strict=True):
            _add(values, band, done, total, space)


class _Band(NamedTuple):
    """Where a band of a RoI lies on a map."""

    top: int
    height: int  # rows; what a list has after them is the last again, for nothing
    left: int
    width: int
    places: Ints | None  # (height, width) in a table of cells, unless they are a gapless rectangle


def _bands(group: Group, corner: tuple[int, int], across: int) -> Iterator[_Band]:
    """Yield the bands of RoIs, one RoI after the other, on a map that begins at a corner."""
    R, _, L = group.rows.weights.shape[1:]
    rows = group.rows.cells.reshape(-1, R, L) - corner[0]
    cols = group.cols.cells[:, None] - corner[1]
    high, wide = (1 + (cells < cells[..., -1:]).sum(axis=-1) for cells in (rows, cols))
    gaps = (rows[..., -1] - rows[..., 0] >= high) | (cols[..., -1] - cols[..., 0] >= wide)
    k, r = gaps.nonzero()
    places = iter(rows[k, r, :, None] * across + cols[k])
    sides = np.broadcast_arrays(gaps, rows[..., 0], high, cols[..., 0], wide)
    lists = (side.ravel().tolist() for side in sides)
    for gappy, y, height, x, width in zip(*lists, strict=True):
        its = next(places)[:height, :width] if gappy else None
        yield _Band(y, height, x, width, its)


def _add(values: Array, band: _Band, done: int, total: Array, space: Workspace) -> None:
    """Add to a map the values (rows, w, C) of a band, of which some rows are done."""
    height = min(band.height - done, len(values))
    if height <= 0:
        return
    values = values[:height, : band.width]
    if band.places is None:
        y, x = band.top + done, band.left
        at = total[y : y + height, x : x + band.width]
        np.add(at, values, out=at)
    else:  # as total[rows, columns] += values, but without fresh memory for each
        cells, places = total.reshape(-1, total.shape[2]), band.places[done : done + height]
        at = space.array("cells of a band", values.shape, values.dtype)
        cells.take(places, 0, at, "clip")
        cells[places] = np.add(at, values, out=at)


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
