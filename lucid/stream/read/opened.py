"""The arrays that a run has open beside its feature maps, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lucid.stream.checks import Held, PathLike
from lucid.stream.read.arrays import open_source
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.per_image import PerImage
from lucid.stream.read.source import Check, Source
from lucid.stream.types import Array


class Opened:
    """Arrays that are open, and inputs that were read."""

    def __init__(self, *, trust: bool) -> None:
        self.inputs: list[Input] = []
        self.held_bytes = self.chunk_bytes = 0  # of what is kept, and of chunks read one at a time
        self.trust = trust
        self._sources: list[Source | PerImage] = []

    def source(self, spec: PathLike | Held, names: Sequence[str], check: Check) -> Source:
        """Open an array as `open_source` does; the first name is what an option calls it."""
        source = open_source(spec, names, check, trust=self.trust)
        self._sources.append(source)
        self.inputs.append(source.as_input(names[0]))
        return source

    def keep(self, arrays: PerImage) -> None:
        """Take care of what is open of arrays of their own for images."""
        self._sources.append(arrays)

    def rows(self, source: Source) -> Any:
        """Return what reads rows of a source, each of its chunks once."""
        self.chunk_bytes += source.chunk_bytes
        return RowsOfChunks(source) if source.chunk_bytes else source

    def note(self, role: str, path: Path, shape: tuple[int, ...], dtype: str = "text") -> None:
        """Note an input that was read as a whole."""
        self.inputs.append(Input(role, path, None, shape, dtype))

    def close(self) -> None:
        """Close what is open."""
        for source in self._sources:
            source.close()


class RowsOfChunks:
    """Rows of an array that is stored in chunks, each read once if rows are asked for in order."""

    def __init__(self, source: Source) -> None:
        self.name, self.shape, self.dtype = source.name, source.shape, source.dtype
        self._source = source
        self._step = (source.info.chunks or (1,))[0]
        self._start, self._held = 0, source[0:0]

    def __getitem__(self, rows: slice) -> Array:
        if not self._start <= rows.start <= rows.stop <= self._start + len(self._held):
            self._start = rows.start - rows.start % self._step
            stop = -(-rows.stop // self._step) * self._step
            self._held = self._source[0:0]  # never two at a time
            self._held = self._source[self._start : stop]
        return self._held[rows.start - self._start : rows.stop - self._start]
