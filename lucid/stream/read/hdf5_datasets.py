"""What is said about datasets of HDF5 files."""

from __future__ import annotations

import h5py

from lucid.stream.read.filters import filters_of, name_of, plugins_of
from lucid.stream.read.source import ArrayInfo

DIMENSION = b"This is a netCDF dimension but not a netCDF variable."


def described(item: h5py.Dataset, name: str | None = None, target: str = "") -> ArrayInfo:
    """Return what a file says about a dataset, which links may lead to by another name."""
    return ArrayInfo(
        dataset=name or item.name.removeprefix("/"),
        shape=item.shape,
        dtype=item.dtype,
        chunks=item.chunks,
        compression=", ".join(map(name_of, plugins_of(item))) or item.compression,
        target=target,
        stored_as=getattr(item, "stored_as", ""),
        filters=filters_of(item),
        stored_bytes=item.id.get_storage_size(),
    )


def has_values(item: h5py.Dataset) -> bool:
    """Return whether a dataset has any, and of a kind that NumPy has a dtype for.

    A dimension of netCDF-4 is a dataset too, but what it says is a name and a length.
    """
    try:
        name = item.attrs.get("NAME", b"") if h5py.h5ds.is_scale(item.id) else b""
        is_dimension = isinstance(name, bytes) and name.startswith(DIMENSION)
        return item.shape is not None and item.dtype is not None and not is_dimension
    except TypeError:
        return False
