"""Crops in a .npy file, which says nothing but their shape and dtype."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from lucid.stream.read.npy import map_npy
from lucid.stream.write.layout import OneFile


class Npy(OneFile):
    """A .npy file."""

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""
        with path.open("xb") as stream:
            write_npy_header(stream, self.layout.shape, self.layout.dtype)
            stream.truncate(stream.tell() + self.layout.nbytes)

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        return path.stat().st_size - self.layout.nbytes

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job: little."""
        array = map_npy(self.layout.path)
        return {"shape": list(array.shape), "dtype": array.dtype.name}


def write_npy_header(stream: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write what a .npy file of values in C order begins with."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(stream, header)
