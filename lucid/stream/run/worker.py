"""What another process does of a run: it opens the inputs itself, and writes its rows in place."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import NamedTuple

from lucid.stream.plan.inputs import plan_inputs
from lucid.stream.plan.partition import Task
from lucid.stream.plan.plan import Plan
from lucid.stream.run.work import crops_of
from lucid.stream.settings import Settings
from lucid.stream.types import Done
from lucid.stream.write.rows import Place
from lucid.stream.write.sinks import PlacedRows

Work = Callable[[Task], Iterator[Done]]  # does a task; yields what is in its place


class Setup(NamedTuple):
    """All that a process needs to know to do tasks of a run; it can be sent anywhere."""

    settings: Settings
    plan: Plan  # without its job, which is made of open files
    place: Place

    @classmethod
    def of(cls, settings: Settings, plan: Plan, place: Place) -> Setup:
        """Return the setup for a run that was planned here."""
        settings = settings.with_read(plan.job.rois.read_already)
        return cls(settings=settings, plan=replace(plan, job=None), place=place)  # type: ignore[arg-type]

    def ready(self, opened: ExitStack) -> Work:
        """Open inputs and output, and return what does a task."""
        job, _ = plan_inputs(self.settings, opened)
        plan = replace(self.plan, job=job)
        file = opened.enter_context(PlacedRows(self.place))

        def work(task: Task) -> Iterator[Done]:
            for done, crops in crops_of(plan, task):
                file.write(done.rows, crops)
                yield done

        return work


def serve(channel: int) -> None:
    """Do what the calling process says, until it says no more or is gone.

    It is asked for the setup, then for tasks, each time with None. Rows that are written are
    answered batch by batch, and an error is answered as it is.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # if the caller is gone, so is this process
    os.set_inheritable(channel, False)
    with Connection(channel) as caller, ExitStack() as opened:
        try:
            caller.send(None)
            work = caller.recv().ready(opened)
            while True:
                caller.send(None)
                for done in work(caller.recv()):
                    caller.send(done)
        except EOFError:
            return
        except Exception as error:
            caller.send(error)
