"""Zip files of stored members, whose bytes may be written later: the same bytes each time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from struct import Struct
from typing import BinaryIO, NamedTuple

from lucid.stream.read.zip_file import (
    END,
    END64,
    END64_MARK,
    END_MARK,
    ENTRY,
    ENTRY_MARK,
    IN_EXTRA,
    LOCAL,
    LOCAL_MARK,
    LOCATOR,
    LOCATOR_MARK,
)

ALIGNMENT = 64  # of members that are mapped
WIDE_FIELD, PADDING_FIELD = 1, 0xD935  # extra fields
FIELD = Struct("<2H")  # kind and length of one
VERSION, WIDE_VERSION = 20, 45  # of the format, without and with numbers of eight bytes
TIME, DATE = 0, (1 << 5) | 1  # the first that a zip file can note: 1980-01-01
IN_END, IN_END64 = 0xFFFF, 0xFFFFFFFF  # numbers that are too large for their field
LOCAL_CHECKSUM, ENTRY_CHECKSUM = 14, 16  # places in headers


class Entry(NamedTuple):
    """A member that was written."""

    name: bytes
    begin: int
    size: int
    checksum: int


def write_member(
    stream: BinaryIO, name: str, size: int, parts: Iterable[bytes], aligned: bool = False
) -> Entry:
    """Write a member; bytes that no part has are zeros, if more is written behind them."""
    begin = stream.tell()
    extra = _wide(*[size, size] * (size >= IN_EXTRA))
    if aligned:
        gap = -(begin + LOCAL.size + len(name) + len(extra) + FIELD.size) % ALIGNMENT
        extra += FIELD.pack(PADDING_FIELD, gap) + bytes(gap)
    at = begin + LOCAL.size + len(name) + len(extra)
    stream.seek(at)
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
        stream.write(part)
    stream.seek(begin)
    short = min(size, IN_EXTRA)
    about = (_version(size), 0, 0, TIME, DATE, checksum, short, short, len(name), len(extra))
    stream.write(LOCAL.pack(LOCAL_MARK, *about) + name.encode() + extra)
    stream.seek(at + size)
    return Entry(name.encode(), begin, size, checksum)


def write_directory(stream: BinaryIO, entries: list[Entry]) -> None:
    """Write what a zip file ends with; the first entry stands first."""
    begin = stream.tell()
    for name, at, size, checksum in entries:
        large = [size, size] * (size >= IN_EXTRA) + [at] * (at >= IN_EXTRA)
        extra, short = _wide(*large), min(size, IN_EXTRA)
        version = _version(max(size, at))
        about = (version, version, 0, 0, TIME, DATE, checksum, short, short, len(name), len(extra))
        stream.write(ENTRY.pack(ENTRY_MARK, *about, 0, 0, 0, 0, min(at, IN_EXTRA)) + name + extra)
    end, count = stream.tell(), len(entries)
    if end >= IN_END64:
        wide = (END64.size - 12, WIDE_VERSION, WIDE_VERSION, 0, 0, count, count)
        stream.write(END64.pack(END64_MARK, *wide, end - begin, begin))
        stream.write(LOCATOR.pack(LOCATOR_MARK, 0, end, 1))
    sizes = min(end - begin, IN_END64), min(begin, IN_END64)
    stream.write(END.pack(END_MARK, 0, 0, count, count, *sizes, 0))


def _wide(*numbers: int) -> bytes:
    """Return the extra field of numbers of eight bytes."""
    if not numbers:
        return b""
    return FIELD.pack(WIDE_FIELD, 8 * len(numbers)) + b"".join(
        n.to_bytes(8, "little") for n in numbers
    )


def _version(largest: int) -> int:
    return WIDE_VERSION if largest >= IN_EXTRA else VERSION
