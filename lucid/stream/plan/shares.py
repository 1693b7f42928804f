"""How a run is shared out among shards, which agree on that without a word.

Where RoIs are in the order of their images, as a sample of them tells, a share is a run of rows,
and nobody else's rows are read for it. Otherwise it is a range of images, as many RoIs for each
shard as there can be; that takes a reading of the whole table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lucid.stream.plan.coverage import Coverage
from lucid.stream.plan.survey import Survey, survey
from lucid.stream.read.rois import RoiSource
from lucid.stream.row_set import RowSet

Shard = tuple[int, int]  # number, from 1, and how many there are

SAMPLES, SAMPLE_ROWS = 64, 256  # runs of rows that stand for a table


def survey_of_shard(
    shard: Shard, source: RoiSource, done: RowSet, coverage: Coverage, step: int
) -> Survey:
    """Read what tells which RoIs a shard has, and return what they are.

    Runs of rows begin at multiples of `step` if there are enough of them.
    """
    rows = _rows_of(shard, source, step)
    found = survey(source, done, coverage, among=rows)
    if rows is None:
        _leave_to_others(found, shard)
    return found


def _rows_of(shard: Shard, source: RoiSource, step: int) -> range | None:
    """Return the rows of a shard, None if RoIs are not in the order of their images."""
    if not _is_in_order(source):
        return None
    step = step if step * shard[1] <= source.rois else 1
    begin, end = (source.rois * part // shard[1] // step * step for part in _ends(shard))
    return range(begin, source.rois if shard[0] == shard[1] else end)


def _leave_to_others(survey: Survey, shard: Shard) -> None:
    """Have a survey of the whole table speak of the images of a shard alone."""
    images = range(*_ends_of_images(shard, survey.valid))
    counts = np.zeros_like(survey.counts)
    counts[images.start : images.stop] = survey.counts[images.start : images.stop]
    survey.elsewhere = int(survey.counts.sum() - counts.sum())
    survey.counts, survey.images = counts, images
    survey.slices = [
        part._replace(
            first_image=max(part.first_image, images.start),
            last_image=min(part.last_image, images.stop - 1),
        )
        for part in survey.slices
        if part.first_image < images.stop and part.last_image >= images.start
    ]


def _is_in_order(source: RoiSource) -> bool:
    """Return whether the RoIs of a sample are in the order of their images."""
    starts = np.linspace(0, max(source.rois - SAMPLE_ROWS, 0), SAMPLES).astype(np.int64)
    latest = 0
    for start in np.unique(starts).tolist():
        _, table, _ = source.examined(start, min(start + SAMPLE_ROWS, source.rois))
        index = table.batch_index[table.valid]
        if (np.diff(index, prepend=latest) < 0).any():
            return False
        latest = index[-1] if len(index) else latest
    return True


def _ends(shard: Shard) -> Sequence[int]:
    return shard[0] - 1, shard[0]


def _ends_of_images(shard: Shard, valid: NDArray[np.int64]) -> tuple[int, int]:
    """Return the first image of a shard, and that of the next one."""
    until = np.cumsum(valid)
    total = int(until[-1]) if len(until) else 0
    begin, end = (
        int(np.searchsorted(until, total * part / shard[1], side="right")) for part in _ends(shard)
    )
    return (0 if shard[0] == 1 else begin), (len(valid) if shard[0] == shard[1] else end)
