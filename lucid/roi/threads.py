"""How many threads work on one call, and that BLAS adds none of its own to them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import ClassVar

from lucid.roi.blas import thread_count
from lucid.roi.workers import Workers

KEPT = 8 << 20  # bytes of an array that is kept from call to call


class _Setting:
    """What holds for the whole process."""

    threads: int | None = None  # None: as many as OMP_NUM_THREADS says, or cores
    lock = Lock()
    working = 0  # calls that are going on
    before = 1  # threads of BLAS when the first of them began
    idle: ClassVar[list[Workers]] = []  # whose arrays the next call uses again


def get_num_threads() -> int:
    """Return how many threads work on one call.

    At first, what the environment's OMP_NUM_THREADS says, or else as many as the process may use
    cores.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if _Setting.threads is not None:
        return _Setting.threads
    return int(asked) if asked.isdecimal() and int(asked) else cores()


def set_num_threads(threads: int) -> None:
    """Say how many threads work on one call; crops have the same bits with any number.

    Parameters
    ----------
    threads : int
        At least 1.

    Raises
    ------
    ValueError
        If it is less.

    Examples
    --------
    >>> set_num_threads(get_num_threads())
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    _Setting.threads = threads


def cores() -> int:
    """Return how many cores the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def working_threads(threads: int | None = None) -> Iterator[Workers]:
    """Yield threads to work on; meanwhile BLAS has one thread in each.

    A RoI's products are small: threads inside them cost more than they bring, and the last bits
    of a crop would depend on how many there are.
    """
    get, put = thread_count()
    with _Setting.lock:
        if not _Setting.working:
            _Setting.before = get()
            put(1)
        _Setting.working += 1
        count = threads or get_num_threads()
        fitting = [workers for workers in _Setting.idle if len(workers) == count]
        workers = fitting[0] if fitting else Workers(count)
        _Setting.idle = []
    try:
        yield workers
    finally:
        workers.let_go(KEPT)
        with _Setting.lock:
            _Setting.idle = [workers]
            _Setting.working -= 1
            if not _Setting.working:
                put(_Setting.before)
