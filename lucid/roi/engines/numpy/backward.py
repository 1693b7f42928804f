"""From the gradient of crops to those of features and boxes: the forward steps in reverse."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from lucid.roi.engines import PlacedRois
from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.channels_last import (
    ChannelsLastTable,
    Copy,
    from_channels_last,
    lay_out_table,
    to_channels_last,
)
from lucid.roi.engines.numpy.forward import gather, weighted_by_row, windows
from lucid.roi.engines.numpy.passes import BoxGradientPass, FeatureGradientPass, Pass
from lucid.roi.engines.numpy.plain import (
    add_features,
    holes_in_cells,
    holes_in_gradient,
    without_holes,
)
from lucid.roi.engines.numpy.rectangles import Rectangle, add_products
from lucid.roi.engines.numpy.weights import Batch, batches_by_part
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array, Bools, Floats, Ints
from lucid.roi.workers import Workers


class Bands(NamedTuple):
    """Where on a map the B bands of a batch lie; their lists end with a cell again and again."""

    y: Ints  # (B, L) rows of the map's touched part
    x: Ints  # (B, w) columns of it
    height: Ints  # (B,) rows without those that are there again
    width: Ints  # (B,)

    @property
    def scattered(self) -> Bools:
        """Whether bands have other cells between theirs, (B,)."""
        deep, broad = (each[:, -1] - each[:, 0] for each in (self.y, self.x))
        gaps: Bools = (deep >= self.height) | (broad >= self.width)
        return gaps


def pool_adjoint(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> None:
    """Write the gradient of features to the only region; see `lucid.roi.engines.Engine`."""
    features, space = rois.regions[0].features, workers.space
    down, across = rois.geometry.bounds()
    if not len(features):
        return
    features[:, : down.start] = features[:, down.stop :] = 0
    features[:, down, : across.start] = features[:, down, across.stop :] = 0
    inside = features[:, down, across]
    total = space.table.array((*inside.shape[1:], len(features)), rois.dtype)
    total[...] = 0
    with np.errstate(invalid="ignore"):  # 0 * inf, which is done again
        _add_all(gradient, rois, total, space)
    holes = holes_in_gradient(gradient, rois) if holes_in_cells(total).any() else []
    if holes:
        total[...] = 0
        _add_all(gradient, rois, total, space, fills=True)
    from_channels_last(Copy(part=inside, place=total))
    for k in holes:
        add_features(rois, gradient, k)


def _add_all(
    gradient: Array, rois: PlacedRois, total: Array, space: Workspace, fills: bool = False
) -> None:
    """Add what all RoIs bring, with 0 for what is not finite if that is asked for."""
    nowhere = np.zeros(len(rois.geometry), np.int64)
    table = ChannelsLastTable(total.reshape(-1, total.shape[2]), base=nowhere, pitch=nowhere)
    for batch in _batches(rois, table, FeatureGradientPass()):
        if batch.rows.cells.size * batch.cols.cells.size:
            bins = _channels_last(gradient[rois.rows[batch.rois]], space, rois.dtype)
            if fills:
                bins[~np.isfinite(bins)] = 0
            _add_batch(bins, batch, total, rois.geometry.bounds(), space)


def _batches(rois: PlacedRois, table: ChannelsLastTable, way: Pass) -> Iterator[Batch]:
    return chain.from_iterable(batches_by_part(rois.geometry, table, way))


def _add_batch(
    bins: Array, batch: Batch, total: Array, window: tuple[slice, ...], space: Workspace
) -> None:
    """Add to `total` (h, w, C), a window of a map, the gradient of what RoIs touch."""
    by_row = _spread_by_col(bins, batch, space)
    (G, PH, w, C), (_, R, _, L) = by_row.shape, batch.rows.weights.shape
    by_row = by_row.reshape(G * R, PH // R, w * C)
    weights = batch.rows.weights[:, :, : PH // R].reshape(G * R, PH // R, L)
    bands = _bands(batch, window)
    scattered = bands.scattered
    flat, cells = total.reshape(len(total), -1), total.reshape(-1, C)
    add_products(weights, by_row, flat, _rectangles(bands, ~scattered, C))
    for band in np.flatnonzero(scattered).tolist():
        y, x = bands.y[band, : bands.height[band], None], bands.x[band, : bands.width[band]]
        _add_scattered(weights[band], by_row[band], y * total.shape[1] + x, cells, space)


def _bands(batch: Batch, window: tuple[slice, ...]) -> Bands:
    """Return where the bands of RoIs lie in a window of a map."""
    R, _, L = batch.rows.weights.shape[1:]
    y, x = batch.rows.cells.reshape(-1, L), np.repeat(batch.cols.cells, R, axis=0)
    # What a list has after its last cell is that cell again, for nothing.
    height, width = (1 + (each == each[:, -1:]).argmax(axis=1) for each in (y, x))
    return Bands(y=y - window[0].start, x=x - window[1].start, height=height, width=width)


def _rectangles(bands: Bands, some: Bools, channels: int) -> Iterator[Rectangle]:
    """Yield some bands, which have no gaps, as rectangles of a map with so many channels."""
    columns = (
        np.flatnonzero(some),
        bands.y[some, 0],
        bands.x[some, 0] * channels,
        bands.height[some],
        bands.width[some] * channels,
    )
    for pair, top, left, height, width in zip(*(each.tolist() for each in columns), strict=True):
        yield Rectangle(pair=pair, first=0, top=top, left=left, height=height, width=width)


def _add_scattered(
    weights: Array, by_row: Array, places: Ints, cells: Array, space: Workspace
) -> None:
    """Add the rows (M, w * C) of a band to cells with others between them, at (L, w) places."""
    width = places.shape[1] * cells.shape[1]
    step = max(tuning.current.scattered_bytes // (width * cells.itemsize), 1)
    for begin in range(0, len(places), step):
        some = places[begin : begin + step]
        gathered = space.scattered.array((*some.shape, cells.shape[1]), cells.dtype)
        cells.take(some, 0, gathered, "clip")
        part = Rectangle(pair=0, first=begin, top=0, left=0, height=len(some), width=width)
        add_products(weights[None], by_row[None], gathered.reshape(len(some), -1), [part])
        cells[some] = gathered


def _spread_by_col(bins: Array, batch: Batch, space: Workspace) -> Array:
    """Return the gradient of what was weighted by row, (G, PH, w, C)."""
    (G, PH, _, C), w = bins.shape, batch.cols.cells.shape[1]
    by_row = space.by_row.array((G, PH, w, C), bins.dtype)
    return np.matmul(batch.cols.weights.swapaxes(2, 3), bins, out=by_row)


def _channels_last(gradient: Array, space: Workspace, dtype: np.dtype[np.generic]) -> Array:
    """Return the gradient of crops (G, C, PH, PW) with channels last, (G, PH, PW, C)."""
    G, C, PH, PW = gradient.shape
    bins = space.bins.array((G, PH, PW, C + tuning.current.padding_values), dtype)[..., :C]
    bins[...] = gradient.transpose(0, 2, 3, 1)
    return bins


def box_gradient(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> Floats:
    """Return the gradient of x1, y1, x2, y2, (K, 4); see `lucid.roi.engines.Engine`."""
    result = np.zeros((len(rois.geometry), 4))
    table, copies = lay_out_table(rois, workers.space)
    workers.each(to_channels_last, copies)
    for batch in _batches(rois, table, BoxGradientPass()):
        its_own = gradient[rois.rows[batch.rois]]
        result[batch.rois] = _by_edges(batch, *_by_weights(its_own, batch, table, workers.space))
    for k in np.flatnonzero(~np.isfinite(result).all(axis=1)).tolist():
        if alone := without_holes(rois, k):
            result[k] = box_gradient(alone, gradient, workers)
    return result


def _by_edges(batch: Batch, by_row: Array, by_col: Array) -> Array:
    """Return the gradients of x1, y1, x2, y2 from those of weights, (G, 4)."""
    ends = (
        np.einsum("gbml,gbml->g", slope[:, :, : by.shape[2]], by)  # the rest weighs nothing
        for slopes in zip(batch.cols.slopes, batch.rows.slopes, strict=True)
        for slope, by in zip(slopes, (by_col, by_row), strict=True)
    )
    return np.stack(list(ends), axis=1)


def _by_weights(
    gradient: Array, batch: Batch, table: ChannelsLastTable, space: Workspace
) -> tuple[Array, Array]:
    """Return the gradients of a batch's row weights (G, R, M, L) and column weights (G, 1, PW, w).

    Bins that fill up the one band of all are left out.
    """
    buffers = weighted_by_row(batch, table, space)
    bins = _channels_last(gradient, space, table.cells.dtype)  # (G, PH, PW, C)
    by_col = np.matmul(bins, buffers.by_row.swapaxes(2, 3)).sum(axis=1, keepdims=True)
    (G, R, _, L), PH = batch.rows.weights.shape, batch.pooled[0]
    width = batch.cols.cells.shape[1] * table.cells.shape[1]
    by_row = _spread_by_col(bins, batch, space).reshape(G, R, PH // R, width)
    if batch.in_place:
        return _by_row_weights_in_place(by_row, batch, table), by_col
    patch = buffers.patch
    if not patch.size:  # it was weighted by pieces
        patch = space.patch.array((G, R * L, *buffers.by_row.shape[2:]), by_row.dtype)
        gather(batch, table, patch)
    return np.matmul(by_row, patch.reshape(G, R, L, width).swapaxes(2, 3)), by_col


def _by_row_weights_in_place(by_row: Array, batch: Batch, table: ChannelsLastTable) -> Array:
    """Return the gradient of row weights (G, R, M, L) from that of rows (G, R, M, w * C)."""
    G, R, _, L = batch.rows.weights.shape
    result = np.zeros((G, R, by_row.shape[2], L), by_row.dtype)
    for roi, band, cells in windows(batch, table):
        high, width = cells.shape
        np.matmul(by_row[roi, band, :, :width], cells.T, out=result[roi, band, :, :high])
    return result
