"""Which kernel NumPy's BLAS takes: the last bits of crops depend on it.

As a program it prints the kernel after some work: one that this machine cannot run ends it.
"""

import ctypes
import sys

import numpy as np


def kernel():
    """Return the name and version of the BLAS and, if it is that of NumPy's wheels, its kernel."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{blas['name']} {blas['version']}"
    library = ctypes.CDLL(np.linalg._umath_linalg.__file__)  # finds the symbols of its BLAS too
    for entry in ("scipy_openblas_get_corename64_", "openblas_get_corename64_"):
        if corename := getattr(library, entry, None):
            corename.restype = ctypes.c_char_p
            return f"{name} {corename().decode()}"
    return name


if __name__ == "__main__":
    for dtype in (np.float32, np.float64):
        square = np.ones((100, 100), dtype)
        square @ square
    sys.stdout.write(f"{kernel()}\n")
