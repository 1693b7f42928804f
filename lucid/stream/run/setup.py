"""What a worker must know of a run to do its tasks, and what it does."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from lucid import __version__
from lucid.errors import SinkError, SourceError
from lucid.roi.engines.numpy.blas import kernel_name
from lucid.stream.plan.inputs import open_maps
from lucid.stream.plan.job import Job
from lucid.stream.plan.partition import cuts, rois_of_task
from lucid.stream.plan.plan import Plan
from lucid.stream.read.fingerprint import Input
from lucid.stream.run.work import crops_of
from lucid.stream.settings import Settings
from lucid.stream.types import Done
from lucid.stream.write.pending import PendingRois, Task, put_together, runs_of_rows, tasks_of
from lucid.stream.write.rows import Place
from lucid.stream.write.sidecars import RunMark
from lucid.stream.write.sinks import FileSink, PlacedRows


class Count(NamedTuple):
    """What a job is told of RoIs that others have read: how many there are."""

    rois: int


class Seen(NamedTuple):
    """An input as it was when a run was planned."""

    name: str
    nbytes: int
    microseconds: int  # when it was last modified

    @classmethod
    def of(cls, one: Input) -> Seen:
        """Look at the file of an input, or at its files."""
        nbytes, modified = one.seen()
        return cls(str(one.path), nbytes, modified // 1000)

    def require(self, now: Seen) -> None:
        """Raise unless the input that a worker sees is the same."""
        if now[1:] != self[1:]:
            what = "size" if now.nbytes != self.nbytes else "time"
            raise SourceError(
                f"{now.name} on {os.uname().nodename} differs by its {what} from what the run was "
                "planned with; all workers must see the same files, and nothing may change them"
            )


class Maker(NamedTuple):
    """What makes crops; where it is not the same everywhere, their bits may differ."""

    version: str
    engine: str
    kernel: str  # of BLAS, where that computes

    @classmethod
    def of(cls, engine: str) -> Maker:
        """Return what makes crops here, or would."""
        return cls(__version__, engine, kernel_name() if engine == "numpy" else "")

    def require(self, now: Maker) -> None:
        """Raise unless the same makes them on a worker."""
        if now != self:
            raise SinkError(
                f"{os.uname().nodename} has lucid-roialign {' '.join(now)}, and the run was "
                f"planned with {' '.join(self)}; all workers must have the same, or their crops "
                "would differ"
            )


@dataclass(frozen=True)
class Setup:
    """All that a worker needs to know to do tasks of a run; it can be sent anywhere.

    It is pickled once and, where tasks follow each other, unpickled once. As it is no tuple, no
    engine looks for calls of its own in it.
    """

    run: RunMark
    place: Place
    rois: PendingRois
    settings: Settings
    plan: Plan  # without its job and its survey
    job: Job  # without its features and its RoIs
    held: Count
    maker: Maker
    seen: Sequence[Seen]

    @classmethod
    def of(cls, plan: Plan, settings: Settings, sink: FileSink, rois: PendingRois) -> Setup:
        """Return the setup for a run that was planned here."""
        job = plan.job
        return cls(
            run=sink.run,
            place=sink.place,
            rois=rois,
            settings=settings,
            plan=replace(plan, job=None, survey=None),  # type: ignore[arg-type]
            job=replace(job, features=None, rois=None),  # type: ignore[arg-type]
            held=Count(job.rois.rois),
            maker=Maker.of(job.engine),
            seen=[Seen.of(one) for one in job.features.inputs],
        )

    @cached_property
    def _pickled(self) -> bytes:
        return pickle.dumps([getattr(self, field.name) for field in fields(self)])

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._pickled,)

    def opened(self, stack: ExitStack) -> Plan:
        """Open the maps, and return the plan for them; raise if they or this are not the same."""
        self.maker.require(Maker.of(self.job.engine))
        maps = open_maps(self.settings, stack)
        for before, now in zip(self.seen, map(Seen.of, maps.inputs), strict=True):
            before.require(now)
        job = replace(self.job, features=maps, rois=self.held)  # type: ignore[arg-type]
        return replace(self.plan, job=job)

    def rows_written(self, plan: Plan, file: PlacedRows, task: Task) -> Iterator[Done]:
        """Write the rows of a task in their place, and yield which of each batch are there."""
        for done, crops in crops_of(plan, self.rois.selections(task, plan.selected)):
            file.write(done.rows, crops)
            yield done


@lru_cache(maxsize=1)
def _unpickled(setup: bytes) -> Setup:
    return Setup(*pickle.loads(setup))


@contextmanager
def handed_out(
    plan: Plan, settings: Settings, sink: FileSink, *, on_pages: bool = False
) -> Iterator[tuple[Setup, Sequence[Task]]]:
    """Write the RoIs that are to be done where workers read them; yield the setup and the tasks.

    A task has whole images or, if asked for where RoIs are in the order of their images, a run of
    rows that lies on pages of its own.
    """
    if on_pages and plan.survey.out_of_order is None:
        count, most = int(plan.survey.counts.sum()), rois_of_task(plan)
        with put_together(plan, [range(len(plan.survey.counts))], sink) as rois:
            tasks = runs_of_rows(rois, count, most, sink.border_before)
            yield Setup.of(plan, settings.for_maps(), sink, rois), tasks
    else:
        ranges, tasks = tasks_of(plan, list(cuts(plan)))
        with put_together(plan, ranges, sink) as rois:
            yield Setup.of(plan, settings.for_maps(), sink, rois), tasks
