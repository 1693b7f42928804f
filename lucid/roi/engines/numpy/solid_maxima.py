"""The largest samples in volumes: those of some channels of a RoI are read, axis after axis."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from lucid.roi.solid_samples import Solid
from lucid.roi.types import Array
from lucid.roi.workers import Workers


def pool(solids: Iterator[tuple[int, Solid]], crops: Array, workers: Workers[Any]) -> None:
    """Write the crops of RoIs, whose rows come with them."""
    workers.each(partial(_write_crop, crops), solids)


def _write_crop(crops: Array, _: Any, item: tuple[int, Solid]) -> None:
    """Write the crop of a RoI."""
    row, solid = item
    crop = np.zeros(crops.shape[1:], solid.dtype)
    for channels in solid.channels() if solid.is_read else ():
        numbers = np.arange(len(crop))[channels]
        crop[np.ix_(numbers, *(line.runs()[0] for line in solid.lines))] = _largest(solid, channels)
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        crops[row] = crop


def _largest(solid: Solid, channels: slice) -> Array:
    """Return the largest samples of the bins that have any, (C, bz, by, bx)."""
    values = solid.read(channels)
    for axis, line in enumerate(solid.lines, 1):
        values = np.maximum.reduceat(values, line.runs()[1], axis=axis)
    return np.where(solid.takes_zeros(), np.maximum(values, 0), values)
