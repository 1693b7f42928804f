"""The upper halves of float32 values, which NumPy has no dtype for: read as float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from lucid.stream.types import Array

BFLOAT16 = "bfloat16"
HALVES = np.dtype("V2")  # what they are in formats that have no name for them


class Widened:
    """An array of bfloat16 as float32: `array[key]` reads a part.

    Parameters
    ----------
    halves : array
        Of two bytes each: unsigned, or without a kind, and then in little-endian order.
    """

    def __init__(self, halves: Any) -> None:
        self._halves = halves
        self.shape, self.dtype = halves.shape, np.dtype(np.float32)

    def __getitem__(self, key: Any) -> Array:
        return widened(self._halves[key])


def widened(halves: Array) -> Array:
    """Return float32 values from their upper halves."""
    if halves.dtype.kind == "V":
        halves = halves.view("<u2")
    wide = halves.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)
