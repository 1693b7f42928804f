"""Files for single images, a format each: .npz, .npy, which has the features alone, and HDF5."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy

from lucid.stream.checks import HDF5_SUFFIXES
from lucid.stream.write.companions import Companion
from lucid.stream.write.hdf5 import create_array, fill
from lucid.stream.write.npy import write_npy_header

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can note
LARGE_BYTES = 1 << 31  # of a member of a zip file, which needs longer fields
Form = tuple[tuple[int, ...], np.dtype[Any]]  # shape and dtype


def _write_npy(stream: Any, one: Companion) -> None:
    write_npy_header(stream, one.shape, one.dtype)
    for part in one.parts():
        stream.write(part.tobytes())


def _write_npy_file(path: Path, arrays: Sequence[Companion]) -> None:
    with path.open("xb") as stream:
        _write_npy(stream, arrays[0])


def _write_npz_file(path: Path, arrays: Sequence[Companion]) -> None:
    with zipfile.ZipFile(path, "x") as file:
        for one in arrays:
            info = zipfile.ZipInfo(f"{one.name}.npy", LONG_AGO)
            with file.open(info, "w", force_zip64=one.nbytes >= LARGE_BYTES) as stream:
                _write_npy(stream, one)


def _write_hdf5_file(path: Path, arrays: Sequence[Companion]) -> None:
    with h5py.File(path, "x", locking=False) as file:
        places = [(create_array(file, one), one) for one in arrays]
    fill(path, places)


def _features_of_npy(path: Path) -> Form:
    with path.open("rb") as stream:
        return _header(stream)


def _features_of_npz(path: Path) -> Form:
    with zipfile.ZipFile(path) as file, file.open("features.npy") as stream:
        return _header(stream)


def _features_of_hdf5(path: Path) -> Form:
    with h5py.File(path, "r", locking=False) as file:
        return file["features"].shape, file["features"].dtype


def _header(stream: Any) -> Form:
    npy.read_magic(stream)
    shape, _, dtype = npy.read_array_header_1_0(stream)
    return shape, dtype


WRITERS: dict[str, Callable[[Path, Sequence[Companion]], None]] = {
    ".npz": _write_npz_file,
    ".npy": _write_npy_file,
    **dict.fromkeys(HDF5_SUFFIXES, _write_hdf5_file),
}
FEATURES_OF: dict[str, Callable[[Path], Form]] = {
    ".npz": _features_of_npz,
    ".npy": _features_of_npy,
    **dict.fromkeys(HDF5_SUFFIXES, _features_of_hdf5),
}
