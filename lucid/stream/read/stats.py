"""What values an array has, from a sample of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lucid.stream.read.source import Source
from lucid.stream.types import Array

BLOCKS, SAMPLE_BYTES = 64, 64 << 20  # that are read of an array at most


class Stats(NamedTuple):
    """Values of a sample; a number is None where there is no finite value."""

    values: int  # that were looked at
    is_sample: bool  # whether there are more
    low: float | None
    high: float | None
    mean: float | None
    zeros: float  # the share of values that are 0
    not_finite: float  # and of those that are NaN or infinite


def stats_of(source: Source) -> Stats | None:
    """Return what values an array of real numbers has, None of anything else.

    Of a large one, up to 64 blocks are read that are spread evenly over its first axis.
    """
    if source.dtype.kind not in "biuf" or 0 in source.shape:
        return None
    count = zeros = finite = 0
    low, high, total = np.inf, -np.inf, 0.0
    for block in _blocks(source):
        values = block[np.isfinite(block)].astype(np.float64)
        count, zeros, finite = count + block.size, zeros + (block == 0).sum(), finite + values.size
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            total += float(values.sum())
    return Stats(
        values=count,
        is_sample=count < math.prod(source.shape),
        low=low if finite else None,
        high=high if finite else None,
        mean=total / finite if finite else None,
        zeros=float(zeros / count),
        not_finite=float(1 - finite / count),
    )


def _blocks(source: Source) -> Iterator[Array]:
    """Yield parts of an array that are spread evenly."""
    shape = source.shape
    if not shape:
        yield np.asarray(source[()]).reshape(1)
        return
    row_bytes = math.prod(shape[1:]) * source.dtype.itemsize
    part = SAMPLE_BYTES // BLOCKS
    rows = max(part // max(row_bytes, 1), source.info.chunks[0] if source.info.chunks else 1, 1)
    blocks = min(-(-shape[0] // rows), BLOCKS, max(SAMPLE_BYTES // max(rows * row_bytes, 1), 1))
    inner: tuple[slice, ...] = ()
    if row_bytes > SAMPLE_BYTES and len(shape) > 1:  # some of the channels of a large map
        inner = (slice(max(shape[1] * SAMPLE_BYTES // row_bytes, 1)),)
    for start in np.linspace(0, max(shape[0] - rows, 0), blocks).astype(int).tolist():
        yield np.asarray(source[(slice(start, min(start + rows, shape[0])), *inner)])
