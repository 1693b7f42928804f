"""RoI tables: (K, 5) rows of batch_index, x1, y1, x2, y2, checked before anything uses them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lucid.errors import DTypeError, RoiError, ShapeError
from lucid.roi.operator import as_invalid
from lucid.roi.types import Array, Bools, Floats, Indices, Ints

SHOWN = 5  # rows of each kind that a report names
COLUMNS = ("batch_index", "x1", "y1", "x2", "y2")


@dataclass(frozen=True, slots=True)
class RoiTable:
    """RoIs that are safe to use: an invalid row is the empty box of image 0, and marked."""

    batch_index: Ints  # (K,)
    boxes: Floats  # (K, 4) x1, y1, x2, y2 in input coordinates
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
        rows = np.flatnonzero(self.valid)
        rows = rows[np.argsort(self.batch_index[rows], kind="stable")]
        images = self.batch_index[rows]
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
        """Raise `RoiError` about the first invalid row, if there is one, with a hint."""
        if self.invalid:
            first = min(self.defects.values(), key=lambda defect: defect.rows)
            others = self.invalid - 1
            more = f" (and {others} more row{'s' * (others > 1)})" if others else ""
            raise RoiError(
                f"{name}: {first.fact}{more}{hint}; "
                "invalid='zero' (--invalid zero) makes them zeros"
            )


def as_rois(
    rois: ArrayLike, images: int, *, invalid: str = "raise", name: str = "rois"
) -> RoiTable:
    """Return a checked RoI table.

    Parameters
    ----------
    rois : array_like of shape (K, 5)
        Rows batch_index, x1, y1, x2, y2; coordinates in input coordinates.
    images : int
        How many images there are to point to.
    invalid : {'raise', 'zero'}
        Whether an invalid row is an error or a row to be marked.
    name : str
        What the caller calls the table.

    Raises
    ------
    ShapeError, DTypeError
        If it is not a table of five columns of real numbers.
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
    table, report = examine(check_table(rois, name), images)
    if policy == "raise":
        report.require_valid(name)
    return table


def check_table(rois: ArrayLike, name: str = "rois") -> Array:
    """Return `rois` as an array, if it has the shape and the dtype of a RoI table."""
    array = np.asarray(rois)
    if array.size == 0 and array.ndim == 1:  # an empty list
        array = array.reshape(0, 5)
    require_table(array.shape, array.dtype, name)
    return array


def require_table(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless shape and dtype are those of a RoI table."""
    if len(shape) != 2 or shape[1] != len(COLUMNS):
        raise ShapeError(
            f"{name} must have shape (K, 5) with columns ({', '.join(COLUMNS)}), got {shape}"
        )
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise DTypeError(f"{name} must hold real numbers of at most 64 bits, got {dtype}")


def examine(rois: Array, images: int, first_row: int = 0) -> tuple[RoiTable, RoiReport]:
    """Split rows (k, 5) into batch index and boxes, and report the invalid ones.

    `first_row` is the number of the first of these rows in the table that they are part of.
    """
    index, boxes = rois[:, 0], rois[:, 1:].astype(np.float64)
    if index.dtype.kind == "f":  # a number of images may be more than float16 can hold
        index = index.astype(np.float64)
    masks = _masks(index, boxes, images)
    bad = np.logical_or.reduce(list(masks.values()))
    report = RoiReport(len(rois), int(np.count_nonzero(bad)))
    for kind, mask in _exclusive(masks.items() if report.invalid else ()):
        if mask.any():
            rows = np.flatnonzero(mask)
            row = rows[0]
            fact = f"{_fact(kind, index[row], rois[row, 1:], images)} at row {first_row + row}"
            first = tuple((first_row + rows[:SHOWN]).tolist())
            report.defects[kind] = Defect(len(rows), first, fact)
    boxes[bad] = 0
    return RoiTable(np.where(bad, 0, index).astype(np.int64), boxes, ~bad), report


def _masks(index: Array, boxes: Floats, images: int) -> dict[str, Bools]:
    """Return which rows are invalid, by kind."""
    with np.errstate(invalid="ignore"):
        return {
            "not integral": ~np.isfinite(index) | (index != np.floor(index)),
            "no such image": (index < 0) | (index >= images),
            "not finite": ~np.isfinite(boxes).all(axis=1),
            "x2 < x1": boxes[:, 2] < boxes[:, 0],
            "y2 < y1": boxes[:, 3] < boxes[:, 1],
        }


def _exclusive(
    masks: Iterable[tuple[str, Bools]],
) -> Iterator[tuple[str, Bools]]:
    """Count every row under the first kind that it falls under."""
    seen: Array = np.zeros((), bool)
    for kind, mask in masks:
        yield kind, mask & ~seen
        seen = seen | mask


def _fact(kind: str, image: Any, box: Array, images: int) -> str:
    """Say what a row must be and what it is."""
    index, x1, y1, x2, y2 = (str(value).removesuffix(".0") for value in (image, *box))
    return {
        "not integral": f"batch_index must be a whole number, got {index}",
        "no such image": f"batch_index must be in [0, {images}), got {index}",
        "not finite": f"coordinates must be finite, got ({x1}, {y1}, {x2}, {y2})",
        "x2 < x1": f"x2 must be at least x1, got x1 = {x1}, x2 = {x2}",
        "y2 < y1": f"y2 must be at least y1, got y1 = {y1}, y2 = {y2}",
    }[kind]
