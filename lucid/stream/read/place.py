"""Where an array lies that is in one piece in a file, as it is in memory."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np


class Place(NamedTuple):
    """Where the values of an array begin in a file, and what they are."""

    begin: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool = False

    @property
    def nbytes(self) -> int:
        """The size of all values; a Python int, which does not overflow."""
        return self.dtype.itemsize * math.prod(self.shape)
