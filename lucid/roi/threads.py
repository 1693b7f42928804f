"""The number of threads of a call, and one thread of BLAS in each of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from operator import index
from threading import Lock

from lucid.roi.engines.numpy.blas import thread_count
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.workers import Workers

KEPT_BYTES = 32 << 20  # of all threads' buffers together, from one call to the next


class _Setting:
    """What holds for the whole process."""

    threads: int | None = None  # None: as many as OMP_NUM_THREADS says, or cores
    lock = Lock()
    working = 0  # calls that are going on
    blas_threads = 1  # of BLAS when the first of them began
    idle: Workers[Workspace] | None = None  # whose buffers the next call uses again


def get_num_threads() -> int:
    """Return the number of threads that a call on arrays uses.

    The default is OMP_NUM_THREADS, or else the number of cores that the process may use.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    if _Setting.threads is not None:
        return _Setting.threads
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else cores()


def set_num_threads(threads: int) -> None:
    """Set the number of threads that a call on arrays uses; no bit of a crop depends on it.

    Parameters
    ----------
    threads : int
        At least 1.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is less than 1.

    Examples
    --------
    >>> set_num_threads(get_num_threads())
    """
    try:
        count = int(index(threads))
    except TypeError:
        raise TypeError(f"threads must be an int, got {threads!r}") from None
    if count < 1:
        raise ValueError(f"threads must be at least 1, got {count}")
    _Setting.threads = count


def cores() -> int:
    """Return how many cores the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def working_threads(threads: int | None = None) -> Iterator[Workers[Workspace]]:
    """Yield `threads` workers, `get_num_threads()` unless given, each with one thread of BLAS.

    A RoI's products are small: threads inside them cost more than they bring, and the last bits
    of a crop would depend on how many there are.
    """
    workers = _begun(threads or get_num_threads())
    try:
        yield workers
    finally:
        workers.keep_at_most(KEPT_BYTES)
        _ended(workers)


def _begun(count: int) -> Workers[Workspace]:
    """Return `count` workers, the idle ones if they are so many; BLAS has one thread from now."""
    get, put = thread_count()
    with _Setting.lock:
        workers, _Setting.idle = _Setting.idle, None
        if workers is None or len(workers) != count:
            workers = Workers(count, Workspace)
        if not _Setting.working:
            _Setting.blas_threads = get()
            put(1)
        _Setting.working += 1
    return workers


def _ended(workers: Workers[Workspace]) -> None:
    """Leave workers to the next call; BLAS has its threads again once no call is going on."""
    _, put = thread_count()
    with _Setting.lock:
        _Setting.idle = workers
        _Setting.working -= 1
        if not _Setting.working:
            put(_Setting.blas_threads)


def free_buffers() -> None:
    """Free the memory that is kept from one call to the next, at most 32 MiB.

    Calls on arrays keep their working memory for the next call, as the first touch of fresh
    memory costs as much as the arithmetic.

    Examples
    --------
    >>> free_buffers()
    """
    with _Setting.lock:
        _Setting.idle = None
