"""Columns of tables in arrays: boxes, their images, and what they are called themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid.errors import DTypeError
from lucid.stream import tuning
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.ids import as_texts, holds_texts
from lucid.stream.read.opened import Opened
from lucid.stream.types import Array


class Column:
    """A column of rows, or a field of records, as an array (K,)."""

    def __init__(self, rows: Any, dtype: np.dtype[Any], at: int) -> None:
        self._rows, self._at = rows, at
        self._field = None if dtype.names is None else dtype.names[at]
        self.dtype = dtype if dtype.names is None else dtype[at]

    def __getitem__(self, rows: slice) -> Array:
        return self.of(self._rows[rows])

    def of(self, part: Array) -> Array:
        """Return the column of rows that were read."""
        column: Array = part[:, self._at] if self._field is None else part[self._field]
        return column


class BoxColumns:
    """The boxes of a table, as an array (K, B)."""

    dtype = np.dtype(np.float64)

    def __init__(self, name: str, rows: Any, columns: Sequence[Column], length: int) -> None:
        self.name, self.shape = name, (length, len(columns))
        self._rows, self._columns = rows, columns

    def __getitem__(self, rows: slice) -> Floats:
        part = self._rows[rows]
        boxes: Floats = np.column_stack([each.of(part) for each in self._columns])
        return boxes.astype(np.float64, copy=False)


def own_ids(column: Column, rows: int, name: str, opened: Opened) -> Array:
    """Return what boxes are called, (K,) int64 or texts, held as a whole.

    Raises
    ------
    DTypeError
        If they are neither whole numbers nor texts.
    """
    step = tuning.current.padded_boxes
    parts = [column[start : min(start + step, rows)] for start in range(0, rows, step)]
    values = np.concatenate([column[0:0], *parts])
    if holds_texts(column.dtype):
        ids = np.array(as_texts(values), np.str_)
    elif column.dtype.kind in "iuf" and (values == np.floor(values)).all():
        ids = values.astype(np.int64)
    else:
        raise DTypeError(f"{name} must call boxes by whole numbers or texts, got {column.dtype}")
    opened.held_bytes += 2 * ids.nbytes
    return ids
