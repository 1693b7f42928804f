"""A scheduler of dask as the executor of a run."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from lucid.errors import SinkError
from lucid.roi.threads import cores
from lucid.stream.checks import ArgumentError
from lucid.stream.settings import Settings

LOCAL = "local"
# After which a cluster gives up a worker that it starts again: 15 s are few on a busy machine.
LOST = "distributed.deploy.lost-worker-timeout"


@contextmanager
def scheduled(settings: Settings) -> Iterator[Executor]:
    """Yield an executor whose workers are those of the scheduler that a run names."""
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise ArgumentError("{scheduler} needs dask: pip install 'lucid-roialign[dask]'") from error
    lost = import_module("dask").config.set({LOST: settings.patience})
    with lost, _client(distributed, settings) as client:
        executor: Executor = client.get_executor(pure=False)
        threads = sum(client.nthreads().values())
        vars(executor).setdefault("_max_workers", max(threads, 1))
        yield executor


def _client(distributed: Any, settings: Settings) -> Any:
    """Return what speaks with the scheduler that a run names."""
    try:
        return distributed.Client(**_place(settings), set_as_default=False)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise SinkError(f"{settings.scheduler} is no scheduler that answers: {said}") from error


def _place(settings: Settings) -> dict[str, Any]:
    """Return where the scheduler is; a local one is started with a worker for each job."""
    name = settings.scheduler
    if name.endswith(".json") and not Path(name).exists():  # for which dask would wait
        raise FileNotFoundError("there is no such file")
    if name == LOCAL:
        workers = cores() if settings.jobs == "auto" else settings.jobs
        return {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    return {"scheduler_file": name} if name.endswith(".json") else {"address": name}
