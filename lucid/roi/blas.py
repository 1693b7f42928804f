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
    """Return what writes a part of a map (C, h, w) with channels last, None with another BLAS.

    Both are float32; the numbers of a row lie side by side, and the channels of a cell.
    """
    copy, integer = _function("cblas_somatcopy")
    if copy is None:
        return None
    pointer, sizes, factor = ctypes.c_void_p, (integer, integer), ctypes.c_float
    copy.argtypes = [ctypes.c_int, ctypes.c_int, *sizes, factor, pointer, integer, pointer, integer]
    copy.restype = None

    def transpose(part: Array, place: Array) -> None:
        (channels, height, width), size = part.shape, part.itemsize
        if part.strides[1] == width * size:
            height, width = 1, height * width
        channel, cell = part.strides[0] // size, place.strides[1] // size
        source, target = part.ctypes.data, place.ctypes.data
        for _ in range(height):
            copy(ROW_MAJOR, TRANSPOSED, channels, width, 1.0, source, channel, target, cell)
            source, target = source + part.strides[1], target + place.strides[0]

    # A library that goes by other integers than its names say would do something else.
    part = np.arange(21 * 35, dtype=np.float32).reshape(3, 5, 49)
    place = np.zeros((5, 49, 3), np.float32)
    transpose(part, place)
    return transpose if np.array_equal(place, part.transpose(1, 2, 0)) else None


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
