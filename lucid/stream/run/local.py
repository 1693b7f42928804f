"""A run in the calling process: crops are made one batch ahead of those that are written."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from lucid.stream.plan.partition import Cut, all_selections, is_scattered
from lucid.stream.plan.plan import Plan
from lucid.stream.plan.survey import Selection
from lucid.stream.run.ahead import ahead
from lucid.stream.run.work import crops_of
from lucid.stream.types import Done
from lucid.stream.write.pending import put_together, tasks_of
from lucid.stream.write.sinks import Sink


def rows_written(plan: Plan, sink: Sink) -> Generator[Done, None, None]:
    """Write the crops of a plan, and yield which of each batch are there."""
    with _selections(plan, sink) as selections:
        made = crops_of(plan, selections)
        # A thread that waits for a pipe cannot be told to end.
        for done, crops in made if plan.job.features.sequential else ahead(made):
            sink.write(done.rows, crops)
            yield done


@contextmanager
def _selections(plan: Plan, sink: Sink) -> Iterator[Iterator[Selection]]:
    """Yield what selects all RoIs of a run, from a file of them if the table is out of order."""
    if not is_scattered(plan):
        yield all_selections(plan)
        return
    ranges, tasks = tasks_of(plan, [Cut(range(len(plan.survey.counts)))])
    with put_together(plan, ranges, sink) as rois:
        yield rois.selections(tasks[0], plan.selected)
