"""Which checksums a file of crops has, and which of them do not fit what they are of."""

from __future__ import annotations

from collections.abc import Iterator

from lucid.stream.checks import HDF5_SUFFIXES, ZARR_SUFFIX
from lucid.stream.write import hdf5, npz, zarr
from lucid.stream.write.layout import DATASET
from lucid.verifier.request import Request


def checksums_of(request: Request) -> str:
    """Say which checksums were looked at, nothing if there are none.

    Those of chunks are looked at as chunks are read, and a row whose chunk has another cannot be.
    """
    suffix = request.path.suffix
    if suffix == ".npz" and not request.is_apart:
        return "CRC-32 of all members" if request.all else "CRC-32 of all members but the crops"
    filters = ""
    if not request.is_apart and suffix in HDF5_SUFFIXES:
        filters = hdf5.checksums_of(request.path)
    if suffix == ZARR_SUFFIX:
        filters = zarr.checksums_of(request.path)
    return f"{filters} of each chunk that was read" if filters else ""


def damaged_parts(request: Request) -> Iterator[str]:
    """Yield the members of a .npz file that have other checksums than the file says."""
    if request.path.suffix == ".npz" and not request.is_apart:
        yield from npz.damaged(request.path, () if request.all else (DATASET,))
