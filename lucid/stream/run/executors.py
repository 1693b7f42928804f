"""A run on an executor of the caller's, whose workers may be on other machines.

Each task is a call of its own, with all that it needs; its rows are on the disk before it answers.
An executor may do a call twice or after the run, or lose its answer: of several answers the first
counts, a call after the run writes nothing, and tasks are sent once more when nobody has answered
for long.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from itertools import islice
from queue import Empty, SimpleQueue

from lucid.errors import LucidError, SinkError
from lucid.roi.threads import cores
from lucid.stream import tuning
from lucid.stream.checks import ArgumentError
from lucid.stream.plan.plan import Plan
from lucid.stream.run.setup import Setup, handed_out
from lucid.stream.run.task import Answer, do, kept
from lucid.stream.settings import Settings
from lucid.stream.types import Done
from lucid.stream.write.pending import Task
from lucid.stream.write.sinks import FileSink


def rows_written(
    plan: Plan, settings: Settings, sink: FileSink, executor: Executor
) -> Generator[Done, None, None]:
    """Have an executor write the crops of a plan, and yield which of each task are there.

    Raises
    ------
    LucidError
        What a task raised.
    SinkError
        If the executor can do no more.
    """
    with handed_out(plan, settings.from_anywhere(), sink, on_pages=True) as (setup, tasks):
        desk = Desk(executor, setup, settings.patience)
        with closing(desk.answers(tasks, tuning.current.tasks_per_worker * plan.jobs)) as answers:
            for task, answer in answers:
                holes = answer.holes
                for rows in setup.rois.rows(task):
                    sink.mark(rows)
                    yield Done(rows, holes)
                    holes = 0


def require_executor(executor: Executor | None, settings: Settings) -> None:
    """Raise unless an executor, or else a scheduler, can do a run."""
    if executor is not None and settings.scheduler:
        raise ArgumentError("executor and {scheduler} contradict each other")
    if not settings.scheduler and not callable(getattr(executor, "submit", None)):
        raise TypeError(f"executor must be a concurrent.futures.Executor, got {executor!r}")
    if not settings.can_share:
        raise ArgumentError(
            "workers elsewhere need files: {features} and {output} cannot be pipes, nor can maps "
            "be in memory"
        )


def workers_of(executor: Executor) -> int:
    """Return how many workers an executor says it has, or else the cores of this machine."""
    workers = getattr(executor, "_max_workers", None)
    return workers if isinstance(workers, int) and workers > 0 else cores()


class Desk:
    """Where tasks are sent from, and answers come in."""

    def __init__(self, executor: Executor, setup: Setup, patience: float) -> None:
        self._executor, self._setup, self._patience = executor, setup, patience
        self._sent: dict[int, tuple[Task, list[Future[Answer]]]] = {}  # and not answered
        self._answers: SimpleQueue[tuple[int, Future[Answer]]] = SimpleQueue()

    def answers(
        self, tasks: Sequence[Task], at_once: int
    ) -> Generator[tuple[Task, Answer], None, None]:
        """Send tasks, so many at once, and yield each as it is answered."""
        work = iter(tasks)
        try:
            for task in islice(work, at_once):
                self._send(task)
            while self._sent:
                yield self._next()
                for task in islice(work, 1):
                    self._send(task)
        finally:
            for _, futures in self._sent.values():
                _cancel(futures)
            kept.close(self._setup.run.number)

    def _send(self, task: Task) -> None:
        try:
            future = self._executor.submit(do, self._setup, task)
        except Exception as error:
            raise _failed(error) from error
        self._sent.setdefault(task.number, (task, []))[1].append(future)
        future.add_done_callback(lambda future: self._answers.put((task.number, future)))

    def _next(self) -> tuple[Task, Answer]:
        """Return the next task that is answered for the first time."""
        while True:
            try:
                number, future = self._answers.get(timeout=self._patience)
            except Empty:
                self._send_again()
                continue
            if number in self._sent:
                task, futures = self._sent.pop(number)
                _cancel(futures)
                return task, _result(future)

    def _send_again(self) -> None:
        """Send the tasks that nobody has answered once more."""
        silent = [task for task, futures in self._sent.values() if len(futures) == 1]
        again = f"; {len(silent)} tasks are sent once more" if silent else ""
        warnings.warn(
            f"no worker has answered for {self._patience / 60:.3g} minutes{again}", stacklevel=2
        )
        for task in silent:
            self._send(task._replace(attempt=1))  # not equal, or a cache might answer


def _cancel(futures: Sequence[Future[Answer]]) -> None:
    """Call calls off, where an engine can do that; those of Parsl raise `NotImplementedError`."""
    for future in futures:
        with suppress(Exception):
            future.cancel()


def _result(future: Future[Answer]) -> Answer:
    try:
        return future.result()
    except LucidError:
        raise
    except Exception as error:
        raise _failed(error) from error


def _failed(error: Exception) -> SinkError:
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return SinkError.advising(f"the executor has failed ({what})", "{resume:True} finishes the run")
