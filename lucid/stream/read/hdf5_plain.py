"""Datasets of HDF5 files that need no closer look.

Of many files or datasets, one for each image, most are like this: numbers in one piece, of a kind
that NumPy has, in the file itself and without attributes. To find that out by HDF5's own calls
takes a small part of the time that h5py's objects take.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5t

from lucid.stream.read.fingerprint import SMALL_BLOCK_BYTES
from lucid.stream.read.place import Place, Span
from lucid.stream.read.pread import pread, size_of
from lucid.stream.read.source import ArrayInfo

KINDS = [
    (h5t.py_create(dtype), dtype)
    for dtype in map(np.dtype, ("<f4", "<f2", "<f8", "<i4", "<i8", "u1", "<i2", ">f4", ">f8"))
]  # the usual ones


def place_in_hdf5(file: h5f.FileID, name: str) -> Place | None:
    """Return where the values of a dataset lie, or None if `Hdf5` must take a closer look."""
    with suppress(Exception):  # whatever is wrong, the closer look finds and names it
        if address_in_hdf5(file, name) is not None:
            return place_of_dataset(file, name)
    return None


def place_of_dataset(file: h5f.FileID, name: str) -> Place | None:
    """Return the same of a dataset to which no link leads from elsewhere."""
    dataset = h5d.open(file, name.encode())
    kind, begin = dataset.get_type(), dataset.get_offset()  # None if in several pieces
    dtype = next((dtype for known, dtype in KINDS if kind.equal(known)), None)
    if dtype and begin is not None and not h5a.get_num_attrs(dataset):
        place = Place(begin, dataset.shape, dtype)
        held = min(dataset.get_storage_size(), file.get_filesize() - begin)
        return place if place.nbytes <= held else None
    return None


def only_info(file: h5f.FileID) -> ArrayInfo | None:
    """Return what a file says about its only object, None if that takes a closer look."""
    with suppress(Exception):
        root = h5g.open(file, b"/")
        if root.get_num_objs() == 1:
            name = root.get_objname_by_idx(0).decode()
            place = place_in_hdf5(file, name)
            return place and ArrayInfo(name, place.shape, place.dtype, stored_bytes=place.nbytes)
    return None


def spans_around(path: Path, place: Place) -> list[Span]:
    """Return all bytes of a file but those of an array, none if they are many.

    Any of them may have been looked at to know where the array lies.
    """
    end = place.begin + place.nbytes
    with path.open("rb") as stream:
        rest = size_of(stream) - end
        if max(place.begin, rest) > SMALL_BLOCK_BYTES:
            return []
        return [Span(0, pread(stream, place.begin, 0)), Span(end, pread(stream, rest, end))]


def says_nothing(file: h5f.FileID, group: str) -> bool:
    """Return whether neither attributes nor anything else is beside the only object of a group."""
    with suppress(Exception):
        if h5a.get_num_attrs(file):
            return False
        parent = h5g.open(file, group.encode()) if group else file
        return not (group and h5a.get_num_attrs(parent)) and parent.get_num_objs() == 1
    return False


def address_in_hdf5(file: h5f.FileID, name: str) -> int | None:
    """Return where an object is in the file, None if a link on the way leads anywhere else."""
    path, address = b"", None
    for step in name.encode().split(b"/"):
        path += b"/" + step
        link = file.links.get_info(path)
        if link.type != h5l.TYPE_HARD:
            return None
        address = link.u
    return address
