"""Lists of texts or whole numbers in files of torch.save, such as the ids of images: as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from lucid.stream.types import Array

MOST_WASTE = 64 << 10  # bytes for which texts of one length may be longer than those that there are


def is_of_texts(value: Any) -> bool:
    """Return whether a value is a list of texts that can be an array."""
    return type(value) in {list, tuple} and str in map(type, value) and list_in(value) is not None


def list_in(value: Any) -> Array | None:
    """Return a list of texts or of whole numbers as an array, None if a value is no such list.

    In an array all texts take as much room as the longest: a list that would take many times its
    own is none.
    """
    if type(value) not in {list, tuple} or not value:
        return None
    kinds = set(map(type, value))
    if kinds == {str}:
        longest, total = max(map(len, value)), sum(map(len, value))
        return np.array(value, np.str_) if longest * len(value) <= 16 * total + MOST_WASTE else None
    if kinds == {int} and all(-(1 << 63) <= each < 1 << 63 for each in value):
        return np.array(value, np.int64)
    return None
