"""Crops in HDF5, as any reader of HDF5 or netCDF-4 finds them: values, attributes, named axes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from lucid.errors import SinkError
from lucid.stream.write import disk
from lucid.stream.write.companions import Companion, bin_axes
from lucid.stream.write.layout import DATASET, Layout, OneFile, RowsApart

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
CHUNK_BYTES = 256 << 10  # of whole rows, where none are asked for
MAX_CHUNK_BYTES = 1 << 32  # HDF5 has chunks of less

Place = tuple[int, Companion]  # where in a file an array begins


class Hdf5(OneFile):
    """An HDF5 file whose rows are contiguous, so that they are written without HDF5."""

    has_companions: ClassVar[bool] = True

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""
        with h5py.File(path, "x", locking=False) as file:
            _, places = self._create(file, dcpl=_early_and_unfilled())
        fill(path, places)

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        with h5py.File(path, "r", locking=False) as file:
            return file[DATASET].id.get_offset() or 0

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job."""
        with h5py.File(self.layout.path, "r", locking=False) as file:
            dataset = file[DATASET]
            said = said_of(dataset)
            if said is not None:
                said |= {"shape": list(dataset.shape), "dtype": dataset.dtype.name}
                said["compression"] = dataset.compression or "none"
        return said

    def _create(self, file: h5py.File, **options: Any) -> tuple[h5py.Dataset, list[Place]]:
        """Create the dataset of crops and those beside it, and return it and where those are."""
        layout = self.layout
        dataset = file.create_dataset(
            DATASET, layout.shape, layout.dtype, track_times=False, **options
        )
        dataset.attrs.update(layout.attributes)
        places = [(create_array(file, one), one) for one in layout.companions or ()]
        axes = {dataset: bin_axes("roi", "channel", axes=dataset.ndim)}
        _name_axes(file, axes | {file[one.name]: one.axes for _, one in places})
        return dataset, places


class ChunkedHdf5(RowsApart, Hdf5):
    """An HDF5 file whose rows are stored in chunks, which cannot be filled in place."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        rows = layout.chunks or CHUNK_BYTES // max(layout.row_bytes, 1)
        self._rows = max(min(rows, layout.shape[0]), 1)
        # A chunk as read, and as HDF5 filters it.
        self.packing_bytes = 4 * self._rows * layout.row_bytes
        if self._rows * layout.row_bytes >= MAX_CHUNK_BYTES:
            raise SinkError.advising(
                f"{layout.path}: HDF5 has chunks of less than 4 GiB", "pass {chunks} of fewer rows"
            )

    def pack(self, rows: Path, path: Path) -> None:
        """Write the output from a file that holds the rows."""
        shape = self.layout.shape
        with rows.open("rb") as stream, h5py.File(path, "w", locking=False) as file:
            dataset, places = self._create(file, **self._storage())
            for start in range(0, shape[0], self._rows):
                stop = min(start + self._rows, shape[0])
                count = (stop - start) * math.prod(shape[1:])
                block = np.fromfile(stream, self.layout.dtype, count)
                dataset[start:stop] = block.reshape(stop - start, *shape[1:])
        fill(path, places)

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


def create_array(group: h5py.Group, one: Companion) -> int:
    """Create a dataset for an array, and return where in the file its values are to lie."""
    is_text = one.dtype.kind == "S"
    dtype = h5py.string_dtype("utf-8", one.dtype.itemsize) if is_text else one.dtype
    space = h5py.h5s.create_simple(one.shape) if one.shape else h5py.h5s.create(h5py.h5s.SCALAR)
    properties = _early_and_unfilled()
    properties.set_obj_track_times(False)
    kind = h5py.h5t.py_create(dtype, logical=True)
    dataset = h5py.h5d.create(group.id, one.name.encode(), kind, space, properties)
    place: int | None = dataset.get_offset()
    return -1 if place is None else place  # nowhere, if it is empty


def fill(path: Path, places: Iterable[Place]) -> None:
    """Write arrays into a closed file, each from its first byte on, some rows at a time.

    HDF5 could do so, but where it cannot write, it ends the process.
    """
    file = os.open(path, os.O_WRONLY)
    try:
        for begin, one in places:
            position = begin
            for part in one.parts():
                disk.write_all(file, part.tobytes(), position)
                position += part.nbytes
    finally:
        os.close(file)


def _name_axes(file: h5py.File, axes: Mapping[h5py.Dataset, Sequence[str]]) -> None:
    """Name the axes of datasets as netCDF-4 does: by dimension scales, which have no values.

    Readers guess the names of axes that have none by their lengths, so that none is left out.
    """
    for dataset, names in axes.items():
        for axis, (name, length) in enumerate(zip(names, dataset.shape, strict=True)):
            if name not in file:
                scale = file.create_dataset(name, (length,), ">f4", track_times=False)
                scale.make_scale(f"{NO_VARIABLE}{length:10d}")
            dataset.dims[axis].attach_scale(file[name])
    for name in dict.fromkeys(name for names in axes.values() for name in names):
        del file[name].attrs["REFERENCE_LIST"]  # PyTables cannot read it


def _early_and_unfilled() -> Any:
    """Return the HDF5 properties of a dataset whose space exists before its values."""
    space = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space.set_fill_time(h5py.h5d.FILL_TIME_NEVER)  # the file system makes the zeros
    return space


def said_by(path: Path) -> dict[str, Any] | None:
    """Return what a file says about a job, None if it is none of ours."""
    with h5py.File(path, "r") as file:
        return said_of(file) or said_of(file[DATASET])


def is_in_groups(path: Path) -> bool:
    """Return whether a file has a group of crops for each image: it says so, not its dataset."""
    try:
        with h5py.File(path, "r") as file:
            return said_of(file) is not None
    except OSError:
        return False


def checksums_of(path: Path) -> str:
    """Say which checksums the chunks of crops have, nothing if they have none."""
    with h5py.File(path, "r") as file:
        dataset = file[DATASET]
        kinds = ["Fletcher-32"] * dataset.fletcher32
        kinds += ["zlib's Adler-32"] * (dataset.compression == "gzip")
    return " and ".join(kinds)


def said_of(item: h5py.Dataset | h5py.File) -> dict[str, Any] | None:
    """Return what attributes say about a job, None if they are none of ours."""
    said = {key: _plain(item.attrs[key]) for key in item.attrs}
    return said if {"features", "rois", "lucid_version"} <= set(said) else None


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
