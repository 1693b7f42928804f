"""What NumPy's OpenBLAS offers and NumPy does not: its number of threads, and transposing."""

import ctypes
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROW_MAJOR, TRANSPOSED = 101, 112


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
    pointer, sizes, factor = ctypes.c_void_p, (integer, integer), ctypes.c_float
    copy.argtypes = [ctypes.c_int, ctypes.c_int, *sizes, factor, pointer, integer, pointer, integer]
    copy.restype = None

    def transpose(some: Array, others: Array) -> None:
        count, *shape = some.shape
        (step, rows), (other_step, other_rows) = some.strides[:2], others.strides[:2]
        source, target, size = some.ctypes.data, others.ctypes.data, some.itemsize
        for _ in range(count):
            copy(
                ROW_MAJOR, TRANSPOSED, *shape, 1.0, source, rows // size, target, other_rows // size
            )
            source, target = source + step, target + other_step

    # A library that goes by other integers than its names say would do something else.
    some = np.arange(2 * 19 * 35, dtype=np.float32).reshape(2, 19, 35)
    others = np.zeros((2, 35, 19), np.float32)
    transpose(some, others)
    return transpose if np.array_equal(others, some.swapaxes(1, 2)) else None


def _function(name: str) -> tuple[Any, Any]:
    """Return a function of OpenBLAS, or None, and the type of its integers."""
    try:  # symbols of a library are found with those of the libraries that it is linked to
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError):
        return None, None
    for before, after in product(("scipy_", ""), ("64_", "", "_64")):
        if function := getattr(library, f"{before}{name}{after}", None):
            return function, ctypes.c_int64 if after else ctypes.c_int
    return None, None
