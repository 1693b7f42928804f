"""TensorFlow's crop and resize: one reading for each bin, the outermost on the corners."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lucid.roi.forms import FLIPPED, BoxForm
from lucid.roi.geometry import Geometry, Windows, as_column, clip, edges_of, numbered
from lucid.roi.operator import OutputSize, as_extrapolation_value, as_method, as_output_size
from lucid.roi.operators.align import FAR_CELLS, touched
from lucid.roi.taps import Grids, Taps
from lucid.roi.types import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class CropAndResize:
    """Boxes are fractions of size - 1; one whose ends are reversed is read from low to high."""

    form: ClassVar[BoxForm] = FLIPPED
    spatial_scale: ClassVar[tuple[float, float]] = (1.0, 1.0)
    offset: ClassVar[float] = 0.0

    output_size: tuple[int, int]
    method: str
    extrapolation_value: float

    @classmethod
    def checked(
        cls,
        output_size: OutputSize,
        *,
        method: str = "bilinear",
        extrapolation_value: float = 0.0,
    ) -> "CropAndResize":
        """Return the operator that a caller asked for, or say which argument cannot be."""
        value = as_extrapolation_value(extrapolation_value)
        return cls(as_output_size(output_size), as_method(method), value)

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes; their lowest and highest readings, and whether to flip."""
        last = sizes - 1
        with np.errstate(over="ignore"):
            start, end = clip(edges_of(boxes) * last, -FAR_CELLS, FAR_CELLS)
        low, high = np.minimum(start, end), np.maximum(start, end)
        first, count = touched(low, high, (high >= 0) & (low <= last), sizes)
        return Windows(first=first, count=count, notes=(low, high, start > end))

    def flipped(self, geometry: Geometry) -> Bools:
        """Return which RoIs are to be turned about along each axis, (2, K)."""
        flips: Bools = geometry.windows.notes[2]
        return flips

    def most_taps(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return how many readings a RoI may have along each axis."""
        return self.output_size

    def tap_counts(self, geometry: Geometry) -> Ints:
        """Return how many readings there may be, (2, K)."""
        counts: Ints = as_column(self.output_size) * (geometry.count > 0)
        return counts

    def grids(self, geometry: Geometry) -> tuple[Grids, tuple[float, float]] | None:
        """Return None: readings are not in the middle of parts of a bin."""
        return None

    def taps(self, geometry: Geometry, slopes: bool) -> Taps:
        """Return the readings on the map, from the lowest to the highest."""
        pooled = np.repeat(self.output_size, len(geometry))
        line, number = numbered(np.zeros_like(pooled), pooled * (geometry.count.ravel() > 0))
        low, high = (column.ravel()[line] for column in geometry.windows.notes[:2])
        steps, last = pooled[line] - 1, geometry.size.ravel()[line] - 1
        along = np.where(steps > 0, number / np.maximum(steps, 1), 0.5)
        position = low * (1 - along) + high * along
        some = np.flatnonzero((position >= 0) & (position <= last))
        line, number, along, last = line[some], number[some], along[some], last[some]
        position = position[some]
        if self.method == "nearest":
            cell = np.floor(position + 0.5).astype(np.int64)
            weights = np.ones((1, len(cell)))
            return Taps(line, number, cell, weights, (0 * weights, 0 * weights) if slopes else ())
        cell = position.astype(np.int64)
        fraction = position - cell
        rise = last * (position < last)
        gains = [np.array([-each, each]) for each in (rise * (1 - along), rise * along)]
        weights = np.array([1 - fraction, fraction])
        return Taps(line, number, cell, weights, tuple(gains) if slopes else ())

    def on_map(self, geometry: Geometry) -> Bools:
        """Return which bins are read on the map, before they are turned about, (K, PH, PW)."""
        taps, (PH, PW) = self.taps(geometry, False), self.output_size
        reads = taps.sums(np.ones_like(taps.weights), (PH, PW), len(geometry)) > 0
        rows, cols = np.split(reads, 2)
        both: Bools = rows[:, :PH, None] & cols[:, None, :PW]
        return both
