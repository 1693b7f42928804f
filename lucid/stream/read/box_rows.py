"""Boxes of text files as arrays: which image each names, its four numbers and its own id."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.stream.read.ids import Id

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Keys(NamedTuple):
    """How K rows name an image: a number of each, among the different names."""

    names: list[Id]
    codes: Ints  # (K,)


class Images(NamedTuple):
    """What a file says about its images."""

    ids: list[Id]
    files: list[str]  # names of their files, '' where there is none
    sizes: Floats  # (N, 2) height and width, NaN where unknown


class BoxRows(NamedTuple):
    """K boxes as a file of text has them."""

    keys: Keys
    by_position: bool  # whether keys are image indices, else ids
    boxes: Floats  # (K, 4) in the order of the form
    form: str | None  # 'xyxy', 'xywh', 'cxcywh', 'yxyx'; None where the file does not say
    own_ids: list[Id] | None  # of boxes
    images: Images | None

    def some(self, kept: NDArray[np.bool_]) -> "BoxRows":
        """Return some of the rows."""
        own = self.own_ids
        return self._replace(
            keys=self.keys._replace(codes=self.keys.codes[kept]),
            boxes=self.boxes[kept],
            own_ids=own and [own[row] for row in np.flatnonzero(kept).tolist()],
        )


class KeyList:
    """Keys that are noted one by one, each different one once."""

    def __init__(self) -> None:
        self._codes: dict[Id, int] = {}
        self._rows: list[int] = []

    def add(self, name: Id) -> None:
        """Note the key of the next row."""
        self._rows.append(self._codes.setdefault(name, len(self._codes)))

    def keys(self) -> Keys:
        """Return what was noted."""
        return Keys(names=list(self._codes), codes=np.array(self._rows, np.int64))


def four_numbers(values: Iterable[Any]) -> list[float]:
    """Return four numbers, or raise ValueError or TypeError if they are not."""
    numbers = [float(value) for value in values]
    if len(numbers) != 4:
        raise ValueError(f"a box has four numbers, got {len(numbers)}")
    return numbers
