"""The largest samples in volumes in C: some channels after the other, a number of RoIs on each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

import lucid.roi.engines.compiled._solid as kernel
from lucid.roi.engines.compiled.door import slices
from lucid.roi.solid_samples import Line, Solid
from lucid.roi.types import Array, Floats, Ints
from lucid.roi.workers import Workers

ROIS_AT_ONCE = 256  # repay that a channel is brought to the cache
CHANNEL_BYTES = 4 << 20  # of channels at once, which the cache holds

Samples = tuple[Ints, Floats, Ints]


class Listed(NamedTuple):
    """A RoI with its samples, and the cells between those that they read."""

    row: int
    solid: Solid
    window: tuple[slice, ...]
    samples: tuple[Samples, Samples, Samples]
    per_bin: tuple[int, ...]

    def write(self, crops: Array, channels: slice) -> None:
        """Write some channels of a crop."""
        solid, own = self.solid, crops[self.row, channels]
        cells, crop = solid.features[(channels, *self.window)], own
        if cells.dtype != solid.dtype or not cells.flags.aligned:
            cells = np.require(cells, solid.dtype, ["C", "A"])
        if own.dtype != solid.dtype or not own.flags.aligned:
            crop = np.empty(own.shape, solid.dtype)
        size = solid.dtype.itemsize
        kernel.crop(*self.samples, self.per_bin, solid.renormalize, cells, crop, size)
        if crop is not own:
            with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
                own[...] = crop


def pool(solids: Iterator[tuple[int, Solid]], crops: Array, workers: Workers[Any]) -> None:
    """Write the crops of RoIs, whose rows come with them."""
    while some := list(islice(solids, ROIS_AT_ONCE)):
        listed = [_listed(row, solid) for row, solid in some if solid.is_read]
        crops[[row for row, solid in some if not solid.is_read]] = 0
        step = CHANNEL_BYTES // max(some[0][1].features[:1].nbytes, 1)
        workers.each(partial(_write, listed, crops), slices(0, crops.shape[1], step))


def _listed(row: int, solid: Solid) -> Listed:
    window = solid.window()
    z, y, x = (_samples(line, cells.start) for line, cells in zip(solid.lines, window, strict=True))
    return Listed(row, solid, window, (z, y, x), tuple(line.per_bin for line in solid.lines))


def _samples(line: Line, first: int) -> Samples:
    """Return the cells of samples, counted from the first that is read, weights and bins."""
    cells, weights = np.ascontiguousarray(line.cells - first), np.ascontiguousarray(line.weights)
    return cells, weights, np.ascontiguousarray(line.bin)


def _write(listed: list[Listed], crops: Array, _: Any, channels: slice) -> None:
    """Write some channels of crops."""
    for each in listed:
        each.write(crops, channels)
