"""How crops lie in a file: each format lays a file out in full, to be filled in row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import h5py
import numpy as np
from numpy.lib import format as npy

from lucid.errors import SinkError
from lucid.stream.checks import HDF5_SUFFIXES
from lucid.stream.read.npy import map_npy
from lucid.stream.settings import Settings

DATASET = "crops"
CHUNK_BYTES = 256 << 10  # of whole rows, where none are asked for
MAX_CHUNK_BYTES = 1 << 32  # HDF5 has chunks of less


@dataclass(frozen=True, slots=True)
class Layout:
    """What an output is to be, whatever its format."""

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
        return cls(
            path=settings.output,
            shape=shape,
            dtype=dtype,
            attributes=attributes,
            compression=settings.compression,
            chunks=settings.chunks,
            checksum=settings.checksum,
        )

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """The size of all rows."""
        return self.shape[0] * self.row_bytes


class Output(Protocol):
    """A format of output files; `FORMATS` lists them.

    A run fills in rows, one after the other from `begin` on, in a file that was laid out. That is
    the output itself, or if the format `packs`, what the output is made from at the end.
    """

    layout: Layout
    packs: ClassVar[bool]
    packing_bytes: int  # what packing holds in memory

    def __init__(self, layout: Layout) -> None: ...

    @classmethod
    def claims(cls, layout: Layout) -> bool:
        """Return whether this is the format of a layout."""

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""

    def pack(self, rows: Path, path: Path) -> None:
        """Write the output from a file that holds the rows."""

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job.

        None if it is none of ours; any exception may tell that as well.
        """


class Npy:
    """A .npy file."""

    packs: ClassVar[bool] = False
    packing_bytes: int = 0

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def claims(cls, layout: Layout) -> bool:
        """Return whether this is the format of a layout."""
        return layout.path.suffix == ".npy"

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""
        with path.open("xb") as stream:
            write_npy_header(stream, self.layout.shape, self.layout.dtype)
            stream.truncate(stream.tell() + self.layout.nbytes)

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        return path.stat().st_size - self.layout.nbytes

    def pack(self, rows: Path, path: Path) -> None:
        """Do nothing: rows are where they belong."""

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job: little."""
        array = map_npy(self.layout.path)
        return {"shape": list(array.shape), "dtype": array.dtype.name}


class Hdf5:
    """An HDF5 file whose rows are contiguous, so that they are written without HDF5."""

    packs: ClassVar[bool] = False
    packing_bytes: int = 0

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def claims(cls, layout: Layout) -> bool:
        """Return whether this is the format of a layout."""
        return layout.path.suffix in HDF5_SUFFIXES

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""
        with h5py.File(path, "x", locking=False) as file:
            self._create(file, dcpl=_early_and_unfilled())

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        with h5py.File(path, "r", locking=False) as file:
            return file[DATASET].id.get_offset() or 0

    def pack(self, rows: Path, path: Path) -> None:
        """Do nothing: rows are where they belong."""

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job."""
        with h5py.File(self.layout.path, "r", locking=False) as file:
            dataset = file[DATASET]
            said = {key: _plain(dataset.attrs[key]) for key in dataset.attrs}
            said |= {"shape": list(dataset.shape), "dtype": dataset.dtype.name}
            said["compression"] = dataset.compression or "none"
        return said if {"features", "rois", "lucid_version"} <= set(said) else None

    def _create(self, file: h5py.File, **options: Any) -> h5py.Dataset:
        layout = self.layout
        dataset = file.create_dataset(
            DATASET, layout.shape, layout.dtype, track_times=False, **options
        )
        dataset.attrs.update(layout.attributes)
        return dataset


class ChunkedHdf5(Hdf5):
    """An HDF5 file whose rows are stored in chunks, which cannot be filled in place."""

    packs: ClassVar[bool] = True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        rows = layout.chunks or CHUNK_BYTES // max(layout.row_bytes, 1)
        self._rows = max(min(rows, layout.shape[0]), 1)
        # A chunk as read, and as HDF5 filters it.
        self.packing_bytes = 4 * self._rows * layout.row_bytes
        if self._rows * layout.row_bytes >= MAX_CHUNK_BYTES:
            raise SinkError(
                f"{layout.path}: HDF5 has chunks of less than 4 GiB; pass fewer --chunks rows"
            )

    @classmethod
    def claims(cls, layout: Layout) -> bool:
        """Return whether this is the format of a layout."""
        chunked = layout.compression != "none" or layout.chunks is not None or layout.checksum
        return chunked and Hdf5.claims(layout)

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, for the rows alone; there must be none."""
        with path.open("xb") as stream:
            stream.truncate(self.layout.nbytes)

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        return 0

    def pack(self, rows: Path, path: Path) -> None:
        """Write the output from a file that holds the rows."""
        shape = self.layout.shape
        with rows.open("rb") as stream, h5py.File(path, "w", locking=False) as file:
            dataset = self._create(file, **self._storage())
            for start in range(0, shape[0], self._rows):
                stop = min(start + self._rows, shape[0])
                count = (stop - start) * math.prod(shape[1:])
                block = np.fromfile(stream, self.layout.dtype, count)
                dataset[start:stop] = block.reshape(stop - start, *shape[1:])

    def _storage(self) -> dict[str, Any]:
        """Return how HDF5 is to store the rows."""
        layout = self.layout
        if 0 in layout.shape:  # HDF5 has no chunks of nothing
            return {}
        options: dict[str, Any] = {"chunks": (self._rows, *layout.shape[1:])}
        if layout.compression != "none":
            options["compression"] = layout.compression
        if layout.compression == "gzip":
            options["compression_opts"] = 1  # higher levels take much longer and save little
        return options | {"fletcher32": layout.checksum}


FORMATS: tuple[type[Output], ...] = (Npy, ChunkedHdf5, Hdf5)  # the first that claims it


def output_of(layout: Layout) -> Output:
    """Return the output that a layout describes, in its format."""
    return next(output for output in FORMATS if output.claims(layout))(layout)


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


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
