"""A run that is checked and planned, on one process, several, or an executor."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib import import_module
from typing import Self, cast

from lucid.stream.plan.plan import Plan
from lucid.stream.report import ExtractReport
from lucid.stream.run import executors, local
from lucid.stream.settings import Settings
from lucid.stream.types import Done
from lucid.stream.write.sinks import FileSink, Sink

Progress = Callable[[int], None]
Written = Generator[Done, None, None]


class Extraction:
    """A run that is checked and planned, with its inputs open; `run` reads pixels and writes."""

    def __init__(
        self,
        plan: Plan,
        report: ExtractReport,
        sink: Sink | None,
        settings: Settings,
        opened: ExitStack,
        executor: Executor | None = None,
    ) -> None:
        self.report = report
        self.warnings = tuple(plan.survey.coverage.warnings())  # to be `spelled`
        self.rows_done = plan.job.rois.rois - int(plan.survey.counts.sum())
        self._plan, self._settings = plan, settings
        self._sink, self._opened, self._executor = sink, opened, executor

    def run(self, on_progress: Progress | None = None) -> ExtractReport:
        """Write the crops; tell `on_progress` after each batch how many rows are done in all."""
        tell = on_progress or (lambda rows_done: None)
        tell(self.rows_done)  # invalid rows are zeros, as the output is laid out
        if self._sink is not None:
            with self._sink as sink, closing(self._written(sink)) as written:
                for done in written:
                    self._take_in(done)
                    tell(self.rows_done)
                sink.commit()
                if isinstance(sink, FileSink):
                    self.report = replace(self.report, shards_missing=tuple(sink.missing))
        return self.report

    def _take_in(self, done: Done) -> None:
        self.rows_done += len(done.rows)
        if done.holes:
            self.report = replace(self.report, holes=self.report.holes + done.holes)

    @property
    def is_complete(self) -> bool:
        """Whether the output was complete before."""
        return self._sink is None

    @property
    def kept(self) -> bool:
        """Whether a run that did not end well has left what another can go on with."""
        return isinstance(self._sink, FileSink) and self._sink.kept

    @property
    def packs(self) -> bool:
        """Whether the output is made from the rows when all are there, which takes a while."""
        return isinstance(self._sink, FileSink) and self._sink.packs

    def _written(self, sink: Sink) -> Written:
        """Write the crops batch by batch, here or in other processes, and yield which are there."""
        if self._executor is not None and isinstance(sink, FileSink):
            return executors.rows_written(self._plan, self._settings, sink, self._executor)
        if self._plan.jobs > 1 and isinstance(sink, FileSink):
            processes = import_module("lucid.stream.run.processes")  # most runs do without
            return cast(Written, processes.rows_written(self._plan, self._settings, sink))
        return local.rows_written(self._plan, sink)

    def close(self) -> None:
        """Close the inputs."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
