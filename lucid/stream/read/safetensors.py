"""The safetensors format: a JSON header, held against the file, and values that are mapped."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from lucid.errors import SourceError
from lucid.stream.read.bfloat16 import BFLOAT16, Widened, place_of_halves
from lucid.stream.read.flat import Flat, FlatSource
from lucid.stream.read.npy import FileValues, Header
from lucid.stream.read.place import Place, Span
from lucid.stream.read.pread import pread, size_of
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.words import WORDS, Said

LENGTH_BYTES = 8
MOST_HEADER_BYTES = 32 << 20
IMPLAUSIBLE_BYTES = 1 << 40  # of a header: text begins with larger numbers
MOST_AXES = 32
METADATA = "__metadata__"
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


class Tensor(NamedTuple):
    """What the header says about an array."""

    kind: str
    shape: tuple[int, ...]
    begin: int  # in the values of the file
    end: int


class Safetensors(Flat):
    """A safetensors file, open."""

    kind = "safetensors"

    def __init__(self, path: Path, trust: bool) -> None:
        super().__init__(path)
        self._stream = path.open("rb")
        self._values = FileValues(self._stream, str(path))
        try:
            found = read_header(self._stream, str(path))
            self._tensors, self._metadata, self._begin = found
        except BaseException:
            self.close()
            raise

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format."""
        begins = start[LENGTH_BYTES:].startswith(b"{")
        plausible = int.from_bytes(start[:LENGTH_BYTES], "little") < IMPLAUSIBLE_BYTES
        return (begins and plausible) or (bool(start) and path.suffix == ".safetensors")

    def names(self) -> Collection[str]:
        """Return the keys."""
        return self._tensors

    def info(self, name: str) -> ArrayInfo:
        """Return what the file says about an array; raise if its values are not read."""
        kind, shape, *_ = self._tensors[name]
        if kind not in DTYPES:
            raise SourceError(f"{self._path}::{name} holds values of {kind}, which are not read")
        is_half = kind == "BF16"
        dtype = np.dtype(np.float32 if is_half else DTYPES[kind])
        return ArrayInfo(name, shape, dtype, stored_as=BFLOAT16 if is_half else "")

    def source(self, name: str) -> Source:
        """Return an array, mapped."""
        info, (kind, shape, begin, _) = self.info(name), self._tensors[name]
        header = Header(shape, False, np.dtype(DTYPES[kind]))
        array: Any = self._values.array(header, self._begin + begin)
        return FlatSource(self._path, info, Widened(array) if info.stored_as else array, self)

    def place(self, name: str) -> Place | None:
        """Return where an array lies; None if it is large and of bfloat16."""
        kind, shape, begin, _ = self._tensors[name]
        place = place_of_halves if self.info(name).stored_as else Place
        return place(self._begin + begin, shape, np.dtype(DTYPES[kind]))

    def spans(self, name: str, stem: bytes) -> list[Span]:
        """Return the header."""
        return [Span(0, pread(self._stream, self._begin, 0))]

    @cached_property
    def said(self) -> Said:
        """What the metadata and small arrays say that are called by a word."""
        there = {word: self._metadata[word] for word in WORDS if word in self._metadata}
        return {**super().said, **{word: _number(text) for word, text in there.items()}}

    def close(self) -> None:
        """Close the file; what is mapped is unmapped with its last use."""
        self._last = None
        self._stream.close()


def read_header(stream: BinaryIO, name: str) -> tuple[dict[str, Tensor], dict[str, str], int]:
    """Return what a header says, its metadata, and where the values begin.

    Raises
    ------
    SourceError
        If it is damaged, or contradicts itself or the size of the file.
    """
    try:
        return _read(stream)
    except (ValueError, RecursionError) as error:
        fact = (str(error) or type(error).__name__).partition("\n")[0]
        raise SourceError(f"{name} has no valid safetensors header: {fact}") from error


def _read(stream: BinaryIO) -> tuple[dict[str, Tensor], dict[str, str], int]:
    """Return what a header says, and where the values begin; raise a ValueError if it lies."""
    held = size_of(stream)
    length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
    begin = LENGTH_BYTES + length
    if begin > held:
        raise ValueError(f"it would be {length} bytes long, the file has {held}")
    if length > MOST_HEADER_BYTES:
        raise ValueError(f"it is {length} bytes long, more than {MOST_HEADER_BYTES}")
    header = json.loads(stream.read(length).decode(), object_pairs_hook=_unique)
    if type(header) is not dict:
        raise ValueError("it is no object")
    metadata = header.pop(METADATA, {})
    if not all(type(text) is str for text in (metadata if type(metadata) is dict else [0])):
        raise ValueError("its metadata are no texts")
    tensors = {name: _tensor(name, entry) for name, entry in header.items()}
    _require_gapless(tensors, held - begin)
    return tensors, metadata, begin


def _number(text: str) -> Any:
    """Return the numbers that a text is in JSON, or else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; raise if it has a key twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _tensor(name: str, entry: Any) -> Tensor:
    """Return what an entry says, if it is one."""
    if type(entry) is not dict or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r} must have dtype, shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    lists = type(kind) is str and type(shape) is list and type(offsets) is list
    if not lists or any(type(each) is not int or each < 0 for each in (*shape, *offsets)):
        raise ValueError(f"{name!r} has a shape or offsets that are no whole numbers")
    if len(offsets) != 2 or len(shape) > MOST_AXES:
        raise ValueError(f"{name!r} has {len(shape)} axes and {len(offsets)} offsets")
    begin, end = offsets
    if kind in DTYPES and end - begin != math.prod(shape) * np.dtype(DTYPES[kind]).itemsize:
        raise ValueError(f"{name!r} has {end - begin} bytes for values {tuple(shape)} of {kind}")
    return Tensor(kind, tuple(shape), begin, end)


def _require_gapless(tensors: dict[str, Tensor], held: int) -> None:
    """Raise unless arrays follow each other from the first byte of the values to the last."""
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if tensor.begin != at or tensor.end < at:
            raise ValueError(f"{name!r} begins at byte {tensor.begin}, what is before ends at {at}")
        at = tensor.end
    if at != held:
        raise ValueError(f"its arrays have {at} bytes, the file has {held} for them")
