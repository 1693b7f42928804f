"""Which kernel NumPy's BLAS takes: the last bits of crops depend on it."""

import ctypes
import sys

import numpy as np


def kernel():
    """Return the name and version of the BLAS and, if it is that of NumPy's wheels, its kernel."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{blas['name']} {blas['version']}"
    for entry in ("scipy_openblas_get_corename64_", "openblas_get_corename64_"):
        try:
            corename = getattr(_loaded(), entry)
        except (AttributeError, OSError, StopIteration):
            continue
        corename.restype = ctypes.c_char_p
        return f"{name} {corename().decode()}"
    return name


def _loaded():
    """Return the library that NumPy has loaded."""
    with open("/proc/self/maps") as maps:
        return ctypes.CDLL(next(line.split()[-1] for line in maps if "openblas" in line))


if __name__ == "__main__":
    sys.stdout.write(f"{kernel()}\n")
