"""What people call their images: ids, as arrays have them and in the order people expect."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lucid.errors import ShapeError
from lucid.stream.types import Array


def require_ids(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array is a list of ids."""
    noted: dict[str, Any] = dict(dtype.metadata or {})  # of the objects that h5py reads
    if len(shape) != 1 or not (dtype.kind in "SUiu" or noted.get("vlen") in {str, bytes}):
        raise ShapeError(f"{name} must be a list of whole numbers or texts, got {shape} {dtype}")


def as_texts(ids: Array) -> list[str]:
    """Return ids as texts."""
    return [
        one.decode("utf-8", "surrogateescape") if isinstance(one, bytes) else str(one)
        for one in ids.tolist()
    ]


def natural(text: str) -> list[tuple[int, int | str]]:
    """Return a key that puts 9 before 10."""
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts if part]
