"""Boxes of text files as arrays: which image each names, and its numbers."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import MemoryLimitError, SourceError, literal
from lucid.stream.read.ids import Id, as_id

# What a row of a table takes while it is read, and an image's name while it is looked for: measured
# on COCO and CSV files of 10**6 rows, from the leanest to such as are in use.
ROW_BYTES, NAME_BYTES = 112, 512
LOOK_ROWS = 1 << 12  # between two looks at what was taken

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Keys(NamedTuple):
    """How K rows name an image: a number of each, among the different names."""

    names: list[Id]
    codes: Any  # (K,) int64, or what gives slices of such an array


class Images(NamedTuple):
    """What a file says about its images."""

    ids: list[Id]
    files: list[str]  # names of their files, '' where there is none
    sizes: Floats  # (N, 2) height and width, NaN where unknown


class BoxRows(NamedTuple):
    """K boxes as a file of text has them."""

    keys: Keys
    index_by: str  # what keys are: 'position' or 'id'
    boxes: Floats  # (K, B) in the order of the form
    form: str  # 'xyxy', 'xywh', 'cxcywh', 'corners8', 'rotated' or 'volume'
    images: Images | None
    roi_ids: NDArray[Any] | None = None  # (K,) what boxes are called: int64 or texts
    says_images: bool = True  # or else all keys are 0
    categories: frozenset[str] | None = None  # of all that it has, where no list says them

    def some(self, kept: NDArray[np.bool_ | np.intp]) -> "BoxRows":
        """Return some of the rows."""
        keys = self.keys._replace(codes=self.keys.codes[kept])
        roi_ids = None if self.roi_ids is None else self.roi_ids[kept]
        return self._replace(keys=keys, boxes=self.boxes[kept], roi_ids=roi_ids)


class Room:
    """What a table may take in memory while it is read."""

    def __init__(self, memory: int | None = None, name: str = "") -> None:
        self._memory, self._name = memory, name

    def require(self, rows: int, names: int) -> None:
        """Raise if so many rows, and names of images, are more than fit."""
        nbytes = ROW_BYTES * rows + NAME_BYTES * names
        if self._memory is not None and nbytes > self._memory:
            raise MemoryLimitError.of(
                f"{{memory}} must be more than {nbytes >> 20}M to read "
                f"{literal(self._name)}, of which {rows} rows and {names} names took that; "
                "an array in .npy or HDF5 is read slice by slice"
            )


class KeyList:
    """Keys that are noted one by one, each different one once."""

    def __init__(self, room: Room) -> None:
        self._codes: dict[Id, int] = {}
        self._rows = array("q")
        self._room = room

    def add(self, name: Id) -> None:
        """Note the key of the next row."""
        self._rows.append(self._codes.setdefault(name, len(self._codes)))
        if not len(self._rows) % LOOK_ROWS:
            self._room.require(len(self._rows), len(self._codes))

    def keys(self) -> Keys:
        """Return what was noted."""
        return Keys(names=list(self._codes), codes=np.frombuffer(self._rows, np.int64))


class IdList:
    """What rows are called, noted one by one: nothing is known of any once one has no id."""

    def __init__(self, room: Room) -> None:
        self._ids: array[int] | list[str] | None = array("q")
        self._room = room

    def add(self, value: object) -> None:
        """Note the id of the next row, None if it has none."""
        one = None if value is None or isinstance(value, bool) else as_id(value)
        if one is None or self._ids is None:
            self._ids = None
        elif isinstance(self._ids, list):
            self._ids.append(str(one))
            if not len(self._ids) % LOOK_ROWS:
                self._room.require(len(self._ids), len(self._ids))
        elif isinstance(one, int) and -(2**63) <= one < 2**63:
            self._ids.append(one)
        else:  # texts from here on
            self._ids = [*map(str, self._ids), str(one)]

    def ids(self) -> NDArray[Any] | None:
        """Return what was noted, (K,) int64 or texts."""
        if isinstance(self._ids, array):
            return np.frombuffer(self._ids, np.int64)
        return None if self._ids is None else np.array(self._ids, np.str_)


def four_numbers(values: Iterable[Any]) -> list[float]:
    """Return four numbers, or raise ValueError or TypeError if they are not."""
    numbers = [float(value) for value in values]
    if len(numbers) != 4:
        raise ValueError(f"a box has four numbers, got {len(numbers)}")
    return numbers


def require_seen(category: Sequence[Id] | None, tables: Iterable[BoxRows], name: str) -> None:
    """Raise if no object of a category is in any of some files, which do not list them all."""
    seen = [one.categories for one in tables if one.categories is not None]
    names = frozenset[str]().union(*seen)
    for one in category or ():
        if seen and str(one) not in names:
            there = ", ".join(sorted(names)[:8]) or "no objects"
            raise SourceError(f"{name} has no object {one!r}; it has {there}")
