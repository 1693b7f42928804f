"""Tables that pandas wrote into HDF5.

In the format "table" a frame is one dataset of records, called table. In the format "fixed" it is
blocks of columns of one dtype each; their names lie beside them, and texts are pickled, which are
never loaded. Indexes that PyTables keeps of a table lie in groups called _i_ and its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import count, takewhile
from typing import NamedTuple

import h5py
import numpy as np

from lucid.errors import SourceError
from lucid.stream.types import Array

INNARDS = re.compile(r"(.*/)?_i_[^/]*/.*")  # of an index
MEMBERS = re.compile(r"(.+)/(axis\d+|block\d+_items|block\d+_values)")
MOST_COLUMNS = 1 << 12
Checked = Callable[[str], object]  # opens a name, if it does not lead where it should not


class Block(NamedTuple):
    """Columns of one dtype."""

    names: list[str]
    values: h5py.Dataset  # (K, columns)

    @property
    def rows(self) -> int:
        """How long columns are; of empty ones pandas writes one row, and a shape beside it."""
        return 0 if "shape" in self.values.attrs else int(self.values.shape[0])


class Frame:
    """A frame in the format "fixed", as an array of records (K,)."""

    def __init__(self, name: str, blocks: Sequence[Block]) -> None:
        self.name, self._blocks = name, blocks
        fields = [(one, block.values.dtype) for block in blocks for one in block.names]
        self.dtype = np.dtype(fields)
        lengths = {block.rows for block in blocks if _is_plain(block)}
        if len(lengths) > 1:
            raise SourceError(f"{name} has columns of {len(lengths)} different lengths")
        self.shape = (max(lengths, default=0),)
        stored = [block.values.chunks[0] for block in blocks if block.values.chunks]
        self.chunks = (max(stored),) if stored else None

    def __getitem__(self, rows: slice) -> Array:
        start, stop, _ = rows.indices(self.shape[0])
        records = np.empty(max(stop - start, 0), self.dtype)
        for block in filter(_is_plain, self._blocks if len(records) else ()):
            for one, column in zip(block.names, block.values[start:stop].T, strict=True):
                records[one] = column
        return records


def _is_plain(block: Block) -> bool:
    """Return whether the values of columns are there, and not pickled."""
    return block.values.ndim == 2 and not block.values.dtype.hasobject


def dataset_of(name: str, group: h5py.Group, checked: Checked) -> tuple[str, object]:
    """Return the name and the table of a frame, None if a group is no frame."""
    if "pandas_type" not in group.attrs:
        return name, None
    if "table" in group:
        return f"{name}/table", checked(f"{name}/table")
    blocks = list(takewhile(bool, (_block(f"{name}/block{k}", checked) for k in count())))
    return name, Frame(name, [block for block in blocks if block]) if blocks else None


def _block(name: str, checked: Checked) -> Block | None:
    items, values = checked(f"{name}_items"), checked(f"{name}_values")
    if not (isinstance(items, h5py.Dataset) and isinstance(values, h5py.Dataset)):
        return None
    if items.ndim != 1 or len(items) > MOST_COLUMNS or values.ndim not in {1, 2}:
        raise SourceError(f"{name}_items do not name the columns of a frame")
    names = [
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)
        for one in items[()].tolist()
    ]
    return Block(names, values)


def innards(names: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return names of datasets that are not for users, and of the frames that some are of."""
    members = [match for match in map(MEMBERS.fullmatch, names) if match]
    frames = {match[1] for match in members if match[2] == "block0_values"}
    hidden = {match[0] for match in members if match[1] in frames}
    return hidden | {name for name in names if INNARDS.fullmatch(name)}, frames
