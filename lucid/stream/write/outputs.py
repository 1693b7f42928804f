"""The formats of outputs."""

from __future__ import annotations

from lucid.stream.write.hdf5 import ChunkedHdf5, Hdf5
from lucid.stream.write.images import ImageFiles, ImageGroups
from lucid.stream.write.layout import Layout, Output
from lucid.stream.write.npy import Npy
from lucid.stream.write.npz import Npz
from lucid.stream.write.safetensors import Safetensors
from lucid.stream.write.uploaded import UploadedPackedZarr, UploadedZarr
from lucid.stream.write.zarr import PackedZarr, Zarr

# The first that claims a layout.
FORMATS: tuple[type[Output], ...] = (
    ImageFiles,
    ImageGroups,
    Npy,
    Npz,
    Safetensors,
    UploadedPackedZarr,
    UploadedZarr,
    PackedZarr,
    Zarr,
    ChunkedHdf5,
    Hdf5,
)


def output_of(layout: Layout) -> Output:
    """Return the output that a layout describes, in its format."""
    return next(output for output in FORMATS if output.claims(layout))(layout)
