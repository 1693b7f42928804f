"""The number of threads of NumPy's BLAS, asked of OpenBLAS by ctypes as NumPy does not offer it."""

import ctypes
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np


@cache
def thread_count() -> tuple[Callable[[], int], Callable[[int], Any]]:
    """Return what gets and sets the number of threads; another BLAS is left as it is."""
    get, put = (look_up(f"openblas_{verb}_num_threads") for verb in ("get", "set"))
    return (get, put) if get and put else (lambda: 1, lambda threads: None)


@cache
def kernel_name() -> str:
    """Return which of its kernels OpenBLAS uses on this machine, '' of another BLAS."""
    if ask := look_up("openblas_get_corename"):
        ask.restype = ctypes.c_char_p
        return str(ask().decode())
    return ""


def look_up(name: str) -> Any:
    """Return a function of NumPy's BLAS, or None."""
    try:  # symbols of a library are found with those of the libraries that it is linked to
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError):
        return None
    for before, after in product(("scipy_", ""), ("64_", "_64", "")):
        if function := getattr(library, f"{before}{name}{after}", None):
            return function
    return None
