"""RoI tables: (K, 5) rows of batch_index, x1, y1, x2, y2, checked before anything uses them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lucid.errors import DTypeError, RoiError, ShapeError, literal
from lucid.roi.forms import UPRIGHT, BoxForm, shortly
from lucid.roi.operator import as_invalid
from lucid.roi.types import Array, Bools, Floats, Indices, Ints

SHOWN = 5  # rows of each kind that a report names
COLUMNS = UPRIGHT.row


@dataclass(frozen=True, slots=True)
class RoiTable:
    """RoIs that are safe to use: an invalid row is the empty box of image 0, and marked."""

    batch_index: Ints  # (K,)
    boxes: Floats  # (K, B) in input coordinates, by the columns of their form
    valid: Bools  # (K,)

    def __len__(self) -> int:
        return len(self.batch_index)

    def __getitem__(self, rows: Indices) -> "RoiTable":
        return RoiTable(self.batch_index[rows], self.boxes[rows], self.valid[rows])

    @classmethod
    def joined(cls, tables: Sequence["RoiTable"]) -> "RoiTable":
        """Return one table of the rows of all."""
        return cls(
            np.concatenate([table.batch_index for table in tables]),
            np.concatenate([table.boxes for table in tables]),
            np.concatenate([table.valid for table in tables]),
        )

    def by_image(self) -> Iterator[tuple[int, Indices]]:
        """Yield each image that has valid RoIs, with their rows in ascending order."""
        (rows,) = self.valid.nonzero()
        images = self.batch_index[rows]
        if (images == images[:1]).all():
            yield from [(int(images[0]), rows)] if len(rows) else []
            return
        order = np.argsort(images, kind="stable")
        rows, images = rows[order], images[order]
        starts = np.flatnonzero(images[1:] != images[:-1]) + 1
        for start, stop in pairwise([0, *starts.tolist(), len(rows)]):
            if start < stop:
                yield int(images[start]), rows[start:stop]


@dataclass(frozen=True, slots=True)
class Defect:
    """One way for rows to be invalid: how many are, and the first of them."""

    count: int
    rows: tuple[int, ...]  # the first few
    fact: str  # about the first


@dataclass(slots=True)
class RoiReport:
    """What is known about the rows of a table after reading it, in one piece or many."""

    rois: int = 0
    invalid: int = 0
    defects: dict[str, Defect] = field(default_factory=dict)

    def add(self, other: "RoiReport") -> None:
        """Take in what a later piece of the same table holds."""
        self.rois += other.rois
        self.invalid += other.invalid
        for kind, late in other.defects.items():
            early = self.defects.get(kind)
            rows = (early.rows + late.rows)[:SHOWN] if early else late.rows
            self.defects[kind] = Defect(
                late.count + (early.count if early else 0), rows, (early or late).fact
            )

    def forgive(self, kind: str) -> None:
        """Take out a kind of defect: rows that were meant to be zeros."""
        if kind in self.defects:
            self.invalid -= self.defects.pop(kind).count

    def require_valid(self, name: str, hint: str = "") -> None:
        """Raise `RoiError` about the first invalid row, if there is one, with a hint.

        The hint is to be `spelled`.
        """
        if self.invalid:
            first = min(self.defects.values(), key=lambda defect: defect.rows)
            others = self.invalid - 1
            more = f" (and {others} more row{'s' * (others > 1)})" if others else ""
            text = literal(f"{name}: {first.fact}{more}")
            raise RoiError.of(f"{text}{hint}; {{invalid:zero}} makes them zeros")


def as_rois(
    rois: ArrayLike,
    images: int,
    *,
    invalid: str = "raise",
    name: str = "rois",
    form: BoxForm = UPRIGHT,
) -> RoiTable:
    """Return a checked RoI table.

    Parameters
    ----------
    rois : array_like of shape (K, 1 + B)
        Rows of a batch index and a box; by default batch_index, x1, y1, x2, y2.
    images : int
        How many images there are to point to.
    invalid : {'raise', 'zero'}
        Whether an invalid row is an error or a row to be marked.
    name : str
        What the caller calls the table.
    form : BoxForm
        The columns of boxes, which are the operator's `form`.

    Raises
    ------
    ShapeError, DTypeError
        If it is not a table of so many columns of real numbers.
    RoiError
        If a row is invalid and `invalid` is 'raise'.
    ValueError
        If `invalid` is neither.

    Examples
    --------
    >>> as_rois([[0, 4, 4, 24, 24]], images=1).boxes
    array([[ 4.,  4., 24., 24.]])
    """
    policy = as_invalid(invalid)
    table, report = examine(check_table(rois, name, form), images, form=form)
    if policy == "raise":
        report.require_valid(name)
    return table


def check_table(rois: ArrayLike, name: str = "rois", form: BoxForm = UPRIGHT) -> Array:
    """Return `rois` as an array, if it has the shape and the dtype of a RoI table."""
    array = np.asarray(rois)
    if array.size == 0 and array.ndim == 1:  # an empty list
        array = array.reshape(0, len(form.row))
    require_table(array.shape, array.dtype, name, form)
    return array


def require_table(
    shape: tuple[int, ...], dtype: np.dtype[Any], name: str, form: BoxForm = UPRIGHT
) -> None:
    """Raise unless shape and dtype are those of a RoI table."""
    row = form.row
    if len(shape) != 2 or shape[1] != len(row):
        raise ShapeError(
            f"{name} must have shape (K, {len(row)}) with columns ({', '.join(row)}), got {shape}"
        )
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise DTypeError(f"{name} must hold real numbers of at most 64 bits, got {dtype}")


def examine(
    rois: Array, images: int, numbers: Indices | None = None, form: BoxForm = UPRIGHT
) -> tuple[RoiTable, RoiReport]:
    """Split rows (k, 1 + B) into batch index and boxes, and report the invalid ones.

    `numbers` are those that these rows have in the table that they are part of.
    """
    numbers = np.arange(len(rois)) if numbers is None else numbers
    index, boxes = rois[:, 0], rois[:, 1:].astype(np.float64)
    if index.dtype.kind == "f":  # a number of images may be more than float16 can hold
        index = index.astype(np.float64)
    masks = _masks(index, boxes, images, form)
    bad = reduce(or_, masks.values())
    report = RoiReport(len(rois), int(np.count_nonzero(bad)))
    if not report.invalid:
        return RoiTable(index.astype(np.int64), boxes, ~bad), report
    for kind, mask in _exclusive(masks.items()):
        if mask.any():
            rows = np.flatnonzero(mask)
            row = rows[0]
            facts = _facts(index[row], images) | dict(form.facts(rois[row, 1:]))
            first = tuple(numbers[rows[:SHOWN]].tolist())
            fact = f"{facts[kind]} at row {first[0]}"
            report.defects[kind] = Defect(len(rows), first, fact)
    boxes[bad] = 0
    return RoiTable(np.where(bad, 0, index).astype(np.int64), boxes, ~bad), report


def _masks(index: Array, boxes: Floats, images: int, form: BoxForm) -> dict[str, Bools]:
    """Return which rows are invalid, by kind."""
    with np.errstate(invalid="ignore"):
        return {
            "not integral": np.fmod(index, 1) != 0,  # NaN of what is not finite
            "no such image": (index < 0) | (index >= images),
            **dict(form.defects(boxes)),
        }


def _exclusive(
    masks: Iterable[tuple[str, Bools]],
) -> Iterator[tuple[str, Bools]]:
    """Count every row under the first kind that it falls under."""
    seen: Array = np.zeros((), bool)
    for kind, mask in masks:
        yield kind, mask & ~seen
        seen = seen | mask


def _facts(image: Any, images: int) -> dict[str, str]:
    """Say what a batch index must be and what it is, by kind of defect."""
    index = shortly(image)
    return {
        "not integral": f"batch_index must be a whole number, got {index}",
        "no such image": f"batch_index must be in [0, {images}), got {index}",
    }
