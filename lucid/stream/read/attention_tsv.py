"""Boxes in the tables of bottom-up attention and LXMERT: a line per image, its boxes in base64."""

from __future__ import annotations

import binascii
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lucid.errors import SourceError
from lucid.stream.read.box_rows import BoxRows, Images, KeyList, Room
from lucid.stream.read.missing import not_opened

MOST_LINE_BYTES = 64 << 20  # sixty times what 100 boxes take with their features


class Fields(NamedTuple):
    """Where a line has what."""

    image: int
    height: int
    width: int
    many: int
    boxes: int


FIELDS = {6: Fields(0, 2, 1, 3, 4), 10: Fields(0, 1, 2, 7, 8)}  # by their number; none has a header


class Line(NamedTuple):
    """What a line says of an image."""

    image: str
    size: tuple[float, float]
    boxes: bytes  # (n, 4) float32


def is_attention_tsv(path: Path) -> bool:
    """Return whether a file is such a table, by its ending and its first line."""
    if path.suffix != ".tsv":
        return False
    try:
        return next(_lines(path), None) is not None
    except SourceError:
        return False


def read_attention_tsv(path: Path, room: Room) -> BoxRows:
    """Return the boxes of all images, which are corners in pixels, and the sizes of the pictures.

    Raises
    ------
    SourceError
        If a line is not as the first.
    MemoryLimitError
        If there is not room enough.
    """
    keys, boxes, sizes = KeyList(room), array("f"), dict[str, tuple[float, float]]()
    for line in _lines(path):
        sizes[line.image] = line.size
        boxes.frombytes(line.boxes)
        for _ in range(len(line.boxes) // 16):
            keys.add(line.image)
    images = Images(
        ids=list(sizes),
        files=[""] * len(sizes),
        sizes=np.array(list(sizes.values()), np.float64).reshape(-1, 2),
    )
    rows = np.frombuffer(boxes, np.float32).reshape(-1, 4).astype(np.float64)
    return BoxRows(keys.keys(), "id", rows, "xyxy", images)


def _lines(path: Path) -> Iterator[Line]:
    """Yield what the lines of a file say."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(MOST_LINE_BYTES), b""), 1):
                try:
                    yield _line(line)
                except ValueError as error:
                    raise SourceError(f"{path}: line {number} is no image's: {error}") from None
    except OSError as error:
        raise error if isinstance(error, SourceError) else not_opened(path, error) from error


def _line(line: bytes) -> Line:
    """Return what a line says; raise a ValueError if it does not hold together."""
    fields = line.rstrip(b"\r\n").split(b"\t")
    if (at := FIELDS.get(len(fields))) is None:
        raise ValueError(f"it has {len(fields)} fields, not {' or '.join(map(str, FIELDS))}")
    boxes = binascii.a2b_base64(fields[at.boxes], strict_mode=True)
    count = int(fields[at.many])
    if len(boxes) != 16 * count:
        raise ValueError(f"its boxes have {len(boxes)} bytes, {count} boxes of float32 16 each")
    size = float(fields[at.height]), float(fields[at.width])
    return Line(fields[at.image].decode(), size, boxes)
