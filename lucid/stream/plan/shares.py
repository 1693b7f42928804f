"""How a run is shared out among shards, which agree on that without a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lucid.stream.plan.survey import Share, Survey, pending
from lucid.stream.read.rois import RoiSource

Shard = tuple[int, int]  # number, from 1, and how many there are


def share_of(shard: Shard, survey: Survey, step: int) -> Share:
    """Return the share of a shard, which depends on nothing but the inputs.

    Where RoIs are in the order of their images it is a run of rows, whose ends are multiples of
    `step` if there are enough of them; or else that of whole images.
    """
    rois, images = survey.done.total, len(survey.valid)
    if survey.out_of_order is None:
        step = step if step * shard[1] <= rois else 1
        begin, end = (rois * part // shard[1] // step * step for part in _ends(shard))
        end = rois if shard[0] == shard[1] else end
        return Share(range(begin, end), range(images))
    return Share(range(rois), range(*_ends_of_images(shard, survey.valid)))


def leave_to_others(source: RoiSource, survey: Survey, share: Share) -> None:
    """Have a survey count what is of a share alone."""
    slices, survey.slices, survey.share = survey.slices, [], share
    before = int(survey.counts.sum())
    survey.counts[:] = 0
    for part in slices:
        survey.count(part.start, pending(source, survey, part))
    survey.elsewhere = before - int(survey.counts.sum())


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
