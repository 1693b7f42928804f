"""A run in the calling process: crops are made one batch ahead of those that are written."""

from __future__ import annotations

from collections.abc import Generator

from lucid.stream.plan.partition import all_selections
from lucid.stream.plan.plan import Plan
from lucid.stream.run.ahead import ahead
from lucid.stream.run.work import crops_of
from lucid.stream.types import Done
from lucid.stream.write.sinks import Sink


def rows_written(plan: Plan, sink: Sink) -> Generator[Done, None, None]:
    """Write the crops of a plan, and yield which of each batch are there."""
    made = crops_of(plan, all_selections(plan))
    # A thread that waits for a pipe cannot be told to end.
    for done, crops in made if plan.job.features.sequential else ahead(made):
        sink.write(done.rows, crops)
        yield done
