"""A task as the worker of an executor does it, in any process on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import NamedTuple

from lucid.stream.plan.plan import Plan
from lucid.stream.run.setup import Setup
from lucid.stream.write.pending import Task
from lucid.stream.write.sinks import PlacedRows


class Answer(NamedTuple):
    """What a worker says when the rows of a task are on the disk."""

    number: int  # of the task
    holes: int  # cells without a value that were read for it


def do(setup: Setup, task: Task) -> Answer:
    """Do a task.

    The file of rows is opened before the run is asked for: if the run has ended, it is that of no
    later run.
    """
    with PlacedRows(setup.place) as file:
        file.require_run()
        with kept.lent(setup) as plan:
            holes = sum(done.holes for done in setup.rows_written(plan, file, task))
        file.sync(setup.rois.rows(task))
    return Answer(task.number, holes)


class Kept:
    """Maps that stay open from one task of a run to the next, as opening many takes long."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: dict[bytes, list[tuple[Plan, ExitStack]]] = {}

    @contextmanager
    def lent(self, setup: Setup) -> Iterator[Plan]:
        """Yield a plan with maps that no other thread uses meanwhile."""
        run = setup.run
        plan, opened = self._taken(run.number) or _opened(setup)
        with ExitStack() as closed:
            closed.callback(opened.close)
            yield plan
            if run.stands():
                closed.pop_all()
                with self._lock:
                    self._idle.setdefault(run.number, []).append((plan, opened))

    def close(self, number: bytes) -> None:
        """Close what is kept for a run."""
        with self._lock:
            idle = self._idle.pop(number, [])
        for _, opened in idle:
            opened.close()

    def _taken(self, number: bytes) -> tuple[Plan, ExitStack] | None:
        """Return what is kept for a run, if there is any; that for another is not kept longer."""
        for other in [other for other in self._idle if other != number]:
            self.close(other)
        with self._lock:
            idle = self._idle.get(number)
            return idle.pop() if idle else None


def _opened(setup: Setup) -> tuple[Plan, ExitStack]:
    with ExitStack() as stack:
        return setup.opened(stack), stack.pop_all()


kept = Kept()
