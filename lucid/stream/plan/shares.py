"""How a run is shared out among shards, which agree on that without a word.

Where RoIs are in the order of their images, as a sample of them tells, a share is a run of rows,
and nobody else's rows are read for it. Otherwise it is a range of images, as many RoIs for each
shard as there can be. That takes a look at the image that each row names, and no more of the rows
of others; those that name none are the first shard's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lucid.stream import tuning
from lucid.stream.read.rois import RoiSource
from lucid.stream.row_set import RowSet

Shard = tuple[int, int]  # number, from 1, and how many there are

SAMPLES, SAMPLE_ROWS = 64, 256  # runs of rows that stand for a table


class Share(NamedTuple):
    """Rows of a run: those of some images among them, or all."""

    rows: range
    images: range | None = None

    @property
    def nothing(self) -> RowSet:
        """None of these rows."""
        return RowSet(len(self.rows), first=self.rows.start)


def share_of(shard: Shard, source: RoiSource, step: int) -> Share:
    """Return what a shard has.

    Runs of rows begin at multiples of `step` if there are enough of them.
    """
    rows = _rows_of(shard, source, step)
    return Share(range(source.rois), _images_of(shard, source)) if rows is None else Share(rows)


def _rows_of(shard: Shard, source: RoiSource, step: int) -> range | None:
    """Return the rows of a shard, None if RoIs are not in the order of their images."""
    if not _is_in_order(source):
        return None
    step = step if step * shard[1] <= source.rois else 1
    begin, end = (source.rois * part // shard[1] // step * step for part in _ends(shard))
    return range(begin, source.rois if shard[0] == shard[1] else end)


def _images_of(shard: Shard, source: RoiSource) -> range:
    """Return the images of a shard; -1 is among them if rows that name none are its own."""
    counts = np.zeros(source.images, np.int64)
    for start in range(0, source.rois, tuning.current.slice_rows):
        stop = min(start + tuning.current.slice_rows, source.rois)
        owners = source.owners(start, stop)
        np.add.at(counts, owners[owners >= 0], 1)
    until = np.cumsum(counts)
    begin, end = (
        int(np.searchsorted(until, counts.sum() * part / shard[1], side="right"))
        for part in _ends(shard)
    )
    return range(-1 if shard[0] == 1 else begin, len(counts) if shard[0] == shard[1] else end)


def _is_in_order(source: RoiSource) -> bool:
    """Return whether the RoIs of a sample are in the order of their images."""
    starts = np.linspace(0, max(source.rois - SAMPLE_ROWS, 0), SAMPLES).astype(np.int64)
    latest = 0
    for start in np.unique(starts).tolist():
        table = source.examined(start, min(start + SAMPLE_ROWS, source.rois)).table
        index = table.batch_index[table.valid]
        if (np.diff(index, prepend=latest) < 0).any():
            return False
        latest = index[-1] if len(index) else latest
    return True


def _ends(shard: Shard) -> Sequence[int]:
    return shard[0] - 1, shard[0]
