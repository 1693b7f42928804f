"""Tensors as torch stores them, whose values may have gaps between them or the other sign."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lucid.errors import SourceError
from lucid.stream.read.torch_pickle import Tensor
from lucid.stream.types import Array


class Negated:
    """An array whose values have the other sign."""

    def __init__(self, array: Any) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key: Any) -> Array:
        part: Array = np.negative(self._array[key])
        return part


def strided(values: Any, tensor: Tensor, where: str) -> Array:
    """Return a view of values with the strides of a tensor."""
    if not isinstance(values, np.ndarray):
        raise SourceError(
            f"{where} has gaps or another order of axes, and its file system maps no files; "
            "save tensor.contiguous()"
        )
    strides = [step * values.itemsize for step in tensor.strides]
    try:
        return as_strided(values, tensor.shape, strides, writeable=False)
    except (ValueError, OverflowError) as error:
        raise SourceError(f"{where} has a shape that no array has: {error}") from error


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in values, of an array that has no gaps."""
    strides = [1]
    for length in shape[:0:-1]:
        strides.append(strides[-1] * length)
    return tuple(strides[::-1]) if shape else ()
