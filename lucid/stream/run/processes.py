"""A run on several processes: each opens the inputs itself and writes its rows in place.

The processes are fresh interpreters that are told what to do through a socket of their own; what
they print goes to standard error. They are not forked, for neither HDF5 nor threads survive that;
nor do they import the caller's script, as those of `multiprocessing` do. The calling process keeps
the journal: a row is marked when the process that wrote it says so.

A process that ends before its time ends the run at once, one that is stopped (SIGSTOP) after some
seconds. One that is only silent is waited for, since a disk may be slow: when nobody has answered
for longer than the run has patience, a warning names those that are still at work.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Self

from lucid.errors import SinkError
from lucid.stream import tuning
from lucid.stream.plan.plan import Plan
from lucid.stream.run.setup import Setup, handed_out
from lucid.stream.settings import Settings
from lucid.stream.types import Done
from lucid.stream.write.pending import Task
from lucid.stream.write.sinks import FileSink

SERVE = "import sys; sys.path[:] = {!r}; from lucid.stream.run.worker import serve; serve({})"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
LOOKS = 3  # in a row that find a process stopped; `fg` and batch systems wake a run one by one


def rows_written(plan: Plan, settings: Settings, sink: FileSink) -> Generator[Done, None, None]:
    """Have processes write the crops of a plan, and yield which of each batch are there.

    Raises
    ------
    LucidError
        What one of the processes raised.
    SinkError
        If one of them was ended or stopped.
    """
    with ExitStack() as ended:
        # They load what they need while the RoIs are put together.
        started = [ended.enter_context(Process()) for _ in range(plan.jobs)]
        with handed_out(plan, settings, sink) as (setup, tasks):
            for done in _answers(started, setup, iter(tasks), settings.patience):
                sink.mark(done.rows)
                yield done


def _answers(
    started: Sequence[Process], setup: Setup, work: Iterator[Task], patience: float
) -> Iterator[Done]:
    """Give each process a task whenever it asks, and yield what they have written."""
    waiting = {process.channel: process for process in started}
    silence = 0.0
    while waiting:
        ready = wait(waiting, tuning.current.look_seconds)
        silence = 0.0 if ready else _look_after(waiting.values(), silence, patience)
        for channel, process in [item for item in waiting.items() if item[0] in ready]:
            done = process.hear()
            if done is not None:
                yield done
            elif not process.tell(setup, work):
                del waiting[channel]


def _look_after(waiting: Collection[Process], silence: float, patience: float) -> float:
    """Look at processes after some time of silence, and return how long that has been now."""
    for process in waiting:
        process.require_awake()
    now = silence + tuning.current.look_seconds
    if silence < patience <= now:
        warnings.warn(
            f"no process of the run has answered for {now / 60:.0f} minutes; still at work are "
            f"{', '.join(str(process.pid) for process in waiting)}",
            stacklevel=2,
        )
    return now


class Process:
    """A process of the run, as the calling one sees it."""

    def __init__(self) -> None:
        self._is_new, self._stopped = True, 0
        self.channel, theirs = _connected()
        try:
            with theirs, _interrupts_blocked():
                self._process = _started(theirs.fileno())
        except OSError as error:
            self.channel.close()
            raise SinkError.advising(
                f"no process can be started for the run: {error.strerror}", "pass {jobs:1}"
            ) from error

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def hear(self) -> Done | None:
        """Return what it has written, or None where it asks what to do."""
        try:
            answer = self.channel.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(answer, Exception):
            raise answer
        done: Done | None = answer
        return done

    def tell(self, setup: Setup, work: Iterator[Task]) -> bool:
        """Give it the setup, or then the next of what is to be done; return whether there was any.

        It has asked for it, and so is ready to read.
        """
        told = [setup] if self._is_new else work
        self._is_new = False
        for each in told:
            try:
                self.channel.send(each)
            except OSError:
                raise self._ended() from None
            return True
        return False

    def require_awake(self) -> None:
        """Raise if it was found stopped several times in a row."""
        flags = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        stopped = hasattr(os, "waitid") and os.waitid(os.P_PID, self.pid, flags) is not None
        self._stopped = self._stopped + 1 if stopped else 0
        if self._stopped == LOOKS:
            raise SinkError.advising(
                f"process {self.pid} of the run was stopped (SIGSTOP)",
                "{resume:True} finishes it",
            )

    def _ended(self) -> SinkError:
        code = self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        return SinkError.advising(
            f"a process of the run was ended ({how})", "{resume:True} finishes it"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.channel.close()
        self._process.kill()
        self._process.wait()


def _started(channel: int) -> subprocess.Popen[bytes]:
    """Start a process that serves on a channel."""
    printed = _standard_error()
    strings = [path for path in sys.path if isinstance(path, str)]  # Python skips all others
    return subprocess.Popen(
        [sys.executable, "-c", SERVE.format(strings, channel)],
        stdin=subprocess.DEVNULL,
        stdout=printed,
        stderr=printed,
        pass_fds=[channel],
        env=os.environ | ONE_THREAD,
    )


def _connected() -> tuple[Connection, Connection]:
    """Return two connected ends, none of them where programs expect their standard streams."""
    ends = socket.socketpair()
    with ends[0], ends[1]:
        ours, theirs = (fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    return Connection(ours), Connection(theirs)


def _standard_error() -> int:
    """Return where processes may print: standard error, unless it is closed or another file."""
    with suppress(OSError):
        if sys.__stderr__ is not None and os.get_inheritable(2):
            return 2
    return subprocess.DEVNULL


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for this thread, and for the whole life of processes that it starts meanwhile.

    Ctrl-C is for the calling process, which then ends the others.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
