"""Zip files that may come from anywhere: their directory, held against the file, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from struct import Struct
from struct import error as StructError  # noqa: N812 - as all errors are called
from typing import BinaryIO, NamedTuple, cast

from lucid.errors import SourceError
from lucid.stream.read.place import Ends, Span
from lucid.stream.read.pread import pread, size_of

STARTS = b"PK\x03\x04", b"PK\x05\x06"  # of files with members, and without
STORED, DEFLATED = 0, 8  # methods
END, END_MARK = Struct("<4s4H2LH"), b"PK\x05\x06"
LOCATOR, LOCATOR_MARK = Struct("<4sLQL"), b"PK\x06\x07"
END64, END64_MARK = Struct("<4sQ2H2L4Q"), b"PK\x06\x06"
ENTRY, ENTRY_MARK = Struct("<4s6H3L5H2L"), b"PK\x01\x02"
LOCAL, LOCAL_MARK = Struct("<4s5H3L2H"), b"PK\x03\x04"
VARIES, LOCAL_VARIES = (12, 20), (10, 18)  # in entries and headers: the time and the checksum
IN_EXTRA = 0xFFFFFFFF  # what stands where a number is too large, and is among the extra fields
ENCRYPTED, UTF8 = 1, 1 << 11  # flags
COMMON_TAIL = 256  # bytes in which files without a comment have their end
MOST_COMMENT = (1 << 16) - 1
MOST_DIRECTORY_BYTES = 64 << 20
ESCAPES = re.compile(r"^[/\\]|^[A-Za-z]:|\0|(^|[/\\])\.\.([/\\]|$)")


class Member(NamedTuple):
    """What the directory says about a member."""

    name: str
    begin: int  # of its header, which stands before its bytes
    until: int  # where what comes next begins
    stored: int  # bytes in the file
    size: int  # bytes when unpacked
    method: int
    encrypted: bool
    checksum: int
    entry: int  # in the directory


class ZipFile:
    """A zip file, open; or what is known of one."""

    def __init__(self, path: Path, known: Ends | None = None) -> None:
        self.path = path
        self.stream = path.open("rb") if known is None else cast(BinaryIO, known)
        try:
            self.members = {member.name: member for member in _directory(self.stream, path)}
        except (StructError, ValueError) as error:
            self.close()
            raise SourceError(f"{path} is a damaged zip file: {error}") from error
        except BaseException:
            self.close()
            raise

    def place(self, member: Member) -> int:
        """Return where the bytes of a member begin.

        Raises
        ------
        SourceError
            If it is encrypted or packed in a rare way, or the file contradicts its directory.
        """
        where = f"{self.path}::{member.name}"
        if member.encrypted:
            raise SourceError(f"{where} is encrypted")
        if member.method not in {STORED, DEFLATED}:
            raise SourceError(f"{where} is packed by method {member.method}; save it deflated")
        start = pread(self.stream, LOCAL.size, member.begin)
        try:
            mark, _, _, method, *_, name, extra = LOCAL.unpack(start)
        except StructError as error:
            raise SourceError(f"{where} is cut off: {error}") from error
        begin: int = member.begin + LOCAL.size + name + extra
        if mark != LOCAL_MARK or method != member.method or begin + member.stored > member.until:
            raise SourceError(f"{where} is not where the directory of the zip file says")
        return begin

    def span(self, member: Member, until: int, stem: bytes = b"") -> Span:
        """Return the bytes of a member up to a position, with its header."""
        begin = member.begin
        names = (begin + LOCAL.size,) if stem and member.name.encode().startswith(stem) else ()
        data = pread(self.stream, until - begin, begin)
        return Span(begin, data, ((begin + LOCAL_VARIES[0], begin + LOCAL_VARIES[1]),), names)

    def directory(self, stem: bytes = b"") -> Span:
        """Return the bytes from the directory on."""
        begin, *_ = directory_of(self.stream)
        entries = [begin + one.entry for one in self.members.values()]
        own = [one.name.encode().startswith(stem) for one in self.members.values()]
        names = tuple(at + ENTRY.size for at, is_own in zip(entries, own, strict=True) if is_own)
        free = tuple((at + VARIES[0], at + VARIES[1]) for at in entries)
        data = pread(self.stream, size_of(self.stream) - begin, begin)
        return Span(begin, data, free, names if stem else ())

    def read(self, member: Member, most: int) -> bytes:
        """Return the bytes of a small member that is not packed."""
        if member.method != STORED or not member.size == member.stored <= most:
            raise SourceError(f"{self.path}::{member.name} is packed, or longer than {most} bytes")
        return pread(self.stream, member.size, self.place(member))

    def close(self) -> None:
        """Close the file; what is mapped of it stays."""
        self.stream.close()


def _directory(stream: BinaryIO, path: Path) -> list[Member]:
    """Return the members in the order of their places; raise a ValueError if they cannot be."""
    begin, size, count = directory_of(stream)
    if size > MOST_DIRECTORY_BYTES or count * ENTRY.size > size:
        raise ValueError(f"its directory would have {count} members in {size} bytes")
    directory, at, members = pread(stream, size, begin), 0, []
    for _ in range(count):
        member, at = _entry(directory, at)
        members.append(member)
    members.sort(key=lambda member: member.begin)
    if len({member.name for member in members}) < len(members):
        raise ValueError("two members have the same name")
    if outside := [member.name for member in members if ESCAPES.search(member.name)]:
        raise ValueError(f"a member is called {outside[0]!r}, which leads out of it")
    edges = [*(member.begin for member in members), begin]
    members = [m._replace(until=end) for m, (_, end) in zip(members, pairwise(edges), strict=True)]
    for member in members:
        if member.begin + LOCAL.size + member.stored > member.until:
            raise ValueError(f"{member.name!r} overlaps what comes after it")
        if member.method == STORED and member.size != member.stored and not member.encrypted:
            raise ValueError(f"{member.name!r} has two sizes, though it is not packed")
    return members


def directory_of(stream: BinaryIO) -> tuple[int, int, int]:
    """Return where the directory is, its size, and how many members it has."""
    length = size_of(stream)
    for reach in (COMMON_TAIL, END.size + MOST_COMMENT):
        start = max(length - reach, 0)
        tail = pread(stream, length - start, start)
        if (at := tail.rfind(END_MARK)) >= 0:
            break
    else:
        raise ValueError("it has no directory; is it cut off?")
    *_, count, size, begin, _ = END.unpack_from(tail, at)
    end = start + at
    if at >= LOCATOR.size and tail.startswith(LOCATOR_MARK, at - LOCATOR.size):
        _, _, end, _ = LOCATOR.unpack_from(tail, at - LOCATOR.size)
        found = pread(stream, END64.size, min(end, length))
        mark, *_, count, size, begin = END64.unpack(found)
        if mark != END64_MARK:
            raise ValueError("its zip64 directory is not where it should be")
    if begin + size != end:
        raise ValueError("its directory does not end where it should")
    return begin, size, count


def _entry(directory: bytes, at: int) -> tuple[Member, int]:
    """Return what an entry of the directory says, and where the next one begins."""
    mark, _, _, flags, method, _, _, checksum, *numbers = ENTRY.unpack_from(directory, at)
    stored, size, name, extra, comment, _, _, _, begin = numbers
    if mark != ENTRY_MARK:
        raise ValueError("its directory has other things than entries")
    entry, at = at, at + ENTRY.size
    text = directory[at : at + name].decode("utf-8" if flags & UTF8 else "cp437")
    wide = _wide(directory[at + name : at + name + extra])
    size, stored, begin = (
        next(wide, value) if value == IN_EXTRA else value for value in (size, stored, begin)
    )
    is_encrypted = bool(flags & ENCRYPTED)
    member = Member(text, begin, 0, stored, size, method, is_encrypted, checksum, entry)
    return member, at + name + extra + comment


def _wide(extra: bytes) -> Iterator[int]:
    """Yield the numbers of eight bytes that stand among the extra fields of an entry."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = Struct("<2H").unpack_from(extra, at)
        if kind == 1:
            for place in range(at + 4, at + 4 + length - 7, 8):
                yield Struct("<Q").unpack_from(extra, place)[0]
        at += 4 + length
