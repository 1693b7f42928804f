"""Maps and a geometry to crops: gather the touched cells, weight them by row, then by column.

The cells of a map have their channels side by side, so both weightings are matrix products. Each
RoI of a batch is weighted by products of its own, whose sizes its neighbours have no part in: so
its crop has the same bits anywhere.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np

from lucid.roi.engines import PlacedRois
from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.buffers import Buffers, buffers_for
from lucid.roi.engines.numpy.channels_last import ChannelsLastTable, lay_out_table, to_channels_last
from lucid.roi.engines.numpy.passes import CropsPass
from lucid.roi.engines.numpy.plain import holes_in_cells, holes_in_crops, mend_crop
from lucid.roi.engines.numpy.weights import Batch, batches_by_part, gapless_runs
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.taps import Rule
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers


class Window(NamedTuple):
    """The touched cells of one band of a RoI that lie in the table without gaps."""

    roi: int  # of a batch
    band: int
    cells: Array  # (rows, columns * C)


def pool(rois: PlacedRois, crops: Array, workers: Workers[Workspace]) -> None:
    """Write crops into their rows; see `lucid.roi.engines.Engine`."""
    if not len(rois.geometry):
        return
    table, copies = lay_out_table(rois, workers.space)
    # Lists: threads that lay weights out would keep the others from going on. In a list, RoIs that
    # are weighted in place come first, and so to one thread: many threads that each make short
    # calls would wait for each other.
    lists = map(list, batches_by_part(rois.geometry, table, CropsPass()))
    small = table.cells.nbytes < tuning.current.batch_bytes
    with workers.in_background(to_channels_last, copies, alone=small):
        first = next(lists)
    write = partial(_write, crops, rois, _looks(crops, rois, table))
    work = partial(_write_crops, write, table)
    for batches in chain([first], lists):
        workers.each(work, batches)


def pool_few(features: Array, boxes: Floats, rows: Indices, crops: Array, rule: Rule) -> bool:
    """Return False: nothing is quicker than `pool`."""
    return False


def _looks(crops: Array, rois: PlacedRois, table: ChannelsLastTable) -> bool:
    """Return whether to look for holes in crops: the table has some, or is more to look at."""
    more = table.cells.size > len(rois.rows) * crops[0].size
    return more or bool(holes_in_cells(table.cells).any())


def _write_crops(
    write: Callable[[Indices, Array], None],
    table: ChannelsLastTable,
    space: Workspace,
    batch: Batch,
) -> None:
    """Write the crops of a batch, RoI by RoI if one of them is at the limit of its dtype."""
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        try:
            write(batch.rois, weighted(batch, table, space))
        except FloatingPointError:
            for k in range(len(batch.rois)):
                one = batch.part(slice(k, k + 1))
                write(one.rois, _without_overflow(one, table, space))


def _write(crops: Array, rois: PlacedRois, looks: bool, some: Indices, values: Array) -> None:
    """Write the crops of some RoIs, but those with holes bin by bin if it looks for them."""
    made = bins_apart if rois.apart else partial(largest_of_blocks, block=rois.block)
    crops[rois.rows[some]] = made(values)
    holes = np.flatnonzero(holes_in_crops(values)) if looks else ()
    for k in holes:
        mended = values[k].copy()
        mend_crop(mended, rois, int(some[k]))
        crops[rois.rows[some[k]]] = made(mended[None])[0]


def largest_of_blocks(crops: Array, block: tuple[int, int]) -> Array:
    """Return the largest bins of blocks of crops (G, C, PH * h, PW * w), (G, C, PH, PW)."""
    if block == (1, 1):
        return crops
    bins = crops.transpose(0, 2, 3, 1)  # channels side by side, as products leave them
    for axis, step in enumerate(block, start=1):
        first = (slice(None),) * axis
        largest = bins[(*first, slice(0, None, step))].copy()
        for k in range(1, step):
            np.maximum(largest, bins[(*first, slice(k, None, step))], out=largest)
        bins = largest
    return bins.transpose(0, 3, 1, 2)


def bins_apart(crops: Array) -> Array:
    """Return of crops (G, C * PH * PW, PH, PW) the bins that have a channel to themselves."""
    G, channels, PH, PW = crops.shape
    bins = crops.transpose(0, 2, 3, 1).reshape(G, PH * PW, channels // (PH * PW), PH * PW)
    return bins.diagonal(axis1=1, axis2=3).reshape(G, -1, PH, PW)


def weighted(batch: Batch, table: ChannelsLastTable, space: Workspace) -> Array:
    """Return the crops (G, C, PH, PW) of RoIs."""
    buffers = weighted_by_row(batch, table, space)
    np.matmul(batch.cols.weights[:, None], buffers.columns, out=buffers.bins)
    return buffers.crops


def weighted_by_row(batch: Batch, table: ChannelsLastTable, space: Workspace) -> Buffers:
    """Return buffers of which `by_row` (G, PH, w, C) is filled."""
    (G, n), w, C = batch.places.shape, batch.cols.cells.shape[1], table.cells.shape[1]
    fits = G > 1 or n * w * table.cell_bytes <= tuning.current.batch_bytes
    gathers = fits and not batch.in_place
    buffers = buffers_for(batch, C, table.cells.dtype, space, gathers)
    if gathers:
        gather(batch, table, buffers.patch)
        np.matmul(batch.rows.weights, buffers.bands, out=buffers.weighted)
    elif batch.in_place:
        _weight_in_place(batch, table, buffers.weighted)
    else:
        _weight_by_pieces(batch, table, buffers.weighted)
    return buffers


def gather(batch: Batch, table: ChannelsLastTable, patch: Array) -> None:
    """Write the values of touched cells to a patch, (G, rows, w, C)."""
    places = batch.places[:, :, None] + batch.cols.cells[:, None]
    table.cells.take(places, 0, patch, "clip")  # 'raise' would buffer


def _weight_in_place(batch: Batch, table: ChannelsLastTable, out: Array) -> None:
    """Weight rows where they lie: calls for each band, but nothing is gathered."""
    touched = int(gapless_runs(batch.cols.cells)[1].min()) * table.cells.shape[1]
    out[..., touched:] = 0  # of columns listed again
    for roi, band, cells in list(windows(batch, table)):
        high, width = cells.shape
        weights = batch.rows.weights[roi, band, :, :high]
        np.matmul(weights, cells, out=out[roi, band, :, :width])


def windows(batch: Batch, table: ChannelsLastTable) -> Iterator[Window]:
    """Yield the windows of each RoI and band of a batch that is weighted in place."""
    (R, _, L), C, size = batch.rows.weights.shape[1:], table.cells.shape[1], table.cells.itemsize
    high = gapless_runs(batch.rows.cells.reshape(-1, R, L))[1]
    cols, wide = gapless_runs(batch.cols.cells)
    places = batch.places.reshape(-1, R, L)[..., 0] + cols[:, None]
    lists = wide * C, table.pitch[batch.rois] * (C * size), places * (C * size), high
    each = zip(*(values.tolist() for values in lists), strict=True)
    for roi, (width, step, offsets, heights) in enumerate(each):
        for band, (offset, height) in enumerate(zip(offsets, heights, strict=True)):
            shape, strides = (height, width), (step, size)
            cells: Array = np.ndarray(shape, table.cells.dtype, table.cells, offset, strides)
            yield Window(roi=roi, band=band, cells=cells)


def _weight_by_pieces(batch: Batch, table: ChannelsLastTable, out: Array) -> None:
    """Weight the rows of a RoI whose cells are too many to be gathered at once."""
    columns = batch.cols.cells[0]
    few = max(
        tuning.current.batch_bytes // max(batch.rows.weights.shape[3] * table.cell_bytes, 1), 1
    )
    for band, weights in enumerate(batch.rows.weights[0]):
        places = batch.places[0, band * batch.rows.step :, None][: weights.shape[1]]
        for col in range(0, len(columns), few):
            part = table.cells[places + columns[col : col + few]].reshape(len(places), -1)
            here = out[0, band, :, col * table.cells.shape[1] :]
            np.matmul(weights, part, out=here[:, : part.shape[1]])


def _without_overflow(batch: Batch, table: ChannelsLastTable, space: Workspace) -> Array:
    """Return the crop of one RoI, also if rounding carries a mean over the largest values."""
    try:
        return weighted(batch, table, space)
    except FloatingPointError:
        half = np.finfo(table.cells.dtype).max / 2
        rows = batch.rows._replace(weights=batch.rows.weights / 2)
        crop = weighted(batch._replace(rows=rows), table, space)
        return np.where(np.isfinite(crop), np.clip(crop, -half, half), crop) * 2
