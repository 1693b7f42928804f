"""The formats of outputs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from lucid.stream.checks import HDF5_SUFFIXES, PLACE, ZARR_SUFFIX
from lucid.stream.read.url import Url
from lucid.stream.write.layout import Layout, Output

Claim = Callable[[Layout], bool]


def _ends_in(*suffixes: str) -> Claim:
    return lambda layout: layout.path.suffix in suffixes


def _is_zarr(layout: Layout) -> bool:
    return layout.path.suffix == ZARR_SUFFIX


def _has_url(layout: Layout) -> bool:
    return _is_zarr(layout) and isinstance(layout.path, Url)


def _is_packed(layout: Layout) -> bool:
    return layout.compression != "none"


# Each with what it claims, before which those above it come. It is imported when it is to be used:
# most need much that the others do not.
FORMATS: dict[str, Claim] = {
    "images.ImageFiles": lambda layout: PLACE in layout.path.name,
    "images.ImageGroups": lambda layout: layout.in_groups,
    "npy.Npy": _ends_in(".npy"),
    "npz.Npz": _ends_in(".npz"),
    "safetensors.Safetensors": _ends_in(".safetensors"),
    "uploaded.UploadedPackedZarr": lambda layout: _has_url(layout) and _is_packed(layout),
    "uploaded.UploadedZarr": _has_url,
    "zarr.PackedZarr": lambda layout: _is_zarr(layout) and _is_packed(layout),
    "zarr.Zarr": _is_zarr,
    "hdf5.ChunkedHdf5": lambda layout: layout.is_chunked,
    "hdf5.Hdf5": _ends_in(*HDF5_SUFFIXES),
}


def output_of(layout: Layout) -> Output:
    """Return the output that a layout describes, in its format."""
    name = next(name for name, claims in FORMATS.items() if claims(layout))
    module, kind = name.split(".")
    home = import_module(f"lucid.stream.write.{module}")
    return cast(type[Output], getattr(home, kind))(layout)
