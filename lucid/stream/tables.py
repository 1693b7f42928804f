"""RoI tables in files, read piece by piece: what they hold in all, and who belongs to an image."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.table import RoiReport, RoiTable, examine
from lucid.stream.sources import Source

PIECE = 1 << 14  # rows read at once: more would not be faster
PIECE_BYTES = PIECE * 1024  # held for a piece while it is examined, and later laid out
KEPT_BYTES = 128  # held for each selected row, while the selection is put in order


class Piece(NamedTuple):
    """A run of rows of the table, and the images that its valid ones point to."""

    start: int
    stop: int
    first_image: int
    last_image: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What one reading of a table tells: enough to plan a run, whatever its length."""

    report: RoiReport
    valid: NDArray[np.int64]  # (N,) valid RoIs of each image
    counts: NDArray[np.int64]  # (N,) those that are still to be done
    pieces: list[Piece]  # that have some


class Selection(NamedTuple):
    """Some RoIs of one image."""

    image: int
    rows: NDArray[np.intp]  # their rows in the table, ascending
    boxes: NDArray[np.float64]  # (k, 4)


def survey(source: Source, images: int, done: NDArray[np.bool_]) -> Survey:
    """Read the table once and return what it holds; `done` (K,) says which rows are."""
    report, pieces = RoiReport(), []
    valid, counts = np.zeros(images, np.int64), np.zeros(images, np.int64)
    for start in range(0, source.shape[0], PIECE):
        stop = min(start + PIECE, source.shape[0])
        table, found = examine(source[start:stop], images, start)
        report.add(found)
        _count(valid, table.batch_index[table.valid])
        index = table.batch_index[table.valid & ~done[start:stop]]
        if len(index):
            _count(counts, index)
            pieces.append(Piece(start, stop, int(index.min()), int(index.max())))
    return Survey(report, valid, counts, pieces)


def _count(counts: NDArray[np.int64], index: NDArray[np.int64]) -> None:
    """Add how often each image occurs."""
    if len(index):
        first, last = int(index.min()), int(index.max())
        counts[first : last + 1] += np.bincount(index - first)


def select(
    source: Source, survey: Survey, done: NDArray[np.bool_], images: range, most: int
) -> Iterator[Selection]:
    """Yield the RoIs of a range of images that are to be done, image by image, ascending.

    The range has at most `most` RoIs, or is one image: that comes in several selections.
    """
    held: list[tuple[NDArray[np.intp], RoiTable]] = []
    for piece in survey.pieces:
        if piece.last_image < images.start or piece.first_image >= images.stop:
            continue
        table, _ = examine(source[piece.start : piece.stop], len(survey.counts))
        index = table.batch_index
        pending = table.valid & ~done[piece.start : piece.stop]
        mine = np.flatnonzero(pending & (index >= images.start) & (index < images.stop))
        if len(images) == 1 and sum(len(rows) for rows, _ in held) + len(mine) > most:
            yield from _in_order(held)
            held = []
        held.append((piece.start + mine, table[mine]))
    yield from _in_order(held)


def _in_order(held: list[tuple[NDArray[np.intp], RoiTable]]) -> Iterator[Selection]:
    """Yield the held rows image by image, no more at once than a piece has."""
    if not held:
        return
    rows = np.concatenate([rows for rows, _ in held])
    table = RoiTable.joined([table for _, table in held])
    for image, mine in table.by_image():
        for start in range(0, len(mine), PIECE):
            some = mine[start : start + PIECE]
            yield Selection(image, rows[some], table.boxes[some])
