"""Crops in a .npz file, with what stands beside them; attributes.json says the job.

A zip file has a checksum of each member. That of the crops is put in when all rows are there.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lucid.stream.read.npy import read_header
from lucid.stream.read.zip_file import Member, ZipFile, directory_of
from lucid.stream.write import disk
from lucid.stream.write.companions import Companion
from lucid.stream.write.layout import DATASET, OneFile
from lucid.stream.write.npy import write_npy_header
from lucid.stream.write.zip_writer import (
    ENTRY_CHECKSUM,
    LOCAL_CHECKSUM,
    write_directory,
    write_member,
)

CROPS, JOB = f"{DATASET}.npy", "attributes.json"
PIECE_BYTES = 1 << 20
MOST_JOB_BYTES = 1 << 20


class Npz(OneFile):
    """A .npz file of stored members, the crops last, and first in the directory."""

    has_companions: ClassVar[bool] = True

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""
        layout, job = self.layout, json.dumps(self.layout.attributes, default=_plain).encode()
        head = _npy_header(layout.shape, layout.dtype)
        with path.open("xb") as stream:
            beside = []
            for one in layout.companions or ():
                size = len(_npy_header(one.shape, one.dtype)) + one.nbytes
                beside.append(write_member(stream, f"{one.name}.npy", size, _parts(one)))
            beside.append(write_member(stream, JOB, len(job), [job]))
            size = len(head) + layout.nbytes
            crops = write_member(stream, CROPS, size, [head], aligned=True)
            write_directory(stream, [crops, *beside])

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        file = ZipFile(path)
        try:
            member = file.members[CROPS]
            return file.place(member) + member.size - self.layout.nbytes
        finally:
            file.close()

    def publish(self, part: Path) -> None:
        """Put the checksum of the crops in, and give the file its name."""
        file = ZipFile(part)
        try:
            member = file.members[CROPS]
            checksum = _checksum(file, member).to_bytes(4, "little")
            directory, *_ = directory_of(file.stream)
        finally:
            file.close()
        with part.open("r+b") as stream:
            for place in (member.begin + LOCAL_CHECKSUM, directory + ENTRY_CHECKSUM):
                stream.seek(place)
                stream.write(checksum)
        disk.sync_file(part)
        super().publish(part)

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job."""
        return said_by(self.layout.path)


def said_by(path: Path) -> dict[str, Any] | None:
    """Return what a file says about a job, None if it is none of ours."""
    file = ZipFile(path)
    try:
        said: dict[str, Any] = json.loads(file.read(file.members[JOB], MOST_JOB_BYTES))
        file.stream.seek(file.place(file.members[CROPS]))
        header = read_header(file.stream, str(path))
    finally:
        file.close()
    said |= {"shape": list(header.shape), "dtype": header.dtype.name}
    return said if {"features", "rois", "lucid_version"} <= set(said) else None


def damaged(path: Path, without: Collection[str] = ()) -> Iterator[str]:
    """Yield the members, but for some arrays, whose checksums do not fit."""
    file = ZipFile(path)
    try:
        for name, member in file.members.items():
            if (
                name.removesuffix(".npy") not in without
                and _checksum(file, member) != member.checksum
            ):
                yield name
    finally:
        file.close()


def _checksum(file: ZipFile, member: Member) -> int:
    """Return the checksum of a stored member."""
    begin, checksum = file.place(member), 0
    for at in range(0, member.size, PIECE_BYTES):
        count = min(PIECE_BYTES, member.size - at)
        checksum = zlib.crc32(os.pread(file.stream.fileno(), count, begin + at), checksum)
    return checksum


def _parts(one: Companion) -> Iterator[bytes]:
    """Yield the bytes of an array as a .npy file has them."""
    yield _npy_header(one.shape, one.dtype)
    yield from (part.tobytes() for part in one.parts())


def _npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    stream = io.BytesIO()
    write_npy_header(stream, shape, dtype)
    return stream.getvalue()


def _plain(value: Any) -> Any:
    """Return what NumPy has as what JSON has."""
    return value.tolist()
