"""Stored rows against those that were made anew: what is counted, and what is told of each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from typing import Any, NamedTuple, Self

import numpy as np

from lucid.roi.types import Bools
from lucid.stream.read.stored import Part, Stored
from lucid.stream.types import Array, Rows

MOST_FOUND = 1000  # rows of which more is told than their number
FACTOR = {"float32": 1e-5, "float64": 1e-12}  # by what crops are computed in


class Found(NamedTuple):
    """A row that is not as it should be."""

    row: int
    kind: str  # 'differs', 'zeros' or 'unreadable'
    values: int = 0  # that differ
    of: int = 0
    max_abs_error: float | None = None  # None if it is not finite
    fact: str = ""
    stored: str = ""  # a digest
    made: str = ""


@dataclass(slots=True)
class Tally:
    """What is known of the rows that were looked at."""

    equal: int = 0
    rounded: int = 0  # rows that differ by no more than rounding
    differing: int = 0
    zeros: int = 0
    unreadable: int = 0
    max_rounding: float = 0.0
    found: list[Found] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many there were."""
        return self.equal + self.rounded + self.bad

    @property
    def bad(self) -> int:
        """How many are not as they should be."""
        return self.differing + self.zeros + self.unreadable

    def set_back(self, known: Self) -> None:
        """Know what was known at another time."""
        for one in fields(self):
            setattr(self, one.name, getattr(known, one.name))

    def add(self, found: Found) -> None:
        """Take in a row that is not as it should be."""
        kinds = {"differs": "differing", "zeros": "zeros", "unreadable": "unreadable"}
        setattr(self, kinds[found.kind], getattr(self, kinds[found.kind]) + 1)
        if len(self.found) < MOST_FOUND:
            self.found.append(found)


class Tolerance(NamedTuple):
    """By how much values may differ that another engine, version or machine made."""

    factor: float
    scale: float  # what values are like

    @property
    def value(self) -> float:
        """The difference that is taken for rounding, beside that of the dtype."""
        return self.factor * self.scale

    @classmethod
    def of(cls, compute_dtype: np.dtype[Any], stored: Stored, rows: Rows) -> Tolerance:
        """Return the tolerance for crops like those of some rows."""
        tops = [
            np.abs(part.crops.astype(np.float64))
            .reshape(len(part.crops), -1)
            .max(axis=1, initial=0)
            for part in stored.parts(rows)
            if part.crops is not None
        ]
        known = np.concatenate([np.empty(0), *tops])
        known = known[np.isfinite(known)]
        scale = float(np.median(known)) if len(known) else 0.0
        return cls(FACTOR[compute_dtype.name], scale or 1.0)

    def allows(self, difference: Array, made: Array) -> Array:
        """Return which differences are no more than rounding; infinite ones are."""
        with np.errstate(invalid="ignore"):
            top = np.nan_to_num(np.abs(made[np.isfinite(made)]), nan=0).max(initial=0)
            spacing = np.nan_to_num(np.spacing(np.abs(made)).astype(np.float64))
            allowed: Array = difference <= self.factor * max(self.scale, float(top)) + spacing
        return allowed


class Comparison:
    """A sink: crops that are made anew are held against those that are stored."""

    def __init__(
        self, stored: Stored, tally: Tally, tolerance: Tolerance | None, done: Bools
    ) -> None:
        self._stored, self.tally, self._tolerance, self._done = stored, tally, tolerance, done

    def write(self, rows: Rows, crops: Array) -> None:
        """Take in crops (k, C, PH, PW) of rows, which ascend: all of them, or none at all."""
        before = replace(self.tally, found=[*self.tally.found])
        try:
            self._count(rows, crops)
        except BaseException:
            self.tally.set_back(before)
            raise
        self._done[rows] = True

    def _count(self, rows: Rows, crops: Array) -> None:
        left = len(rows)
        for part in self._stored.parts(rows):
            left -= len(part.among)
            self._compare(rows, crops, part)
        self.tally.equal += left  # of no image, where images are apart: stored nowhere

    def _compare(self, rows: Rows, crops: Array, part: Part) -> None:
        if part.crops is None:
            for row in rows[part.among].tolist():
                self.tally.add(Found(row, "unreadable", fact=part.fact))
            return
        made = crops if len(part.among) == len(crops) else crops[part.among]
        same = (_bits(made) == _bits(part.crops)).all(axis=1)
        self.tally.equal += int(same.sum())
        for k in np.flatnonzero(~same).tolist():
            self._take(int(rows[part.among[k]]), part.crops[k], made[k])

    def _take(self, row: int, stored: Array, made: Array) -> None:
        """Take in a row whose bits are not the same."""
        difference = _difference(stored, made)
        allowed = self._tolerance.allows(difference, made) if self._tolerance else None
        if allowed is not None and allowed.all():
            self.tally.rounded += 1
            self.tally.max_rounding = max(self.tally.max_rounding, float(difference.max(initial=0)))
            return
        is_other = _bits(stored[None]) != _bits(made[None]) if allowed is None else ~allowed
        largest = float(difference.max(initial=0))
        self.tally.add(
            Found(
                row=row,
                kind="differs" if stored.any() else "zeros",
                values=int(is_other.sum()),
                of=stored.size,
                max_abs_error=largest if np.isfinite(largest) else None,
                stored=_digest(stored),
                made=_digest(made),
            )
        )

    def commit(self) -> None:
        """Do nothing: nothing is written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None: ...


def _bits(crops: Array) -> Array:
    """Return crops (k, ...) as the bits of their values, (k, n)."""
    flat = np.ascontiguousarray(crops, crops.dtype.newbyteorder("=")).reshape(len(crops), -1)
    return flat.view(f"u{crops.dtype.itemsize}")


def _difference(stored: Array, made: Array) -> Array:
    """Return by how much values differ, infinity where only one of them is a number."""
    one, other = stored.astype(np.float64), made.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference: Array = np.abs(one - other)
    difference[(one == other) | (np.isnan(one) & np.isnan(other))] = 0
    difference[np.isnan(difference)] = np.inf
    return difference


def _digest(row: Array) -> str:
    return blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).hexdigest()
