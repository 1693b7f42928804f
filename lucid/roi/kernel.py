"""Maps and a geometry to crops: gather the touched cells, weight them by row, then by column.

The cells of a map have their channels side by side, so both weightings are matrix products. A few
RoIs of one group are worked on at once, as many as the cache holds. Each is weighted by products
of its own, whose sizes its neighbours have no part in: so its crop has the same bits anywhere.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.bands import Purpose
from lucid.roi.cells import Cells, Region, copy, lay_cells
from lucid.roi.geometry import Geometry
from lucid.roi.steps import Steps, steps_of
from lucid.roi.weights import Group, groups, runs
from lucid.roi.workers import Workers, Workspace

Array = NDArray[Any]

CHUNK = 6 << 20  # bytes that are gathered at once


def pool(
    regions: Sequence[Region],
    geometry: Geometry,
    crops: Array,
    rows: NDArray[np.intp],
    dtype: DTypeLike,
    workers: Workers,
) -> None:
    """Write the crops of RoIs into `crops[rows]`.

    The RoIs of a geometry lie on the regions, one region after the other, and each region holds
    the windows of its own. `dtype` is the one to weight in.

    Raises
    ------
    FloatingPointError
        If `crops` are of a dtype that cannot hold a value.
    """
    if not len(geometry):
        return
    cells, copies = lay_cells(regions, geometry, dtype, workers.space)

    def work(space: Workspace, chunk: Group) -> None:
        with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
            try:
                crops[rows[chunk.rois]] = weighted(chunk, cells, space)
            except FloatingPointError:
                for k in range(len(chunk.rois)):
                    one = chunk.some(slice(k, k + 1))
                    crops[rows[one.rois]] = _at_the_limit(one, cells, space)

    # Lists: threads that lay weights out would keep the others from going on. In a list, RoIs that
    # are weighted in place come first, and so to one thread: many threads that each make short
    # calls would wait for each other.
    parts = geometry.parts()
    with workers.beginning(copy, copies, alone=cells.table.nbytes < CHUNK):
        listed = list(chunks(geometry, next(parts), cells))
    workers.each(work, listed)
    for part in parts:
        workers.each(work, list(chunks(geometry, part, cells)))


def chunks(
    geometry: Geometry, rois: NDArray[np.intp], cells: Cells, purpose: Purpose = Purpose.CROPS
) -> Iterator[Group]:
    """Yield RoIs of a geometry group by group, a few at a time."""
    dtype, size = cells.table.dtype, cells.table.itemsize * cells.table.shape[1]
    gathers = purpose is not Purpose.FEATURES
    for group in groups(geometry[rois], dtype, size, rois, purpose):
        pitch, base = cells.pitch[group.rois, None], cells.base[group.rois, None]
        placed = group._replace(places=group.places * pitch + base)
        (PH, PW), (G, listed), width = group.pooled, placed.places.shape, group.cols.cells.shape[1]
        numbers = width * (listed if gathers and not group.in_place else PH) + PH * PW
        step = max(CHUNK // (numbers * (size + placed.places.itemsize)), 1)
        for start in range(0, G, step):
            yield placed.some(slice(start, start + step))


def weighted(group: Group, cells: Cells, space: Workspace) -> Array:
    """Return the crops (G, C, PH, PW) of RoIs."""
    steps = weighted_by_row(group, cells, space)
    np.matmul(group.cols.weights[:, None], steps.columns, out=steps.bins)
    return steps.crops


def weighted_by_row(group: Group, cells: Cells, space: Workspace) -> Steps:
    """Return arrays of which lines (G, PH, w, C) are what the bins' rows are of their columns."""
    (G, n), w, (_, C) = group.places.shape, group.cols.cells.shape[1], cells.table.shape
    gathers = not group.in_place and (G > 1 or n * w * C * cells.table.itemsize <= CHUNK)
    steps = steps_of(group, C, cells.table.dtype, space, gathers)
    if gathers:
        gather(group, cells, steps.patch)
        np.matmul(group.rows.weights, steps.bands, out=steps.weighted)
    elif group.in_place:
        _in_place(group, cells, steps.weighted)
    else:
        _by_pieces(group, cells, steps.weighted)
    return steps


def gather(group: Group, cells: Cells, patch: Array) -> None:
    """Write the values of touched cells to a patch, (G, rows, w, C)."""
    places = group.places[:, :, None] + group.cols.cells[:, None]
    cells.table.take(places, 0, patch, "clip")  # 'raise' would buffer


def _in_place(group: Group, cells: Cells, lines: Array) -> None:
    """Weight rows where they lie: calls for each band, but nothing is gathered."""
    touched = int(runs(group.cols.cells)[1].min()) * cells.table.shape[1]
    lines[..., touched:] = 0  # of columns listed again
    products = []
    for k, band, window in windows(group, cells):
        high, width = window.shape
        weights, out = group.rows.weights[k, band, :, :high], lines[k, band, :, :width]
        products.append((weights, window, out))
    for weights, window, out in products:
        np.matmul(weights, window, out=out)


def windows(group: Group, cells: Cells) -> Iterator[tuple[int, int, Array]]:
    """Yield each RoI and band with its touched cells in the table, (rows, columns * C)."""
    table, (C, size) = cells.table, (cells.table.shape[1], cells.table.itemsize)
    R, _, L = group.rows.weights.shape[1:]
    high = runs(group.rows.cells.reshape(-1, R, L))[1]
    cols, wide = runs(group.cols.cells)
    places = group.places.reshape(-1, R, L)[..., 0] + cols[:, None]
    lists = (wide * C, cells.pitch[group.rois] * (C * size), places * (C * size), high)
    each = zip(*(values.tolist() for values in lists), strict=True)
    for k, (width, step, offsets, heights) in enumerate(each):
        for band, (offset, height) in enumerate(zip(offsets, heights, strict=True)):
            shape, strides = (height, width), (step, size)
            yield k, band, np.ndarray(shape, table.dtype, table, offset, strides)


def _by_pieces(group: Group, cells: Cells, lines: Array) -> None:
    """Weight the rows of a RoI whose cells are too many to be gathered at once."""
    (_, R, _, L), step, C = group.rows.weights.shape, group.rows.step, cells.table.shape[1]
    columns = group.cols.cells[0]
    for band in range(R):
        places = group.places[0, band * step : band * step + L, None]
        few = max(CHUNK // max(L * C * cells.table.itemsize, 1), 1)
        for col in range(0, len(columns), few):
            part = cells.table[places + columns[col : col + few]].reshape(L, -1)
            out = lines[0, band, :, col * C :][:, : part.shape[1]]
            np.matmul(group.rows.weights[0, band], part, out=out)


def _at_the_limit(group: Group, cells: Cells, space: Workspace) -> Array:
    """Return the crop of one RoI, also if rounding carries a mean over the largest values."""
    try:
        return weighted(group, cells, space)
    except FloatingPointError:
        half = np.finfo(cells.table.dtype).max / 2
        rows = group.rows._replace(weights=group.rows.weights / 2)
        crop = weighted(group._replace(rows=rows), cells, space)
        return np.where(np.isfinite(crop), np.clip(crop, -half, half), crop) * 2
