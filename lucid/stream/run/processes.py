"""A run on several processes: each opens the inputs itself and writes its rows in place.

The processes are fresh interpreters that are told by a pipe what to do. They are not forked, for
neither HDF5 nor threads survive that; nor do they import the caller's script, as those of
`multiprocessing` do. The calling process keeps the journal: a row is marked when the process that
wrote it says so.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.roi.workers import Shared
from lucid.stream.plan.inputs import plan_inputs
from lucid.stream.plan.partition import Task, tasks
from lucid.stream.plan.plan import Plan, make_plan
from lucid.stream.run.work import crops_of
from lucid.stream.settings import Settings
from lucid.stream.write.sinks import Place, RowFile

Rows = NDArray[np.intp]

SERVE = "import sys; sys.path[:] = {!r}; from lucid.stream.run.processes import serve; serve()"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def rows_written(plan: Plan, settings: Settings, place: Place) -> Iterator[Rows]:
    """Have processes write the crops of a plan to a place, and yield the rows as they are there.

    Raises
    ------
    LucidError
        What one of the processes raised.
    SinkError
        If one of them was ended.
    """
    ready: SimpleQueue[Rows | BaseException | None] = SimpleQueue()
    setup = settings, plan.survey, plan.memory, place
    work = Shared(tasks(plan))
    processes = [_start() for _ in range(plan.jobs)]
    try:
        for process in processes:
            Thread(target=_direct, args=(process, setup, work, ready), daemon=True).start()
        working = len(processes)
        while working:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            working -= item is None
            if item is not None:
                yield item
    finally:
        work.stop()
        for process in processes:
            process.kill()
            process.wait()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVE.format(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | ONE_THREAD,
    )


def _direct(
    process: subprocess.Popen[bytes],
    setup: Any,
    work: Shared[Task],
    ready: SimpleQueue[Rows | BaseException | None],
) -> None:
    """Give a process its work, task by task, and pass on what it says."""
    with process:
        try:
            _say(process.stdin, setup)
            for task in work.taken():
                _say(process.stdin, task)
                while (said := pickle.load(process.stdout)) is not None:  # type: ignore[arg-type]
                    ready.put(said)
            ready.put(None)
        except (EOFError, OSError, pickle.UnpicklingError):
            code = process.wait()
            how = signal.Signals(-code).name if code < 0 else f"status {code}"
            ready.put(SinkError(f"a process of the run was ended ({how}); --resume finishes it"))
        except Exception as error:
            ready.put(error)


def _say(pipe: Any, something: Any) -> None:
    pickle.dump(something, pipe)
    pipe.flush()


def serve() -> None:
    """Do what the calling process says on standard input, until it says no more or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the calling process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # if that is gone, so is this one
    asked = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as answers, ExitStack() as opened:
        os.dup2(2, 1)  # so that nothing else is printed among the answers
        try:
            settings, survey, memory, place = pickle.load(asked)
            job, _ = plan_inputs(settings, opened)
            plan = make_plan(job, survey, memory)
            file = opened.enter_context(RowFile(place))
            while True:
                for rows, crops in crops_of(plan, pickle.load(asked)):
                    file.write(rows, crops)
                    _say(answers, rows)
                _say(answers, None)
        except EOFError:
            return
        except Exception as error:
            _say(answers, error)
