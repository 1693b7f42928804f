"""Arrays that lie well in memory."""

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.types import Array

LINE_BYTES = 64  # of the cache


def in_lines(
    shape: tuple[int, ...], dtype: DTypeLike, make: Callable[..., Array] = np.empty
) -> Array:
    """Return an array that begins where a line of the cache does, as runs of values then do too.

    NumPy's own begin at any 16 bytes: a run of channels would touch one line more, and no line
    could be written whole.
    """
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = make(size + LINE_BYTES - 1, np.uint8)
    begin = -memory.__array_interface__["data"][0] % LINE_BYTES
    return memory[begin : begin + size].view(dtype).reshape(shape)
