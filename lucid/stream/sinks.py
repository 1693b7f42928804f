"""Files of crops: laid out in full under an unfinished name, filled row by row, then renamed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lucid.errors import SinkError

Array = NDArray[Any]

DATASET = "crops"


def check_output(output: Path, overwrite: bool) -> None:
    """Raise `SinkError` if a run could not, or must not, put its result there."""
    folder = output.parent
    if output.is_dir():
        raise SinkError(f"{output} is a directory")
    if output.exists() and not overwrite:
        raise SinkError(f"{output} exists; pass --overwrite to replace it")
    if not folder.is_dir():
        raise SinkError(f"{output} cannot be written: there is no directory {folder}")
    if not os.access(folder, os.W_OK):
        raise SinkError(f"{output} cannot be written: no permission to write in {folder}")


class Sink:
    """An output of known shape. Leaving it without `commit` leaves nothing behind."""

    def __init__(
        self,
        output: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        attributes: Mapping[str, Any],
        overwrite: bool = False,
    ) -> None:
        self.output = output
        self._unfinished = output.with_name(output.name + ".part")
        self._shape, self._dtype, self._attributes = shape, dtype, attributes
        self._overwrite = overwrite
        self._row_bytes = dtype.itemsize * int(np.prod(shape[1:], dtype=object))
        self._file = -1
        self._begin = 0

    def __enter__(self) -> Self:
        try:
            lay_out = _lay_out_npy if self.output.suffix == ".npy" else _lay_out_hdf5
            self._begin = lay_out(self._unfinished, self._shape, self._dtype, self._attributes)
            self._file = os.open(self._unfinished, os.O_WRONLY)
        except BaseException as error:
            self.__exit__()
            self._raise_as_ours(error)
        return self

    def write(self, rows: NDArray[np.intp], crops: Array) -> None:
        """Put crops (k, C, PH, PW) at their rows, which ascend."""
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        for start, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
            self._write_at(int(rows[start]), crops[start:stop])

    def _write_at(self, row: int, crops: Array) -> None:
        data = crops.reshape(-1).view(np.uint8).data
        position = self._begin + row * self._row_bytes
        try:
            while len(data):
                written = os.pwrite(self._file, data, position)
                data, position = data[written:], position + written
        except OSError as error:
            self._raise_as_ours(error)

    def commit(self) -> None:
        """Give the complete file its name."""
        try:
            os.fsync(self._file)
            check_output(self.output, self._overwrite)  # somebody may have been faster
            self._unfinished.replace(self.output)
        except OSError as error:
            self._raise_as_ours(error)

    def __exit__(self, *reason: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._unfinished.unlink(missing_ok=True)

    def _raise_as_ours(self, error: BaseException) -> None:
        """Raise an error of the system about the file that the caller named."""
        if isinstance(error, (OSError, RuntimeError)) and not isinstance(error, SinkError):
            raise SinkError(f"{self.output} cannot be written: {_reason(error)}") from error
        raise error


def _reason(error: OSError | RuntimeError) -> str:
    """Return the system's words; HDF5 has them in the middle of its own."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    quoted = re.search(r"error message = '([^']+)'", str(error))
    return quoted[1] if quoted else str(error)


def _lay_out_npy(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], attributes: Mapping[str, Any]
) -> int:
    """Write a .npy file of zeros; return where its first row begins."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        npy.write_array_header_1_0(stream, header)
        begin = stream.tell()
        stream.truncate(begin + dtype.itemsize * int(np.prod(shape, dtype=object)))
    return begin


def _lay_out_hdf5(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], attributes: Mapping[str, Any]
) -> int:
    """Write an HDF5 file with one contiguous dataset of zeros; return where they begin."""
    space = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space.set_fill_time(h5py.h5d.FILL_TIME_NEVER)  # the file system makes the zeros
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(DATASET, shape, dtype, dcpl=space, track_times=False)
        dataset.attrs.update(attributes)
        return dataset.id.get_offset() or 0
