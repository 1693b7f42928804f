"""Files that are laid out like one before: their arrays lie where its array does.

Of many files most are alike but for their values and what depends on them, such as checksums. What
a closer look at one found out is true of another of its size that has the same bytes wherever that
look had to read.
"""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lucid.stream.read.arrays import open_container
from lucid.stream.read.npy import place_in_npy
from lucid.stream.read.place import Ends, Place, Span
from lucid.stream.read.placed import PlacedSource
from lucid.stream.read.source import Source
from lucid.stream.read.url import as_path
from lucid.stream.read.words import NOTHING

PACKED, ZIP_METHOD = b"\x08\0", 8  # and where it stands in zip files


@runtime_checkable
class Legible(Protocol):
    """A container that knows which of its bytes say where an array lies."""

    locked: bool  # whether programs lock such a file while they write it

    def spans(self, name: str, stem: bytes) -> list[Span]:
        """Return all that was read to know where an array lies, none if that is not known."""


class Alike:
    """What was found out about the last file, to be held against the next one."""

    def __init__(self, trust: bool) -> None:
        self._trust = trust
        self._last: tuple[str, int, str] | None = None  # that took a closer look
        self._in_a_row = 0
        self._layout: Layout | None = None

    def placed(self, path: str, dataset: str, ends: Ends) -> PlacedSource | None:
        """Return the array of a file, None if that takes a closer look."""
        if not dataset and (place := place_in_npy(ends.start, ends.size)) is not None:
            return PlacedSource(path, place)
        if ends.start.startswith(PACKED, ZIP_METHOD) and ends.start.startswith(b"PK"):
            return _packed(path, dataset, ends)
        layout = self._layout
        if layout is None or self._last != _about(path, dataset, ends):
            return None
        where = f"{path}::{layout.name}" if layout.name else path
        return PlacedSource(where, layout.place, path) if layout.fits(path, ends) else None

    def learn(self, path: str, dataset: str, ends: Ends, source: Source) -> None:
        """Note what a closer look found, if that is the second at such a file."""
        before, self._last = self._last, _about(path, dataset, ends)
        if self._last != before:
            self._layout, self._in_a_row = None, 0
        self._in_a_row += 1
        if self._in_a_row == 2 and isinstance(source, PlacedSource) and ends.end:
            self._layout = _layout_of(path, source, self._trust)


class Layout:
    """Which bytes of a file say where its array lies.

    Parameters
    ----------
    name : str
        Of the array.
    place : Place
        Where it lies.
    spans : sequence of Span
        The bytes.
    stem : bytes
        What the file is called, which may stand in them.
    locked : bool
        Whether one that is being written is locked, and takes a closer look.
    """

    def __init__(
        self, name: str, place: Place, spans: Sequence[Span], stem: bytes, locked: bool
    ) -> None:
        self.name, self.place, self._locked = name, place, locked
        self._spans = [(one.begin, one.end, *_fixed(one, len(stem))) for one in spans]
        self._stems = [at for one in spans for at in one.stems]
        self._stem_length = len(stem)

    def fits(self, path: str, ends: Ends) -> bool:
        """Return whether another file has the same bytes."""
        for begin, end, mask, value in self._spans:
            if int.from_bytes(ends.between(begin, end), "big") & mask != value:
                return False
        if self._stems and not self._is_called_alike(_stem(path), ends):
            return False
        return not (self._locked and _is_locked(path))

    def _is_called_alike(self, stem: bytes, ends: Ends) -> bool:
        return len(stem) == self._stem_length and all(
            ends.between(at, at + len(stem)) == stem for at in self._stems
        )


def _packed(path: str, dataset: str, ends: Ends) -> PlacedSource | None:
    """Return the only array of a .npz file if it is packed; what it is stands in its header."""
    from lucid.stream.read.npz import placed_in_npz

    found = placed_in_npz(ends, dataset)
    return PlacedSource(f"{path}::{found[0]}", found[1], path) if found else None


def _about(path: str, dataset: str, ends: Ends) -> tuple[str, int, str]:
    """Return what files must have in common before their bytes are compared."""
    return dataset, ends.size, path[path.rfind(".") :]


def _layout_of(path: str, source: PlacedSource, trust: bool) -> Layout | None:
    """Return which bytes of a file say where an array lies, None if that is not known."""
    container, name = open_container(as_path(path), trust), source.name[len(path) + 2 :]
    try:
        if not isinstance(container, Legible) or source.said() != NOTHING:
            return None
        stem, again = _stem(path), container.look(name)
        spans = container.spans(name, stem)
        if not spans or again is None or again.place != source.place:
            return None
        return Layout(name, source.place, spans, stem, container.locked)
    finally:
        container.close()


def _is_locked(path: str) -> bool:
    """Return whether a program writes a file, as far as locks tell."""
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _fixed(span: Span, stem: int) -> tuple[int, int]:
    """Return a mask for the bytes that must be the same, and what they are."""
    free = [*span.free, *((at, at + stem) for at in span.stems)]
    mask = bytearray(b"\xff" * len(span.data))
    for begin, end in free:
        mask[begin - span.begin : end - span.begin] = bytes(end - begin)
    bits = int.from_bytes(mask, "big")
    return bits, int.from_bytes(span.data, "big") & bits


def _stem(path: str) -> bytes:
    """Return the name of a file without folder and ending."""
    name = path[path.rfind("/") + 1 :]
    return name.rpartition(".")[0].encode("utf-8", "surrogateescape")
