"""The .npz format: .npy files in a zip file, mapped where they are stored, else unpacked."""

from __future__ import annotations

import io
import math
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from lucid.errors import SourceError
from lucid.stream import tuning
from lucid.stream.read.flat import Flat, FlatSource
from lucid.stream.read.inflated import (
    Deflated,
    Inflated,
    Inflating,
    require_plausible,
    require_room,
)
from lucid.stream.read.npy import FileValues, Header, read_header
from lucid.stream.read.place import Ends, Place, Span
from lucid.stream.read.placed import is_small
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.zip_file import DEFLATED, STARTS, Member, ZipFile

ENDING = ".npy"
HEADER_BYTES = 512  # that are read at once of a packed header


class Described(NamedTuple):
    """What is known of a member."""

    member: Member
    header: Header
    skipped: int  # bytes before the values
    info: ArrayInfo


class Npz(Flat):
    """A .npz file, open."""

    kind = ".npz"

    def __init__(self, path: Path, trust: bool) -> None:
        super().__init__(path)
        self._zip = ZipFile(path)
        self._values = FileValues(self._zip.stream, str(path))
        self._known: Described | None = None
        self._members = {
            name.removesuffix(ENDING): member
            for name, member in self._zip.members.items()
            if name.endswith(ENDING)
        }

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format."""
        return start.startswith(STARTS)

    def names(self) -> Collection[str]:
        """Return the names of the members, without their ending."""
        return self._members

    def info(self, name: str) -> ArrayInfo:
        """Return what the file says about an array; raise if it cannot be read."""
        return self._described(name).info

    def source(self, name: str) -> Source:
        """Return an array: mapped, or one that is unpacked when it is first read."""
        member, header, skipped, info = self._described(name)
        if member.method != DEFLATED:
            array = self._values.array(header, self._zip.place(member) + skipped)
            return FlatSource(self._path, info, array, self)
        large = header.nbytes > tuning.current.unpacked_bytes
        packed = Inflated(self._zip, member, header, skipped, large)
        if large:
            require_room(header.nbytes, f"{self._path}::{name}")
            return SpooledSource(self._path, replace(info, chunks=None), packed, self)
        return FlatSource(self._path, info, packed, self)

    def place(self, name: str) -> Place | None:
        """Return where an array lies; None if it is packed and large."""
        return _place(self._zip, self._described(name))

    def spans(self, name: str, stem: bytes) -> list[Span]:
        """Return the directory, and the headers of all arrays."""
        if any(member.method == DEFLATED for member in self._members.values()):
            return []
        about = map(self._described, self._members)
        headers = [
            self._zip.span(member, self._zip.place(member) + skipped)
            for member, _, skipped, _ in about
        ]
        at_start = headers[0].begin == 0  # else it begins with what is not looked at here
        return [self._zip.directory(), *headers] if at_start else []

    def close(self) -> None:
        """Close the file; what is mapped is unmapped with its last use."""
        self._last = None
        self._zip.close()

    def _described(self, name: str) -> Described:
        """Return what is known of a member; that of the last one is kept."""
        if self._known is None or self._known.info.dataset != name:
            self._known = _described(self._zip, name, self._members[name])
        return self._known


def placed_in_npz(ends: Ends, dataset: str) -> tuple[str, Place] | None:
    """Return the name of a packed array that is alone in its file, and where it lies.

    None if that takes a closer look, as `Npz` does.
    """
    with suppress(SourceError, ValueError):
        file = ZipFile(Path(), ends)
        (member,) = file.members.values()
        name = member.name.removesuffix(ENDING)
        if member.method == DEFLATED and name != member.name and dataset in {"", name}:
            place = _place(file, _described(file, name, member))
            return place and (name, place)
    return None


def _place(file: ZipFile, described: Described) -> Place | None:
    """Return where an array lies; None if it is packed and large."""
    member, header, skipped, _ = described
    begin, (shape, fortran, dtype) = file.place(member), header
    if member.method != DEFLATED:
        return Place(begin + skipped, shape, dtype, fortran)
    packed = Deflated(member.stored, member.size, member.checksum, skipped)
    return Place(begin, shape, dtype, fortran, packed) if is_small(header.nbytes) else None


def _described(file: ZipFile, name: str, member: Member) -> Described:
    """Return what is known of a member, which is read up to its values."""
    where, packed = f"{file.path}::{name}", member.method == DEFLATED
    begin = file.place(member)
    if packed:
        require_plausible(member, where)
        unpacked = Inflating(file.stream, begin, member, HEADER_BYTES)
        stream = cast(BinaryIO, io.BufferedReader(unpacked, HEADER_BYTES))
    else:
        stream = file.stream
        stream.seek(begin)
    header = read_header(stream, where)
    skipped = stream.tell() - (0 if packed else begin)
    if member.size - skipped != header.nbytes:
        raise SourceError(
            f"{where} must have the {skipped + header.nbytes} bytes that its header promises, "
            f"it has {member.size}"
        )
    whole = packed and 0 not in header.shape
    info = ArrayInfo(
        dataset=name,
        shape=header.shape,
        dtype=header.dtype,
        chunks=header.shape if whole else None,
        compression="deflate" if packed else None,
    )
    return Described(member, header, skipped, info)


class SpooledSource(FlatSource):
    """An array that is unpacked to a temporary file, and mapped from there."""

    @property
    def mapped(self) -> bool:
        """Whether reading copies nothing into memory of its own."""
        return True

    @property
    def spooled_bytes(self) -> int:
        """The size of the temporary file."""
        return self.dtype.itemsize * math.prod(self.shape)
