"""Maps and a geometry to crops: gather the touched cells, weight them by row, then by column.

The cells of a map have their channels side by side, so both weightings are matrix products. A few
RoIs of one group are worked on at once, as many as the cache holds. Each is weighted by products
of its own, whose sizes its neighbours have no part in: so its crop has the same bits anywhere.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.cells import Cells, Region, lay_cells
from lucid.roi.geometry import Geometry
from lucid.roi.weights import Group, groups, runs
from lucid.roi.workers import Workers, Workspace

Array = NDArray[Any]

CHUNK = 1 << 22  # bytes that are gathered at once
LARGE = 1 << 18  # bytes of a band that are rather not gathered
APART = 16  # values between rows of bins: rows a power of two apart share places of the cache


@np.errstate(over="raise", invalid="ignore")
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
    cells = lay_cells(regions, geometry, dtype, workers)

    @np.errstate(over="raise", invalid="ignore")  # of the thread that it runs on
    def work(space: Workspace, chunk: Group) -> None:
        try:
            crops[rows[chunk.rois]] = weighted(chunk, cells, space).transpose(0, 3, 1, 2)
        except FloatingPointError:
            for k in range(len(chunk)):
                bins = _at_the_limit(chunk[k : k + 1], cells, space)
                crops[rows[chunk.rois[k : k + 1]]] = bins.transpose(0, 3, 1, 2)

    workers.each(work, chunks(geometry, cells))


def chunks(
    geometry: Geometry, cells: Cells, *, slopes: bool = False, one_band: bool = False
) -> Iterator[Group]:
    """Yield the RoIs of a geometry group by group, a few at a time."""
    table = cells.table
    each = table.shape[1] * table.itemsize + cells.base.itemsize  # values and place of a cell
    for part in geometry.parts():
        its, first = geometry[part], part.start
        for group in groups(its, table.dtype, first, slopes=slopes, one_band=one_band):
            _, bands, height = group.rows.cells.shape
            _, _, pooled_width, width = group.cols.weights.shape
            numbers = bands * height * width + group.pooled_height * pooled_width
            step = max(CHUNK // (numbers * each), 1)
            for start in range(0, len(group), step):
                yield group[start : start + step]


def weighted(group: Group, cells: Cells, space: Workspace, factor: float = 1) -> Array:
    """Return the bins (G, PH, PW, C) of RoIs, of their values times a factor."""
    lines = weighted_by_row(group, cells, space, factor)
    (G, PH, _, C), PW = lines.shape, group.cols.weights.shape[2]
    bins = space.array("bins", (G, PH, PW, C + APART), lines.dtype)[..., :C]
    return np.matmul(group.cols.weights, lines, out=bins)


def weighted_by_row(group: Group, cells: Cells, space: Workspace, factor: float = 1) -> Array:
    """Return what the bins' rows are of the touched columns, (G, PH, w, C)."""
    (G, B, M, _), w = group.rows.weights.shape, group.cols.cells.shape[2]
    C, dtype = cells.table.shape[1], cells.table.dtype
    lines = space.array("lines", (G, B, M, w * C), dtype)
    if factor == 1 and lie_in_place(group, cells):
        lines[..., int(runs(group.cols.cells)[1].min()) * C :] = 0  # of columns listed again
        for k, band, window in windows(group, cells):
            high, width = window.shape
            weights, out = group.rows.weights[k, band, :, :high], lines[k, band, :, :width]
            np.matmul(weights, window, out=out)
    else:
        _by_gathering(group, cells, space, lines, factor)
    return lines.reshape(G, B * M, w, C)[:, : group.pooled_height]


def lie_in_place(group: Group, cells: Cells) -> bool:
    """Return whether bands are weighted where they lie: calls for each, but nothing is gathered."""
    L, w, C = group.rows.cells.shape[2], group.cols.cells.shape[2], cells.table.shape[1]
    # Products with rows of a few numbers are summed in an order that depends on their distance.
    return group.gapless and w * C >= 2 * APART and L * w * C * cells.table.itemsize >= LARGE


def windows(group: Group, cells: Cells) -> Iterator[tuple[int, int, Array]]:
    """Yield each RoI and band with its touched cells in the table, (rows, columns * C)."""
    table, (C, size) = cells.table, (cells.table.shape[1], cells.table.itemsize)
    (rows, high), (cols, wide) = runs(group.rows.cells), runs(group.cols.cells)
    pitch = cells.pitch[group.rois, None]
    places = cells.base[group.rois, None] + rows * pitch + cols
    lists = (wide[:, 0] * C, pitch[:, 0] * (C * size), places * (C * size), high)
    each = zip(*(values.tolist() for values in lists), strict=True)
    for k, (width, step, offsets, heights) in enumerate(each):
        for band, (offset, height) in enumerate(zip(offsets, heights, strict=True)):
            shape, strides = (height, width), (step, size)
            yield k, band, np.ndarray(shape, table.dtype, table, offset, strides)


def _by_gathering(
    group: Group, cells: Cells, space: Workspace, lines: Array, factor: float
) -> None:
    """Weight the rows of RoIs after their cells are gathered."""
    (_, B, _, L), w = group.rows.weights.shape, group.cols.cells.shape[2]
    C = cells.table.shape[1]
    for bands, cols in _pieces(B, L, w, C * cells.table.itemsize):
        patch = gather(group, cells, space, bands, cols)  # (G, b, L, v, C)
        if factor != 1:
            patch *= factor
        here = lines[..., cols.start * C : cols.stop * C][:, bands]
        patch = patch.reshape(*patch.shape[:3], here.shape[3])
        np.matmul(group.rows.weights[:, bands], patch, out=here)


def gather(group: Group, cells: Cells, space: Workspace, bands: slice, cols: slice) -> Array:
    """Return the values of touched cells, (G, bands, L, cols, C)."""
    pitch, base = (column[group.rois, None, None, None] for column in (cells.pitch, cells.base))
    rows = group.rows.cells[:, bands, :, None] * pitch + base
    places = rows + group.cols.cells[:, :, None, cols]
    patch = space.array("patch", (*places.shape, cells.table.shape[1]), cells.table.dtype)
    return np.take(cells.table, places, axis=0, out=patch, mode="clip")  # 'raise' would buffer


def _pieces(bands: int, height: int, width: int, cell: int) -> Iterator[tuple[slice, slice]]:
    """Yield the bands and columns of a RoI that are gathered at once, as much as a chunk may be."""
    some = max(CHUNK // max(height * width * cell, 1), 1)
    few = max(min(CHUNK // max(height * cell, 1), width), 1)
    for band in range(0, bands, some):
        for col in range(0, width, few):
            yield slice(band, min(band + some, bands)), slice(col, min(col + few, width))


def _at_the_limit(group: Group, cells: Cells, space: Workspace) -> Array:
    """Return the bins of one RoI, also if rounding carries a mean over the largest values."""
    try:
        return weighted(group, cells, space)
    except FloatingPointError:
        half = np.finfo(cells.table.dtype).max / 2
        bins = weighted(group, cells, space, 0.5)
        return np.where(np.isfinite(bins), np.clip(bins, -half, half), bins) * 2
