"""Products of matrices that are added to rectangles of a total."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lucid.roi.engines.numpy import tuning
from lucid.roi.types import Array


class Rectangle(NamedTuple):
    """Where on a total the product of a pair of matrices, or some of its rows, is added."""

    pair: int  # number of the matrices a (l, m) and b (l, n)
    first: int  # row of the product a.T @ b
    top: int
    left: int
    height: int
    width: int


def add_products(a: Array, b: Array, total: Array, rectangles: Iterable[Rectangle]) -> None:
    """Add products a[pair].T @ b[pair] of matrices (k, l, m) and (k, l, n) to parts of a total."""
    multiply = np.multiply if a.shape[1] == 1 else np.matmul  # slower by ten for one row
    for each in rectangles:
        step = max(tuning.current.product_bytes // max(each.width * total.itemsize, 1), 1)
        across = slice(each.left, each.left + each.width)
        for row in range(0, each.height, step):
            end = min(row + step, each.height)
            some = a[each.pair, :, each.first + row : each.first + end]
            total[each.top + row : each.top + end, across] += multiply(
                some.T, b[each.pair, :, : each.width]
            )
