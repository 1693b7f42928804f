"""Forms of boxes: the columns that an operator's boxes have, and what makes a box invalid."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lucid.roi.types import Array, Bools, Floats


class BoxForm(NamedTuple):
    """The columns of boxes; a row of a table begins with its batch index."""

    columns: tuple[str, ...]
    ends: tuple[tuple[str, str], ...] = ()  # the two of each axis
    sizes: tuple[str, ...] = ()  # that are at least 0
    ordered: bool = True  # whether the second of two ends is not the smaller one

    @property
    def row(self) -> tuple[str, ...]:
        """The columns of a table."""
        return ("batch_index", *self.columns)

    @property
    def axes(self) -> int:
        """How many axes maps have that such boxes lie on."""
        return len(self.ends) or 2

    @property
    def is_upright(self) -> bool:
        """Whether boxes are two corners of the plane."""
        return self.columns == UPRIGHT.columns

    def defects(self, boxes: Floats) -> Iterator[tuple[str, Bools]]:
        """Yield which boxes (k, B) are invalid, by kind."""
        columns = np.ascontiguousarray(boxes.T)  # which NumPy is faster at than at short rows
        yield "not finite", ~np.logical_and.reduce(np.isfinite(columns))
        column = dict(zip(self.columns, columns, strict=True))
        for low, high in self.ends * self.ordered:
            yield f"{high} < {low}", column[high] < column[low]
        for size in self.sizes:
            yield f"{size} < 0", column[size] < 0

    def expanded(self, boxes: Floats, factor: float) -> Floats:
        """Return boxes (k, B) that are so many times as large, about their centres."""
        if factor == 1:
            return boxes
        larger, beyond = boxes.copy(), (factor - 1) / 2
        for low, high in self._ends_at():
            with np.errstate(over="ignore", invalid="ignore"):
                more = boxes[:, high] * beyond - boxes[:, low] * beyond
                larger[:, low] -= more
                larger[:, high] += more
        for at in self._sizes_at():
            with np.errstate(over="ignore"):
                larger[:, at] *= factor
        largest = np.finfo(np.float64).max
        return np.where(np.isfinite(boxes), np.clip(larger, -largest, largest), boxes)

    def of_smaller(self, gradient: Floats, factor: float) -> Floats:
        """Return the gradient of boxes (k, B) from that of expanded ones."""
        if factor == 1:
            return gradient
        pulled, beyond = gradient.copy(), (factor - 1) / 2
        for low, high in self._ends_at():
            more = (gradient[:, high] - gradient[:, low]) * beyond
            pulled[:, low] -= more
            pulled[:, high] += more
        for at in self._sizes_at():
            pulled[:, at] *= factor
        return pulled

    def _ends_at(self) -> list[tuple[int, int]]:
        return [(self.columns.index(low), self.columns.index(high)) for low, high in self.ends]

    def _sizes_at(self) -> list[int]:
        return [self.columns.index(size) for size in self.sizes]

    def scaled(self, boxes: Floats, factors: Floats) -> Floats:
        """Return boxes (k, B) times a factor each (k,), about the origin; angles stay."""
        is_length = np.array([name != "angle" for name in self.columns])
        larger: Floats = boxes * np.where(is_length, factors[:, None], 1)
        return larger

    def sides(self, boxes: Floats) -> Floats:
        """Return the sides of boxes (k, B), one row for each axis."""
        with np.errstate(over="ignore"):
            sides = [boxes[:, high] - boxes[:, low] for low, high in self._ends_at()]
        return np.array([*sides, *(boxes[:, at] for at in self._sizes_at())])

    def areas(self, boxes: Floats) -> Floats:
        """Return the areas of boxes (k, B)."""
        with np.errstate(over="ignore", under="ignore"):
            area: Floats = np.prod(self.sides(boxes), axis=0)
        return area

    def facts(self, box: Array) -> Iterator[tuple[str, str]]:
        """Yield what a box must be and what it is, by kind of defect."""
        shown = {name: shortly(value) for name, value in zip(self.columns, box, strict=True)}
        yield "not finite", f"coordinates must be finite, got ({', '.join(shown.values())})"
        for low, high in self.ends:
            got = f"got {low} = {shown[low]}, {high} = {shown[high]}"
            yield f"{high} < {low}", f"{high} must be at least {low}, {got}"
        for size in self.sizes:
            yield f"{size} < 0", f"{size} must be at least 0, got {shown[size]}"


def shortly(value: object) -> str:
    """Return a number as people write it."""
    return str(value).removesuffix(".0")


UPRIGHT = BoxForm(("x1", "y1", "x2", "y2"), ends=(("x1", "x2"), ("y1", "y2")))
FLIPPED = UPRIGHT._replace(ordered=False)  # a box whose ends are reversed is read backwards
VOLUME = BoxForm(
    ("x1", "y1", "z1", "x2", "y2", "z2"), ends=(("x1", "x2"), ("y1", "y2"), ("z1", "z2"))
)
CORNERS = BoxForm(("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4"))  # of turned boxes, in files
TURNED = BoxForm(("cx", "cy", "w", "h", "angle"), sizes=("w", "h"))
