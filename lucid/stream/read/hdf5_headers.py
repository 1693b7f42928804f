"""Datasets of one HDF5 file whose headers are those of others but for where their values begin.

HDF5 takes most of the time that a look at a small dataset takes to open it. Of many, one for each
image, most have the header of one that was opened before, byte for byte.
"""

from __future__ import annotations

import os
from contextlib import suppress

from h5py import h5f, h5o

from lucid.stream.read.hdf5_plain import address_in_hdf5, place_of_dataset
from lucid.stream.read.place import Place

ADDRESS_BYTES = 8
KINDS = 64  # of headers that are kept: maps may differ in size


class Headers:
    """Object headers of the datasets of a file that were opened, without their addresses."""

    def __init__(self, file: h5f.FileID) -> None:
        self._file, self._looks = file, 0
        self._known: dict[bytes, Place] = {}
        self._length = self._at = 0  # of a header, and of the address in it

    def place(self, name: str) -> Place | None:
        """Return where the values of a dataset lie, None if that takes a closer look."""
        with suppress(Exception):  # whatever is wrong, the closer look finds and names it
            address = address_in_hdf5(self._file, name)
            if address is not None:
                return self._like_another(address) or self._opened(name, address)
        return None

    def _like_another(self, address: int) -> Place | None:
        if not self._known:
            return None
        header = self._read(self._length, address)
        place = self._known.get(self._without_address(header))
        if place is None:
            return None
        begin = int.from_bytes(header[self._at : self._at + ADDRESS_BYTES], "little")
        return place._replace(begin=begin) if begin + place.nbytes <= self._size else None

    def _opened(self, name: str, address: int) -> Place | None:
        """Return where the values lie as HDF5 says it, and note the header from the second on."""
        place = place_of_dataset(self._file, name)
        self._looks += 1
        if place is not None and self._looks > 1 and len(self._known) < KINDS:
            self._learn(name, address, place)
        return place

    def _learn(self, name: str, address: int, place: Place) -> None:
        about = h5o.get_info(self._file, name.encode()).hdr
        is_moved = self._file.get_create_plist().get_userblock() > 0
        if is_moved or about.version != 1 or about.nchunks != 1:  # later ones have a checksum
            return
        header = self._read(about.space.total, address)
        before, *after = header.split(place.begin.to_bytes(ADDRESS_BYTES, "little"))
        if not self._known:
            self._length, self._at = len(header), len(before)
        if len(after) == 1 and (self._length, self._at) == (len(header), len(before)):
            self._known[self._without_address(header)] = place

    def _read(self, count: int, address: int) -> bytes:
        return os.pread(self._file.get_vfd_handle(), count, address)

    def _without_address(self, header: bytes) -> bytes:
        return header[: self._at] + header[self._at + ADDRESS_BYTES :]

    @property
    def _size(self) -> int:
        size: int = self._file.get_filesize()
        return size
