"""Which window of its map each RoI touches, known before a pixel is read.

Crops are separable: each axis is laid out on its own. This is the only place where x, y becomes
y, x: arrays are (2, K), rows before columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lucid.roi.forms import BoxForm
from lucid.roi.taps import Grids, Taps, TurnedGrids
from lucid.roi.types import Array, Floats, Ints, Part


@dataclass(frozen=True, slots=True)
class Windows:
    """The cells that K RoIs touch along each axis, and what the operator notes about them."""

    first: Ints  # (2, K) first touched cell
    count: Ints  # (2, K) touched cells; 0 where no bin reads any
    notes: tuple[Array, ...]  # (2, K) each; only the operator knows what they are


class Operator(Protocol):
    """What a crop is. Which cells its bins read, and how, it tells in one of the ways below."""

    def __hash__(self) -> int:
        """Tell operators apart."""

    @property
    def form(self) -> BoxForm:
        """The columns of its boxes."""

    @property
    def output_size(self) -> tuple[int, ...]:
        """Bins of a crop, height before width, and depth before both."""

    @property
    def spatial_scale(self) -> tuple[float, ...]:
        """Cells per input coordinate, y before x, and z before both."""

    @property
    def offset(self) -> float:
        """What is subtracted from positions, in cells."""

    def windows(self, boxes: Floats, sizes: Ints, dtype: np.dtype[Any]) -> Windows:
        """Return the windows of boxes (K, B).

        `sizes` (2, K) are those of their maps in cells; `dtype` is the one that features are
        weighted in.
        """


class TapOperator(Operator, Protocol):
    """An operator whose bins read what each axis says: which cells, and with which weights."""

    @property
    def output_size(self) -> tuple[int, int]:
        """Bins of a crop, height before width."""

    @property
    def spatial_scale(self) -> tuple[float, float]:
        """Cells per input coordinate, y before x."""

    def tap_counts(self, geometry: "Geometry") -> Ints:
        """Return upper bounds (2, K) of the number of taps of each RoI."""

    def most_taps(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return upper bounds, along each axis, of the taps of any RoI on a map of this size."""

    def taps(self, geometry: "Geometry", slopes: bool) -> Taps:
        """Return what the bins of all RoIs read, with the slopes of the weights if wanted."""

    def grids(self, geometry: "Geometry") -> tuple[Grids, tuple[float, float]] | None:
        """Return the grids of samples that taps are made of, if they are, and the spatial scale."""


class TurnedOperator(Operator, Protocol):
    """An operator whose bins are means of samples on turned grids, where no axis stands alone."""

    @property
    def output_size(self) -> tuple[int, int]:
        """Bins of a crop, height before width."""

    def most_samples(self, size: tuple[int, int]) -> int:
        """Return the most samples in a row of any RoI that may be on a map of this size."""

    def turned(self, geometry: "Geometry") -> TurnedGrids:
        """Return the grids of samples."""

    @property
    def units(self) -> Floats:
        """What one of each box column is: of cx, cy, w, h in cells, of the angle in radians."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """K RoIs on their maps, and the window that an operator touches for each."""

    operator: Operator
    size: Ints  # (2, K) cells of the map
    windows: Windows

    def __len__(self) -> int:
        return len(self.size[0])

    def __getitem__(self, part: Part) -> "Geometry":
        return self._with([column[:, part] for column in self._columns()])

    def _columns(self) -> tuple[Array, ...]:
        return self.size, self.first, self.count, *self.windows.notes

    def _with(self, columns: Sequence[Array]) -> "Geometry":
        size, first, count, *notes = columns
        windows = Windows(first=first, count=count, notes=tuple(notes))
        return Geometry(operator=self.operator, size=size, windows=windows)

    @staticmethod
    def joined(parts: Sequence["Geometry"]) -> "Geometry":
        """Return the RoIs of several geometries by one operator, one after the other."""
        if len(parts) == 1:
            return parts[0]
        columns = zip(*(part._columns() for part in parts), strict=True)
        return parts[0]._with([np.concatenate(column, axis=1) for column in columns])

    @property
    def tap_operator(self) -> TapOperator:
        """The operator, for the parts of engines that ask for taps."""
        return cast(TapOperator, self.operator)

    @property
    def turned_operator(self) -> TurnedOperator:
        """The operator, for the parts of engines that ask for turned grids."""
        return cast(TurnedOperator, self.operator)

    @property
    def pooled(self) -> tuple[int, int]:
        """Bins of a crop, height before width."""
        return self.tap_operator.output_size

    @property
    def first(self) -> Ints:
        """The first touched cells, (2, K)."""
        return self.windows.first

    @property
    def count(self) -> Ints:
        """The numbers of touched cells, (2, K)."""
        return self.windows.count

    def touched(self) -> Ints:
        """Return the number of cells in each RoI's window, (K,)."""
        cells: Ints = np.multiply.reduce(self.count)
        return cells

    def bounds(self) -> tuple[slice, ...]:
        """Return the rows and columns of the smallest window that holds all windows."""
        some = self.touched() > 0
        if not some.any():
            return (slice(0, 0),) * len(self.size)
        begin = self.first[:, some].min(axis=1).tolist()
        end = (self.first + self.count)[:, some].max(axis=1).tolist()
        return tuple(map(slice, begin, end))


def lay_out(boxes: Floats, operator: Operator, size: ArrayLike, dtype: DTypeLike) -> Geometry:
    """Return the geometry of boxes (K, B) on maps of `size` cells: (H, W), or one each, (2, K).

    Where an operator has three axes, depth is before both.

    `dtype` is the one that features are weighted in: an operator decides whole numbers in it.
    """
    axes = len(operator.output_size)
    sizes: Ints = np.zeros((axes, len(boxes)), np.int64)
    sizes += np.reshape(size, (axes, -1))
    return Geometry(operator, sizes, operator.windows(boxes, sizes, np.dtype(dtype)))


def edges_of(boxes: Floats) -> Floats:
    """Return the edges (start or end, axis, K) of upright boxes (K, 4)."""
    return boxes.T[[1, 0, 3, 2]].reshape(2, 2, -1)


def clip(values: Array, least: ArrayLike, most: ArrayLike) -> Array:
    """Return what `np.clip` does, which takes several times as long for few values."""
    clipped: Array = np.minimum(np.maximum(values, least), most)
    return clipped


def as_column(pair: tuple[Any, ...]) -> Array:
    """Return a pair, height before width, as (2, 1)."""
    return np.array(pair)[:, None]


def numbered(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Return the lines of samples, and their numbers: so many on each from a first one on."""
    line = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    return line, np.arange(len(line)) + np.repeat(first - before, count)
