"""From a plan to crops, batch by batch: what a process does of a run."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import numpy as np

from lucid.errors import DTypeError
from lucid.roi.compound import engine_for
from lucid.roi.engines import PlacedRois, Region
from lucid.roi.engines.selection import engine_named
from lucid.roi.memory import in_lines
from lucid.roi.reduction import mean_of_bins
from lucid.roi.threads import working_threads
from lucid.roi.workers import Workers
from lucid.stream.plan.job import Job
from lucid.stream.plan.partition import RoiBatch, batches_of
from lucid.stream.plan.plan import Plan
from lucid.stream.plan.survey import Selection
from lucid.stream.read.reader import Reader
from lucid.stream.types import Array, Done, Rows


def crops_of(
    plan: Plan, selections: Iterator[Selection]
) -> Generator[tuple[Done, Array], None, None]:
    """Yield crops of selected RoIs, and which they are; each overwrites the last but one."""
    job = plan.job
    most = min(plan.crops, job.crops_shape[0])
    reader = Reader(job.features, plan.images)
    buffers = cycle([in_lines((most, *job.crops_shape[1:]), job.dtype) for _ in range(2)])
    bins = in_lines((most, *job.bins_shape[1:]), job.compute_dtype) if job.reduce else None
    with working_threads(1) as workers:
        for batch in batches_of(plan, selections, most):
            rows, crops = batch.rows, next(buffers)
            order = np.argsort(rows)  # so that neighbours in the file are written at once
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            with _told_of_range(job):
                _pool(batch, reader, crops if bins is None else bins, place, job, workers)
                if bins is not None:
                    mean_of_bins(bins[: len(rows)], crops[: len(rows)])
            yield Done(rows[order], reader.take_holes()), crops[: len(rows)]


def _pool(
    batch: RoiBatch, reader: Reader, crops: Array, place: Rows, job: Job, workers: Workers[Any]
) -> None:
    rois = PlacedRois(
        regions=list(_regions(batch, reader)),
        geometry=batch.geometry,
        rows=place,
        dtype=job.compute_dtype,
    )
    engine_for(job.operator, engine_named(job.engine)).pool(rois, crops, workers)


def _regions(batch: RoiBatch, reader: Reader) -> Iterator[Region]:
    """Yield what the RoIs of a batch lie on."""
    if not batch.windows:
        yield from map(Region, reader.read_whole(batch.images), batch.rois)
    for image, rois, window in zip(batch.images, batch.rois, batch.windows, strict=False):
        yield Region(reader.read(image, window), rois, tuple(side.start for side in window))


@contextmanager
def _told_of_range(job: Job) -> Iterator[None]:
    """Turn a value that the dtype of crops cannot hold into an error about that."""
    try:
        yield
    except FloatingPointError as error:
        raise DTypeError(
            f"{job.features.name}: crops exceed the range of {job.dtype}; choose a wider dtype"
        ) from error
