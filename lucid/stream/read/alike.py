"""Files that are laid out like one before: their arrays lie where its array does.

Of many files most are alike but for their values and what depends on them, such as checksums. What
a closer look at one found out is true of another of its size that has the same bytes wherever that
look had to read.
"""

from __future__ import annotations

from collections.abc import Sequence

from lucid.stream.read.arrays import open_container
from lucid.stream.read.flat import Flat
from lucid.stream.read.npy import place_in_npy
from lucid.stream.read.place import Ends, Place, Span
from lucid.stream.read.placed import PlacedSource
from lucid.stream.read.source import Source
from lucid.stream.read.url import as_path


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
    """

    def __init__(self, name: str, place: Place, spans: Sequence[Span], stem: bytes) -> None:
        self.name, self.place = name, place
        self._spans = [(one.begin, one.end, *_fixed(one, len(stem))) for one in spans]
        self._stems = [at for one in spans for at in one.stems]
        self._stem_length = len(stem)

    def fits(self, path: str, ends: Ends) -> bool:
        """Return whether another file has the same bytes."""
        for begin, end, mask, value in self._spans:
            if int.from_bytes(ends.between(begin, end), "big") & mask != value:
                return False
        if not self._stems:
            return True
        stem = _stem(path)
        return len(stem) == self._stem_length and all(
            ends.between(at, at + len(stem)) == stem for at in self._stems
        )


def _about(path: str, dataset: str, ends: Ends) -> tuple[str, int, str]:
    """Return what files must have in common before their bytes are compared."""
    return dataset, ends.size, path[path.rfind(".") :]


def _layout_of(path: str, source: PlacedSource, trust: bool) -> Layout | None:
    """Return which bytes of a file say where an array lies, None if that is not known."""
    container, name = open_container(as_path(path), trust), source.name[len(path) + 2 :]
    try:
        if not isinstance(container, Flat) or container.said:
            return None
        stem = _stem(path)
        spans = container.spans(name, stem)
        is_same = container.place(name) == source.place
        return Layout(name, source.place, spans, stem) if spans and is_same else None
    finally:
        container.close()


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
