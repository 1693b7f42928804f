"""The samples of RoIs in volumes that are in range, along one axis after the other."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lucid.roi.types import Array, Floats, Ints

READ_BYTES = 2 << 20  # of the samples of a RoI at once, or those of a channel


class Line(NamedTuple):
    """The samples of a RoI along one axis that are in range, (n,) each."""

    cells: Ints  # (2, n) first and second that is read
    weights: Floats  # (2, n)
    gains: Floats  # (2, n) of the second weight, by the start of the box and by its end
    bin: Ints
    number: Ints  # of the bin's samples
    per_bin: int  # samples of a bin, in range or not

    def runs(self) -> tuple[Ints, Ints, Ints]:
        """Return the bins that have samples, the first of each and how many they are."""
        return np.unique(self.bin, return_index=True, return_counts=True)


class Solid(NamedTuple):
    """A RoI on a region."""

    features: Array  # (C, d, h, w)
    lines: tuple[Line, Line, Line]
    renormalize: bool  # whether samples out of range do not take part
    dtype: np.dtype[Any]  # to weight in

    @property
    def is_read(self) -> bool:
        """Whether any sample is in range."""
        return all(len(line.bin) for line in self.lines)

    def channels(self) -> Iterator[slice]:
        """Yield channels, as many as their samples may take."""
        cells = math.prod(max(len(line.bin), int(np.ptp(line.cells)) + 1) for line in self.lines)
        step = max(READ_BYTES // (cells * self.dtype.itemsize), 1)
        for start in range(0, len(self.features), step):
            yield slice(start, min(start + step, len(self.features)))

    def window(self) -> tuple[slice, ...]:
        """Return the cells between those that are read, along each axis."""
        ends = [(int(line.cells.min()), int(line.cells.max())) for line in self.lines]
        return tuple(slice(first, last + 1) for first, last in ends)

    def read(self, channels: slice) -> Array:
        """Return the values of all samples, (C, nz, ny, nx)."""
        window = self.window()
        values: Array = self.features[(channels, *window)].astype(self.dtype)
        for axis, (line, own) in enumerate(zip(self.lines, window, strict=True), 1):
            shape = [-1 if each == axis else 1 for each in range(4)]
            one, other = line.weights.astype(self.dtype).reshape(2, *shape)
            near, far = (values.take(cells - own.start, axis) for cells in line.cells)
            with np.errstate(over="ignore", invalid="ignore"):
                values = near * one + far * other
        return values

    def takes_zeros(self) -> Array:
        """Return for which bins with samples one that is out of range takes part."""
        z, y, x = (line.runs()[2] for line in self.lines)
        every = math.prod(line.per_bin for line in self.lines)
        takes: Array = (z[:, None, None] * y[:, None] * x < every) & (not self.renormalize)
        return takes
