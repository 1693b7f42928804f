"""How crops lie in a file: each format lays a file out in full, to be filled in row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy

from lucid.stream.settings import Settings

DATASET = "crops"
CHUNK_BYTES = 256 << 10  # of whole rows, where none are asked for


@dataclass(frozen=True, slots=True)
class Layout:
    """What an output file is to be."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any]
    compression: str = "none"
    chunks: int | None = None  # rows of a chunk
    checksum: bool = False

    @classmethod
    def of(
        cls,
        settings: Settings,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        attributes: Mapping[str, Any],
    ) -> Layout:
        """Return the layout that a run's settings ask for."""
        storage = settings.compression, settings.chunks, settings.checksum
        return cls(settings.output, shape, dtype, attributes, *storage)

    @property
    def is_npy(self) -> bool:
        """Whether it is a .npy file, and else HDF5."""
        return self.path.suffix == ".npy"

    @property
    def is_chunked(self) -> bool:
        """Whether rows are stored in chunks, which cannot be filled in place."""
        return self.compression != "none" or self.chunks is not None or self.checksum

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """The size of all rows."""
        return self.shape[0] * self.row_bytes

    @property
    def chunk_rows(self) -> int:
        """How many rows a block has."""
        rows = self.chunks or CHUNK_BYTES // max(self.row_bytes, 1)
        return max(min(rows, self.shape[0]), 1)

    @property
    def packing_bytes(self) -> int:
        """What packing rows into chunks takes: a chunk as read, and as HDF5 filters it."""
        return 4 * self.chunk_rows * self.row_bytes if self.is_chunked else 0

    def lay_out(self, path: Path) -> None:
        """Write a file of this size, of zeros: complete but for the rows."""
        if self.is_chunked:
            with path.open("xb") as stream:
                stream.truncate(self.nbytes)
        elif self.is_npy:
            with path.open("xb") as stream:
                write_npy_header(stream, self.shape, self.dtype)
                stream.truncate(stream.tell() + self.nbytes)
        else:
            with h5py.File(path, "x", locking=False) as file:
                self._create(file, _early_and_unfilled())

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        if self.is_chunked:
            return 0
        if self.is_npy:
            return path.stat().st_size - self.nbytes
        with h5py.File(path, "r", locking=False) as file:
            return file[DATASET].id.get_offset() or 0

    def pack(self, rows: Path, path: Path) -> None:
        """Write the chunked file from one that holds the rows one after the other."""
        height = self.chunk_rows
        options: dict[str, Any] = {"chunks": (height, *self.shape[1:])}
        if self.compression != "none":
            options["compression"] = self.compression
        if self.compression == "gzip":
            options["compression_opts"] = 1  # higher levels take much longer and save little
        with rows.open("rb") as stream, h5py.File(path, "w", locking=False) as file:
            dataset = self._create(file, None, fletcher32=self.checksum, **options)
            for start in range(0, self.shape[0], height):
                stop = min(start + height, self.shape[0])
                block = np.fromfile(stream, self.dtype, (stop - start) * math.prod(self.shape[1:]))
                dataset[start:stop] = block.reshape(stop - start, *self.shape[1:])

    def _create(self, file: h5py.File, space: Any, **options: Any) -> h5py.Dataset:
        if 0 in self.shape:  # HDF5 has no chunks of nothing
            options = {}
        dataset = file.create_dataset(
            DATASET, self.shape, self.dtype, dcpl=space, track_times=False, **options
        )
        dataset.attrs.update(self.attributes)
        return dataset


def write_npy_header(stream: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write what a .npy file of values in C order begins with."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(stream, header)


def _early_and_unfilled() -> Any:
    """Return the HDF5 properties of a dataset whose space exists before its values."""
    space = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space.set_fill_time(h5py.h5d.FILL_TIME_NEVER)  # the file system makes the zeros
    return space
