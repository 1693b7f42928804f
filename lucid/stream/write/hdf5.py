"""Crops in HDF5, as any reader of HDF5 or netCDF-4 finds them: values, attributes, named axes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from lucid.errors import SinkError
from lucid.stream.checks import HDF5_SUFFIXES
from lucid.stream.write import disk
from lucid.stream.write.companions import Companion
from lucid.stream.write.layout import DATASET, Layout

AXES = ("roi", "channel", "y", "x")  # of crops
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
CHUNK_BYTES = 256 << 10  # of whole rows, where none are asked for
MAX_CHUNK_BYTES = 1 << 32  # HDF5 has chunks of less

Places = Sequence[tuple[int, Companion]]  # where in a file they begin


class Hdf5:
    """An HDF5 file whose rows are contiguous, so that they are written without HDF5."""

    packs: ClassVar[bool] = False
    packing_bytes: int = 0

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.companion_bytes = layout.companions.nbytes if layout.companions else 0

    @classmethod
    def claims(cls, layout: Layout) -> bool:
        """Return whether this is the format of a layout."""
        return layout.path.suffix in HDF5_SUFFIXES

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""
        with h5py.File(path, "x", locking=False) as file:
            _, places = self._create(file, dcpl=_early_and_unfilled())
        _fill(path, places)

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

    def _create(self, file: h5py.File, **options: Any) -> tuple[h5py.Dataset, Places]:
        """Create the dataset of crops and those beside it, and return it and where those are."""
        layout = self.layout
        dataset = file.create_dataset(
            DATASET, layout.shape, layout.dtype, track_times=False, **options
        )
        dataset.attrs.update(layout.attributes)
        axes = {dataset: AXES[: dataset.ndim]}
        beside = {_beside(file, one): one for one in layout.companions or ()}
        _name_axes(file, axes | {each: one.axes for each, one in beside.items()})
        return dataset, [(each.id.get_offset() or 0, one) for each, one in beside.items()]


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
            dataset, places = self._create(file, **self._storage())
            for start in range(0, shape[0], self._rows):
                stop = min(start + self._rows, shape[0])
                count = (stop - start) * math.prod(shape[1:])
                block = np.fromfile(stream, self.layout.dtype, count)
                dataset[start:stop] = block.reshape(stop - start, *shape[1:])
        _fill(path, places)

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


def _beside(file: h5py.File, one: Companion) -> h5py.Dataset:
    """Create the dataset of an array beside the crops, whose space exists before its values."""
    is_text = one.dtype.kind == "S"
    dtype = h5py.string_dtype("utf-8", one.dtype.itemsize) if is_text else one.dtype
    return file.create_dataset(
        one.name, one.shape, dtype, track_times=False, dcpl=_early_and_unfilled()
    )


def _fill(path: Path, places: Places) -> None:
    """Write the arrays beside the crops into a closed file, each from its first byte on.

    HDF5 could do so, but where it cannot write, it ends the process.
    """
    file = os.open(path, os.O_WRONLY)
    try:
        for begin, one in places:
            position = begin
            for part in one.parts():
                data = np.ascontiguousarray(part, one.dtype).reshape(-1).view(np.uint8)
                disk.write_all(file, data.data, position)
                position += data.nbytes
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


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
