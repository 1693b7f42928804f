"""What NumPy's BLAS can do and NumPy does not offer, called by ctypes where that is safe.

OpenBLAS has a number of threads, and transposes; any BLAS adds products to what is there. Each
function is looked up and tested once; where there is none, or the environment says
`LUCID_ROIALIGN_BLAS=off`, NumPy does the same with more copies.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from lucid.roi.engines.numpy import tuning
from lucid.roi.types import Array

SWITCH = "LUCID_ROIALIGN_BLAS"
ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
GEMM = ROW_MAJOR, TRANSPOSED, AS_IT_IS
# Shapes (inner, m, n) of the products that a function is tested with; those of ones are treated
# in ways of their own by some libraries, as are multiples of 16.
TESTED_SHAPES = (1, 1, 1), (1, 7, 33), (3, 5, 19), (7, 16, 64), (2, 40, 130)


class Rectangle(NamedTuple):
    """Where on a total the product of a pair of matrices, or some of its rows, is added."""

    pair: int  # number of the matrices a (l, m) and b (l, n)
    first: int  # row of the product a.T @ b
    top: int
    left: int
    height: int
    width: int


class Matrices(NamedTuple):
    """Where in memory matrices (k, m, n) lie."""

    address: int
    step: int  # bytes from one to the next
    row: int  # values from one row to the next

    @classmethod
    def of(cls, array: Array) -> "Matrices":
        """Return where an array lies."""
        # Where there is no next row, NumPy may say anything.
        row = max(array.strides[1] // array.itemsize, array.shape[2])
        return cls(address=array.ctypes.data, step=array.strides[0], row=row)


Gemm = Callable[[Array, Array, Array, Iterable[Rectangle]], None]


class Way(NamedTuple):
    """How something is done: by a function of BLAS, or by NumPy if that is None."""

    function: Callable[..., Any] | None
    why: str

    def describe(self) -> str:
        """Return the function's name, or why it is NumPy."""
        return f"{self.why} by ctypes" if self.function else f"NumPy ({self.why})"


def ways() -> dict[str, Way]:
    """Return how each task is done."""
    put, _, why = _look_up("openblas_set_num_threads")
    return {
        "threads of BLAS, one in each of ours": Way(put, why),
        "transposition of float32": transpose_way(),
        "accumulated products of float32": gemm_way(np.dtype(np.float32)),
        "accumulated products of float64": gemm_way(np.dtype(np.float64)),
    }


def gemm_accumulate(a: Array, b: Array, total: Array, rectangles: Iterable[Rectangle]) -> None:
    """Add products a[pair].T @ b[pair] of matrices (k, l, m) and (k, l, n) to parts of a total.

    All are float32 or all float64, and the numbers of a row lie side by side.
    """
    by_blas = gemm_way(total.dtype).function if tuning.current.blas_gemm else None
    (by_blas or gemm_by_numpy)(a, b, total, rectangles)


def transpose_f32(source: Array, target: Array) -> bool:
    """Copy matrices of float32 (k, m, n) to others (k, n, m) by BLAS; return whether it can.

    The numbers of a row lie side by side in both.
    """
    by_blas = transpose_way().function if tuning.current.blas_transpose else None
    if by_blas:
        by_blas(source, target)
    return by_blas is not None


@cache
def thread_count() -> tuple[Callable[[], int], Callable[[int], Any]]:
    """Return what gets and sets the number of threads; another BLAS is left as it is."""
    get, put = (_look_up(f"openblas_{verb}_num_threads")[0] for verb in ("get", "set"))
    return (get, put) if get and put else (lambda: 1, lambda threads: None)


@cache
def transpose_way() -> Way:
    """Return how matrices of float32 are transposed."""
    copy, integer, why = _look_up("cblas_somatcopy")
    if copy is None:
        return Way(None, why)
    enum, pointer, factor = ctypes.c_int, ctypes.c_void_p, ctypes.c_float
    copy.argtypes = [enum] * 2 + [integer] * 2 + [factor] + [pointer, integer] * 2
    copy.restype = None
    transpose = partial(_transpose, copy)
    return _if_right(_transposes(transpose), transpose, why)


@cache
def gemm_way(dtype: np.dtype[Any]) -> Way:
    """Return how products of float32 or float64 are added to rectangles."""
    gemm, integer, why = _look_up({"f4": "cblas_sgemm", "f8": "cblas_dgemm"}[dtype.str[1:]])
    if gemm is None:
        return Way(None, why)
    enum, pointer = ctypes.c_int, ctypes.c_void_p
    number = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    matrix = [pointer, integer]
    gemm.argtypes = [enum] * 3 + [integer] * 3 + [number] + matrix * 2 + [number] + matrix
    gemm.restype = None
    accumulate = partial(_gemm_by_blas, gemm)
    return _if_right(_accumulates(accumulate, dtype), accumulate, why)


def _if_right(right: bool, function: Callable[..., Any], why: str) -> Way:
    return Way(function, why) if right else Way(None, f"{why} gives other results")


def _transpose(copy: Any, source: Array, target: Array) -> None:
    """Copy matrices (k, m, n) of float32 to (k, n, m) by a function of OpenBLAS."""
    count, m, n = source.shape
    if target.shape != (count, n, m):
        raise ValueError(f"{source.shape} cannot be transposed into {target.shape}")
    _require(np.dtype(np.float32), source, target)
    here, there = Matrices.of(source), Matrices.of(target)
    for k in range(count):
        at_source, at_target = here.address + k * here.step, there.address + k * there.step
        copy(ROW_MAJOR, TRANSPOSED, m, n, 1.0, at_source, here.row, at_target, there.row)


def _gemm_by_blas(
    gemm: Any, a: Array, b: Array, total: Array, rectangles: Iterable[Rectangle]
) -> None:
    """Do what `gemm_accumulate` does by a function of BLAS."""
    _require(total.dtype, a, b, total)
    (count, inner, held), wide, size = a.shape, b.shape[2], total.itemsize
    left, right, sums = Matrices.of(a), Matrices.of(b), Matrices.of(total[None])
    height, width = total.shape
    for each in rectangles:
        pair, first, top, column, m, n = each
        inside = top + m <= height and column + n <= width and first + m <= held and n <= wide
        if not inside or pair >= count or min(each) < 0:
            raise IndexError(f"no rectangle: {each}")
        at_left = left.address + pair * left.step + first * size
        at_right = right.address + pair * right.step
        at_sums = sums.address + (top * sums.row + column) * size
        factors = at_left, left.row, at_right, right.row
        gemm(*GEMM, m, n, inner, 1.0, *factors, 1.0, at_sums, sums.row)


def _require(dtype: np.dtype[Any], *arrays: Array) -> None:
    """Raise unless the arrays are what BLAS would take them for."""
    for array in arrays:
        if array.dtype != dtype or (array.shape[-1] > 1 and array.strides[-1] != array.itemsize):
            raise ValueError(f"rows of {dtype} must lie side by side, got {array.dtype}")


def _transposes(transpose: Callable[[Array, Array], None]) -> bool:
    """Return whether a function transposes: another library may mean something else by its name."""
    for count, m, n in TESTED_SHAPES:
        source = np.arange(count * m * n, dtype=np.float32).reshape(count, m, n)
        target = np.zeros((count, n, m), np.float32)
        transpose(source, target)
        if not np.array_equal(target, source.swapaxes(1, 2)):
            return False
    return True


def _accumulates(accumulate: Gemm, dtype: np.dtype[Any]) -> bool:
    """Return whether a function does what `gemm_accumulate` promises; sums are exact here."""
    for inner, m, n in TESTED_SHAPES:
        a = (np.arange(2 * inner * m) % 29).astype(dtype).reshape(2, inner, m)
        b = (np.arange(2 * inner * n) % 31).astype(dtype).reshape(2, inner, n)
        totals = np.ones((2, m + 3, 2 * n + 1), dtype)
        for total, way in zip(totals, (accumulate, gemm_by_numpy), strict=True):
            way(
                a,
                b,
                total,
                [
                    Rectangle(pair=1, first=0, top=2, left=n, height=m, width=n),
                    Rectangle(pair=0, first=m // 2, top=0, left=1, height=m - m // 2, width=n // 2),
                ],
            )
        if not np.array_equal(*totals):
            return False
    return True


def gemm_by_numpy(a: Array, b: Array, total: Array, rectangles: Iterable[Rectangle]) -> None:
    """Do what `gemm_accumulate` does, with a copy of each product."""
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


@cache
def _look_up(name: str) -> tuple[Any, Any, str]:
    """Return a function of BLAS, or None, the type of its integers, and its name, or why not."""
    if os.environ.get(SWITCH, "").lower() == "off":
        return None, None, f"{SWITCH}=off"
    try:  # symbols of a library are found with those of the libraries that it is linked to
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError) as error:
        return None, None, f"NumPy's BLAS cannot be called: {error}"
    # Where arguments are packed, an integer must be no wider than it is read; elsewhere it may be.
    plain = ctypes.c_int if sys.platform == "darwin" else ctypes.c_int64
    for before, after in product(("scipy_", ""), ("64_", "_64", "")):
        if function := getattr(library, f"{before}{name}{after}", None):
            return function, ctypes.c_int64 if after else plain, f"{before}{name}{after}"
    return None, None, f"NumPy's BLAS has no {name}"
