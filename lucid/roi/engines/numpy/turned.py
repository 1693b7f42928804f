"""Crops and gradients of turned grids: products of a sparse matrix, listed tap by tap.

Crops are weights times cells; the gradient of features is the same product with the two of them
exchanged, and that of boxes is made of scalar products of gradient and cells.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import PlacedRois, WorkingBytes
from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.channels_last import (
    ChannelsLastTable,
    Copy,
    from_channels_last,
    lay_out_table,
    to_channels_last,
)
from lucid.roi.engines.numpy.sums import GATHERED_BYTES, Terms, add_products
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.geometry import TurnedOperator
from lucid.roi.turned_samples import LISTED_SAMPLES, Frame, Lines, Samples, listed, parts
from lucid.roi.types import Array, Floats, Ints
from lucid.roi.workers import Workers

BINS_BYTES = 4 << 20  # of bins made at once
SAMPLE_BYTES = 600  # of a sample, while it is listed and weighted
Part = tuple[slice, list[Lines]]


class Taps(NamedTuple):
    """What bins read, sorted by bin."""

    bin: Ints  # (n,) numbered through the RoIs of a part
    cell: Ints  # (n,) row of a table
    weights: Array  # (n,)


class Ready(NamedTuple):
    """RoIs with the table of the cells that they touch."""

    rois: PlacedRois
    table: ChannelsLastTable
    bins: int  # of a RoI

    @classmethod
    def of(cls, rois: PlacedRois, table: ChannelsLastTable) -> "Ready":
        """Return RoIs that are ready to be worked on."""
        return cls(rois, table, int(np.prod(rois.geometry.pooled)))

    def parts(self) -> Iterator[Part]:
        """Yield RoIs that are worked on together."""
        values = LISTED_SAMPLES * self.bins * self.table.cell_bytes
        frame = self.frame(slice(None))
        return parts(self.rois.geometry, frame, values // BINS_BYTES)

    def frame(self, some: slice) -> Frame:
        """Return the frame of some RoIs."""
        geometry = self.rois.geometry[some]
        return Frame.of(geometry, geometry.turned_operator.turned(geometry))

    def taps(self, samples: Samples, some: slice) -> Taps:
        """Return what the samples of some RoIs read, four cells each."""
        weights, cells = bilinear(samples) / samples.per_bin, self.cells(samples, some)
        numbers = self.numbers(samples)
        order = np.argsort(numbers, kind="stable")
        return Taps(
            bin=np.repeat(numbers[order], 4),
            cell=cells.reshape(4, -1).T[order].ravel(),
            weights=weights.reshape(4, -1).T[order].ravel().astype(self.rois.dtype),
        )

    def numbers(self, samples: Samples) -> Ints:
        """Return the bins of samples, numbered through their RoIs."""
        p, q = samples.bin
        found: Ints = samples.roi * self.bins + p * self.rois.geometry.pooled[1] + q
        return found

    def cells(self, samples: Samples, some: slice) -> Ints:
        """Return the rows of the table that samples read, (2, 2, n)."""
        base, pitch = self.table.base[some][samples.roi], self.table.pitch[some][samples.roi]
        y, x = samples.cell.transpose(1, 0, 2)
        found: Ints = (base + y * pitch)[:, None] + x
        return found


def bilinear(samples: Samples) -> Floats:
    """Return the weights of the cells that samples read, (2, 2, n)."""
    y, x = samples.fraction
    weights: Floats = np.array([1 - y, y])[:, None] * np.array([1 - x, x])
    return weights


def pool(rois: PlacedRois, crops: Array, workers: Workers[Workspace]) -> None:
    """Write crops into their rows; see `lucid.roi.engines.Engine`."""
    if len(rois.geometry):
        ready = laid_out(rois, workers)
        workers.each(partial(_write_crops, ready, crops), ready.parts())


def laid_out(rois: PlacedRois, workers: Workers[Workspace]) -> Ready:
    """Return RoIs with the table of the cells that they touch."""
    table, copies = lay_out_table(rois, workers.space)
    alone = table.cells.nbytes < tuning.current.batch_bytes
    with workers.in_background(to_channels_last, copies, alone=alone):
        pass
    return Ready.of(rois, table)


def _write_crops(ready: Ready, crops: Array, space: Workspace, part: Part) -> None:
    """Write the crops of some RoIs."""
    rows = ready.rois.rows[part[0]]
    bins = space.bins.array((len(rows) * ready.bins, crops.shape[1]), ready.rois.dtype)
    _weigh(ready, bins, space, part)
    if not np.isfinite(bins).all():
        _weigh(ready, bins, space, part, 0.5)
        half = np.finfo(bins.dtype).max / 2
        np.copyto(bins, 2 * np.clip(bins, -half, half), where=np.isfinite(bins))
    shape = len(rows), *ready.rois.geometry.pooled, crops.shape[1]
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        crops[rows] = bins.reshape(shape).transpose(0, 3, 1, 2)


def _weigh(ready: Ready, bins: Array, space: Workspace, part: Part, factor: float = 1) -> None:
    """Write the bins of some RoIs, all times a factor."""
    some, cuts = part
    bins[...] = 0
    frame = ready.frame(some)
    for number, lines in enumerate(cuts):
        taps = ready.taps(listed(frame, lines), some)
        terms = Terms(taps.bin, taps.cell, taps.weights * factor)
        add_products(bins, ready.table.cells, terms, space, more=number > 0)


def pool_adjoint(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> None:
    """Write the gradient of features to the only region; see `lucid.roi.engines.Engine`."""
    space = workers.space
    table, copy = table_for_gradient(rois, space)
    ready = Ready.of(rois, table)
    for part in ready.parts():
        _add_features(ready, gradient, space, part)
    from_channels_last(copy)


def _add_features(ready: Ready, gradient: Array, space: Workspace, part: Part) -> None:
    """Add what some RoIs bring to the gradient of cells."""
    some, cuts = part
    bins, frame = bins_of(ready, gradient, some), ready.frame(some)
    for lines in cuts:
        taps = ready.taps(listed(frame, lines), some)
        terms = Terms(taps.cell, taps.bin, taps.weights)
        add_products(ready.table.cells, bins, terms, space, more=True)


def table_for_gradient(rois: PlacedRois, space: Workspace) -> tuple[ChannelsLastTable, Copy]:
    """Return a table of zeros for the cells of the only region, and the copy that empties it.

    All other cells of the region become 0.
    """
    features, (down, across) = rois.regions[0].features, rois.geometry.bounds()
    features[:, : down.start] = features[:, down.stop :] = 0
    features[:, down, : across.start] = features[:, down, across.stop :] = 0
    inside = features[:, down, across]
    total = space.table.array((*inside.shape[1:], len(features)), rois.dtype)
    total[...] = 0
    pitch = np.full(len(rois.geometry), total.shape[1])
    base = -(down.start * pitch + across.start)
    cells = total.reshape(total.shape[0] * total.shape[1], len(features))
    return ChannelsLastTable(cells, base=base, pitch=pitch), Copy(part=inside, place=total)


def bins_of(ready: Ready, gradient: Array, some: slice) -> Array:
    """Return the gradient of some RoIs' bins, channels side by side, (bins, C)."""
    own = gradient[ready.rois.rows[some]].transpose(0, 2, 3, 1)
    return np.ascontiguousarray(own, ready.rois.dtype).reshape(-1, gradient.shape[1])


def box_gradient(rois: PlacedRois, gradient: Array, workers: Workers[Workspace]) -> Floats:
    """Return the gradient of boxes, (K, 5); see `lucid.roi.engines.Engine`."""
    result = np.zeros((len(rois.rows), 5))
    ready = laid_out(rois, workers)
    workers.each(partial(_write_boxes, ready, gradient, result), ready.parts())
    return result * rois.geometry.turned_operator.units


def _write_boxes(ready: Ready, gradient: Array, result: Floats, _: Workspace, part: Part) -> None:
    """Write the gradient of some boxes, in cells and radians."""
    some, cuts = part
    bins, frame = bins_of(ready, gradient, some), ready.frame(some)
    for lines in cuts:
        samples = listed(frame, lines)
        slopes = _slopes(ready, samples, bins, some) / samples.per_bin
        for column, values in enumerate(by_column(frame, samples, slopes)):
            result[some, column] += np.bincount(samples.roi, values, len(bins) // ready.bins)


def _slopes(ready: Ready, samples: Samples, bins: Array, some: slice) -> Floats:
    """Return what the gradient of its bin makes of moving a sample down or across, (2, n)."""
    cells, own = ready.cells(samples, some).reshape(4, -1), ready.numbers(samples)
    (a, b), (c, d) = _dots(ready.table, cells, bins, own).reshape(2, 2, -1)
    y, x = samples.fraction
    both = [(1 - x) * (c - a) + x * (d - b), (1 - y) * (b - a) + y * (d - c)]
    return np.where(samples.moves, both, 0)


def _dots(table: ChannelsLastTable, cells: Ints, bins: Array, own: Ints) -> Floats:
    """Return scalar products of cells (4, n) and bins (n,), (4, n)."""
    dots = np.empty((4, len(own)))
    step = max(GATHERED_BYTES // max(5 * table.cell_bytes, 1), 1)
    for begin in range(0, len(own), step):
        now = slice(begin, begin + step)
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.matmul(table.cells[cells[:, now].T], bins[own[now], :, None])
        dots[:, now] = found[..., 0].T
    return dots


def by_column(frame: Frame, samples: Samples, slopes: Floats) -> Floats:
    """Return what slopes (2, n) of samples mean for cx, cy, w, h in cells and the angle, (5, n)."""
    (down, across), (v, u) = slopes, samples.from_centre
    sine, cosine = frame.grids.turn[:, samples.roi]
    grows = ~frame.grids.min_extent[:, samples.roi]
    h, w = grows * (samples.along / np.reshape(frame.pooled, (2, 1)) - 0.5)
    return np.array(
        [
            across,
            down,
            w * (across * cosine - down * sine),
            h * (across * sine + down * cosine),
            across * (v * cosine - u * sine) - down * (u * cosine + v * sine),
        ]
    )


def working_bytes(
    operator: TurnedOperator, channels: int, size: tuple[int, int], dtype: DTypeLike
) -> WorkingBytes:
    """Return what is held for RoIs on a part of a map; see `lucid.roi.engines.Engine`."""
    cells, itemsize = size[0] * size[1], np.dtype(dtype).itemsize
    bins = channels * operator.output_size[0] * operator.output_size[1] * itemsize
    samples = max(LISTED_SAMPLES, operator.most_samples(size))
    return WorkingBytes(
        region=channels * cells * itemsize,
        weights=SAMPLE_BYTES * samples + 2 * max(bins, BINS_BYTES) + GATHERED_BYTES,
    )
