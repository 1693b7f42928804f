"""Deflated members of zip files: unpacked in memory if they are small, else to a temporary file."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zlib
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from lucid.errors import SourceError
from lucid.stream.read.npy import Header
from lucid.stream.read.pread import pread
from lucid.stream.read.zip_file import Member, ZipFile
from lucid.stream.types import Array

PIECE_BYTES = 256 << 10
MOST_RATIO = 1000  # what deflate can reach is little more, and what honest data reach far less


class Inflating(io.RawIOBase):
    """The bytes of a deflated member from front to back, never more than it says it has."""

    def __init__(
        self, stream: BinaryIO, begin: int, member: Member | Deflated, piece: int = PIECE_BYTES
    ) -> None:
        self._piece = piece  # that is read at once
        self._file, self._at, self._member = stream, begin, member
        self._left, self._wanted, self._checksum = member.stored, member.size, 0
        self._inflater, self._held = zlib.decompressobj(-zlib.MAX_WBITS), b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._member.size - self._wanted

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next, and return how much that is."""
        most, data = min(len(buffer), self._wanted), b""
        while most and not data:
            data = self._inflater.decompress(self._packed(), most)
            self._held = self._inflater.unconsumed_tail
        buffer[: len(data)] = data
        self._wanted -= len(data)
        self._checksum = zlib.crc32(data, self._checksum)
        if data and not self._wanted:
            self._require_end()
        return len(data)

    def _packed(self) -> bytes:
        """Return packed bytes that come next."""
        if self._held:
            return self._held
        piece = pread(self._file, min(self._piece, self._left), self._at)
        if not piece or self._inflater.eof:
            raise ValueError("it ends before the size that the zip file says")
        self._at, self._left = self._at + len(piece), self._left - len(piece)
        return piece

    def _require_end(self) -> None:
        """Raise unless no more bytes follow, and those before are what they were."""
        while not self._inflater.eof and (self._held or self._left):
            if self._inflater.decompress(self._packed(), 1):
                raise ValueError("it is longer than the zip file says")
            self._held = self._inflater.unconsumed_tail
        if self._checksum != self._member.checksum:
            raise ValueError("its bytes are damaged: the checksum is another")


class Deflated(NamedTuple):
    """How a member is packed that has an array."""

    stored: int  # bytes in the file
    size: int  # bytes when unpacked
    checksum: int
    skipped: int  # bytes before the values

    @property
    def stored_as(self) -> str:
        """The kind of the values in the file, which is that they have."""
        return ""

    def unpack(self, stream: BinaryIO, begin: int, values: Array) -> None:
        """Fill values (n,) with those of the array, of which the member begins at a byte."""
        bytes_ = Inflating(stream, begin, self)
        fill(bytes_, memoryview(bytearray(self.skipped)))
        fill(bytes_, values.view(np.uint8).data)


class Inflated:
    """An array in a deflated member, which is unpacked as a whole when it is first read.

    Parameters
    ----------
    file, member
        Where it is.
    header : Header
        Of the array.
    skipped : int
        Bytes before the values.
    spooled : bool
        Whether to unpack to a temporary file, which is gone with the array.
    """

    def __init__(
        self, file: ZipFile, member: Member, header: Header, skipped: int, spooled: bool
    ) -> None:
        self._file, self._member, self._header = file, member, header
        self._skipped, self._spooled = skipped, spooled
        self._values: Array | None = None
        self.shape, self.dtype = header.shape, header.dtype

    def __getitem__(self, key: Any) -> Array:
        if self._values is None:
            self._values = self._unpacked()
        part: Array = self._values[key]
        return part

    def _unpacked(self) -> Array:
        stream = Inflating(self._file.stream, self._file.place(self._member), self._member)
        fill(stream, memoryview(bytearray(self._skipped)))
        size = self._header.nbytes
        if self._spooled:
            with tempfile.TemporaryFile() as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                shutil.copyfileobj(stream, file, PIECE_BYTES)
                flat: Array = np.memmap(file, np.uint8, "r", 0, size)
        else:
            flat = np.empty(size, np.uint8)
            fill(stream, flat.data)
        order = "F" if self._header.fortran else "C"
        return flat.view(self._header.dtype).reshape(self._header.shape, order=order)  # type: ignore[call-overload, no-any-return]


def require_plausible(member: Member, where: str) -> None:
    """Raise if a member would unpack to much more than honest data do."""
    if member.size > MOST_RATIO * member.stored:
        raise SourceError(
            f"{where} would unpack from {member.stored} to {member.size} bytes, more than "
            f"{MOST_RATIO} times as many; save it uncompressed"
        )


def require_room(size: int, where: str) -> None:
    """Raise if the folder of temporary files has not so much room."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise SourceError(
            f"{where} is unpacked to a temporary file of {size} bytes, and {folder} has {free} "
            "free; set TMPDIR to a larger one, or save it uncompressed"
        )


def fill(stream: BinaryIO | Inflating, view: memoryview) -> None:
    """Fill a buffer from a stream."""
    while len(view):
        count = stream.readinto(view)  # type: ignore[union-attr]
        if not count:
            raise ValueError("it ends before the values that its header promises")
        view = view[count:]
