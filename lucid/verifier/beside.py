"""What stands beside crops, held against what their inputs give: ids, RoIs, levels, coverage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lucid.errors import LucidError, MissingArrayError
from lucid.stream import tuning
from lucid.stream.plan.job import Job
from lucid.stream.read.arrays import open_source
from lucid.stream.read.source import Source
from lucid.stream.types import Array, Rows
from lucid.stream.write.companions import Companion, Companions, covered

NUMBERS = "biuf"


class BesideState(NamedTuple):
    """An array beside the crops."""

    name: str
    state: str  # 'same', 'differs', 'missing' or 'unreadable'
    fact: str = ""

    @property
    def is_good(self) -> bool:
        """Whether there is nothing wrong with it; files of older versions have less."""
        return self.state in {"same", "missing"}


def beside_states(path: Any, job: Job, rows: Rows, covers: bool) -> Iterator[BesideState]:
    """Yield the state of each array; the coverage is looked at for some rows alone."""
    for one in Companions(job):
        yield _state(path, one.name, lambda source, one=one: _first_other(source, one))
    if covers:
        yield _state(path, "coverage", lambda source: _first_uncovered(source, job, rows))


def _state(path: Any, name: str, first_other: Any) -> BesideState:
    try:
        with open_source(f"{path}::{name}", (name,), lambda *about: None) as source:
            row = first_other(source)
    except MissingArrayError:
        return BesideState(name, "missing")
    except LucidError as error:
        return BesideState(name, "unreadable", str(error))
    return BesideState(name, "same") if row is None else BesideState(name, "differs", f"row {row}")


def _first_other(source: Source, one: Companion) -> int | None:
    """Return the first row that differs from what the inputs give, None if none does."""
    if source.shape[:1] != one.shape[:1]:
        return min(*source.shape[:1], one.shape[0]) if source.shape else 0
    start = 0
    for part in one.parts():
        row = _first(source[start : start + len(part)], part)
        if row is not None:
            return start + row
        start += len(part)
    return None


def _first(stored: Array, made: Array) -> int | None:
    """Return the first row that differs; of arrays of another kind or shape, all do."""
    if made.dtype.kind == "S":
        others = np.array(
            [a != b for a, b in zip(_texts(stored), made.tolist(), strict=True)], bool
        )
    elif stored.shape != made.shape or stored.dtype.kind not in NUMBERS:
        return 0
    else:
        same = (stored == made) | ((stored != stored) & (made != made))  # noqa: PLR0124 - NaN
        others = ~same.reshape(len(made), -1).all(axis=1)
    return int(others.argmax()) if others.any() else None


def _texts(stored: Array) -> list[bytes]:
    """Return texts as UTF-8, from what the readers of formats make of them."""
    if stored.dtype == np.uint8 and stored.ndim == 2:  # safetensors has no texts
        return [bytes(row).rstrip(b"\0") for row in stored]
    return [one if isinstance(one, bytes) else str(one).encode() for one in stored.tolist()]


def _first_uncovered(source: Source, job: Job, rows: Rows) -> int | None:
    """Return the first of some rows whose coverage is not what the inputs give."""
    if source.shape[:1] != (job.rois.rois,) or source.dtype.kind not in NUMBERS:
        return 0
    step = tuning.current.batch_rois
    for start in range(0, job.rois.rois, step):
        stop = min(start + step, job.rois.rois)
        some = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
        if len(some):
            made, stored = covered(job, start, stop)[some - start], source[start:stop][some - start]
            if stored.shape != made.shape:
                return int(some[0])
            others = ~np.isclose(stored, made, rtol=0, atol=1e-12).reshape(len(some), -1).all(
                axis=1
            )
            if others.any():
                return int(some[others.argmax()])
    return None
