"""What NumPy's BLAS can do and NumPy does not offer.

OpenBLAS has a number of threads, and transposes; any BLAS adds products to what is there.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
PIECE = 1 << 21  # bytes of a product that NumPy makes at once

Rectangle = tuple[int, int, int, int, int, int]
Addition = Callable[[Array, Array, Array, Iterable[Rectangle]], None]


@cache
def thread_count() -> tuple[Callable[[], int], Callable[[int], Any]]:
    """Return what gets and sets the number of threads; another BLAS is left as it is."""
    get, _ = _function("openblas_get_num_threads")
    put, _ = _function("openblas_set_num_threads")
    return (get, put) if get and put else (lambda: 1, lambda threads: None)


@cache
def transposition() -> Callable[[Array, Array], None] | None:
    """Return what transposes matrices of float32 (k, m, n) into others (k, n, m).

    The numbers of a row lie side by side in both. With another BLAS there is none.
    """
    copy, integer = _function("cblas_somatcopy")
    if copy is None:
        return None
    enum, pointer, factor = ctypes.c_int, ctypes.c_void_p, ctypes.c_float
    copy.argtypes = [enum] * 2 + [integer] * 2 + [factor] + [pointer, integer] * 2
    copy.restype = None

    def transpose(some: Array, others: Array) -> None:
        count, m, n = some.shape
        if others.shape != (count, n, m):
            raise ValueError(f"{some.shape} cannot be transposed into {others.shape}")
        (source, step, row), (target, other_step, other_row) = map(_place, (some, others))
        for _ in range(count):
            copy(ROW_MAJOR, TRANSPOSED, m, n, 1.0, source, row, target, other_row)
            source, target = source + step, target + other_step

    # Another library may mean something else by this name.
    some = np.arange(2 * 19 * 35, dtype=np.float32).reshape(2, 19, 35)
    others = np.zeros((2, 35, 19), np.float32)
    transpose(some, others)
    return transpose if np.array_equal(others, some.swapaxes(1, 2)) else None


@cache
def addition(dtype: np.dtype[Any]) -> Addition:
    """Return what adds products to rectangles of a matrix, for float32 or float64.

    It is called with matrices (k, l, m) and (k, l, n), the matrix, and the rectangles: for each
    the number of the two matrices whose product a.T @ b belongs there, the first row of that,
    the rectangle's top and left, and its height and width. The numbers of a row lie side by side.
    """
    gemm, integer = _function({"f4": "cblas_sgemm", "f8": "cblas_dgemm"}[dtype.str[1:]])
    if gemm is None:
        return _add_products
    enum, pointer = ctypes.c_int, ctypes.c_void_p
    number = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    matrix = [pointer, integer]
    gemm.argtypes = [enum] * 3 + [integer] * 3 + [number] + matrix * 2 + [number] + matrix
    gemm.restype = None

    def add(some: Array, others: Array, total: Array, rectangles: Iterable[Rectangle]) -> None:
        (count, inner, rows), columns, size = some.shape, others.shape[2], total.itemsize
        (a, a_step, a_row), (b, b_step, b_row), (c, _, c_row) = map(
            _place, (some, others, total[None])
        )
        height, width = total.shape
        for k, first, top, left, m, n in rectangles:
            inside = top + m <= height and left + n <= width and first + m <= rows and n <= columns
            if not inside or k >= count or min(k, first, top, left, m, n) < 0:
                raise IndexError(f"no rectangle: {(k, first, top, left, m, n)}")
            factors = a + k * a_step + first * size, a_row, b + k * b_step, b_row
            at = c + (top * c_row + left) * size
            gemm(ROW_MAJOR, TRANSPOSED, AS_IT_IS, m, n, inner, 1.0, *factors, 1.0, at, c_row)

    return add if _adds(add, dtype) else _add_products


def _place(matrices: Array) -> tuple[int, int, int]:
    """Return the address of matrices, and how far it is to the next, and to a matrix's next row.

    The latter is in numbers. Where there is no next row, NumPy may say anything.
    """
    step, row, size = *matrices.strides[:2], matrices.itemsize
    return matrices.ctypes.data, step, max(row // size, matrices.shape[2])


def _adds(add: Addition, dtype: np.dtype[Any]) -> bool:
    """Return whether a function does what `addition` promises."""
    some, others = (np.arange(6 * n).astype(dtype).reshape(2, 3, n) for n in (5, 19))
    totals = np.ones((2, 9, 40), dtype)
    for total, way in zip(totals, (add, _add_products), strict=True):
        way(some, others, total, [(1, 0, 2, 3, 5, 19), (0, 1, 4, 20, 4, 17)])
    return np.array_equal(*totals)


def _add_products(
    some: Array, others: Array, total: Array, rectangles: Iterable[Rectangle]
) -> None:
    by = np.multiply if some.shape[1] == 1 else np.matmul  # which for one row is ten times slower
    for k, first, top, left, m, n in rectangles:
        step = max(PIECE // (n * total.itemsize), 1)
        for row in range(0, m, step):
            end = min(row + step, m)
            product = by(some[k, :, first + row : first + end].T, others[k, :, :n])
            total[top + row : top + end, left : left + n] += product


def _function(name: str) -> tuple[Any, Any]:
    """Return a function of OpenBLAS, or None, and the type of its integers."""
    try:  # symbols of a library are found with those of the libraries that it is linked to
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError):
        return None, None
    # Where arguments are packed, an integer must be no wider than it is read; elsewhere it may be.
    plain = ctypes.c_int if sys.platform == "darwin" else ctypes.c_int64
    for before, after in product(("scipy_", ""), ("64_", "_64", "")):
        if function := getattr(library, f"{before}{name}{after}", None):
            return function, ctypes.c_int64 if after else plain
    return None, None
