"""Filters that HDF5 data went through: which are plug-ins, and where those come from."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import h5py

from lucid.errors import SourceError

OWN = {
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_SZIP,
    h5py.h5z.FILTER_NBIT,
    h5py.h5z.FILTER_SCALEOFFSET,
    h5py.h5z.FILTER_LZF,
}  # those that come with HDF5 and h5py
NAMES = {
    307: "bzip2",
    32001: "Blosc",
    32004: "LZ4",
    32008: "Bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}  # as the HDF Group registers them
BESIDE = {
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_NBIT: "nbit",
    h5py.h5z.FILTER_SCALEOFFSET: "scaleoffset",
}  # that do not compress, or not alone
PACKAGE = "hdf5plugin"
EXTRA = "pip install 'lucid-roialign[hdf5plugin]'"


def plugins_of(dataset: Any) -> list[int]:
    """Return the filters of a dataset that are plug-ins."""
    space = dataset.id.get_create_plist()
    filters = (space.get_filter(k)[0] for k in range(space.get_nfilters()))
    return [each for each in filters if each not in OWN]


def filters_of(dataset: Any) -> tuple[str, ...]:
    """Return which of HDF5's own filters a dataset has beside its compression."""
    space = dataset.id.get_create_plist()
    filters = [space.get_filter(k)[0] for k in range(space.get_nfilters())]
    return tuple(BESIDE[each] for each in filters if each in BESIDE)


def name_of(plugin: int) -> str:
    """Return what a filter is called."""
    return f"filter {plugin} ({NAMES[plugin]})" if plugin in NAMES else f"filter {plugin}"


def require_plugins(dataset: Any, where: str) -> None:
    """Have the plug-ins of a dataset loaded; raise if one is not installed."""
    needed = plugins_of(dataset)
    if needed:
        with suppress(ImportError):
            import_module(PACKAGE)  # which registers its filters
    for plugin in needed:
        if not h5py.h5z.filter_avail(plugin):
            raise SourceError(
                f"{where} is stored with {name_of(plugin)}, a plug-in that is not there; {EXTRA}"
            )
