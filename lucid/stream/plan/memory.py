"""What a run holds in memory, and the least that it can do with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from lucid.errors import MemoryLimitError, literal
from lucid.roi.compound import engine_for
from lucid.roi.engines import WorkingBytes
from lucid.roi.engines.selection import engine_named
from lucid.stream import tuning
from lucid.stream.plan.job import Job
from lucid.stream.read.maps import Features

MOST_WITHOUT_UNIT = 65536  # that are a number of megabytes rather than of bytes


def fixed_bytes(job: Job) -> int:
    """Return what a run holds however it is cut."""
    now = tuning.current
    table = now.slice_rows * (now.slice_row_bytes + now.selected_row_bytes)
    return (
        max(now.work_bytes, _working_bytes(job, job.features.shape[2:]).weights)
        + table
        + table_bytes(job)
        + chunk_bytes(job)
    )


def table_bytes(job: Job) -> int:
    """Return what is held about all images and RoIs for as long as a run goes on."""
    # Per RoI a bit: whether it is done; and of a stream, whether it was sent.
    ranges = 16 * job.features.images  # of rows, as they are written
    return job.features.held_bytes + job.rois.held_bytes + job.rois.rois // 4 + ranges


def chunk_bytes(job: Job) -> int:
    """Return what chunks of storage take, as HDF5 and as a run hold them."""
    return 2 * (job.features.chunk_bytes + job.rois.chunk_bytes)


class Need(NamedTuple):
    """What a part of a job takes, and whose part it is."""

    nbytes: int
    whose: str


def image_needs(features: Features) -> Need:
    """Return what is held about all images."""
    whose = f"for the {features.images} images that {features.name} says it has"
    return Need(nbytes=features.held_bytes, whose=whose)


def needs(job: Job) -> list[Need]:
    """Return what inputs ask for by what they say about themselves, which need not be true."""
    maps, table = job.features, job.rois
    kept = "for chunks of {}, as it says it is stored; smaller chunks fit (HDF5: h5repack)"
    return [
        image_needs(maps),
        Need(
            nbytes=table_bytes(job) - maps.held_bytes,
            whose=f"for the {table.rois} RoIs that {table.name} says it has",
        ),
        Need(nbytes=2 * maps.chunk_bytes, whose=kept.format(maps.name)),
        Need(nbytes=2 * table.chunk_bytes, whose=kept.format(table.name)),
    ]


def require_memory(least: int, memory: int, among: Sequence[Need], jobs: int = 1) -> None:
    """Raise `MemoryLimitError` if each process of a run may hold less than it needs.

    The error names what takes the most of it, if that is the most part.
    """
    if memory < least:
        on = f" on {jobs} processes" if jobs > 1 else ""
        most = max(among)
        part = most.nbytes * jobs >> 20
        why = f"; {part}M of it {most.whose}" if part and 2 * most.nbytes > least else ""
        raise MemoryLimitError.of(
            f"{{memory}} must be at least {-(-least >> 20) * jobs}M for this job{on}, "
            f"got {_sized(memory * jobs)}{literal(why)}"
        )


def _sized(memory: int) -> str:
    """Return a size as {memory} is said; of very few bytes, what was probably meant."""
    if memory >= 1 << 20:
        return f"{memory / 2**20:.4g}M"
    hint = f"; without a unit, a number counts bytes: is {{memory:{memory}M}} meant?"
    return f"{memory} byte{'s' * (memory != 1)}" + hint * (memory <= MOST_WITHOUT_UNIT)


def region_bytes(job: Job, size: tuple[int, ...]) -> int:
    """Return what a part of a map takes: as read, as laid out to be weighted, and a RoI's work."""
    read = job.features.channels * read_bytes(job.features, math.prod(size))
    return read + _working_bytes(job, size).region


def _working_bytes(job: Job, size: tuple[int, ...]) -> WorkingBytes:
    """Return what the engine holds for a map, or a part of one, of `size` cells."""
    ask = engine_for(job.operator, engine_named(job.engine)).working_bytes
    return _remembered(ask, job.operator, job.features.channels, size, job.compute_dtype)


@lru_cache(maxsize=4096)
def _remembered(ask: Callable[..., WorkingBytes], *about: Any) -> WorkingBytes:
    """Return what an engine answers; it is asked about the same few sizes again and again."""
    return ask(*about)


def read_bytes(features: Features, cells: int) -> int:
    """Return what a channel takes as read; pages of a mapped file are the system's."""
    return 0 if features.mapped else features.cell_bytes * cells
