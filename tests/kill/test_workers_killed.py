"""Runs on pools and on a cluster whose workers are killed: the same bytes in the end."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SinkError

pytestmark = pytest.mark.kill
ROIS = 6000
OUTPUTS = [("c.npy", {}), ("c.h5", {}), ("c.h5", {"compression": "gzip", "checksum": True})]
TASK = {"task_bytes": 1 << 20}


@pytest.fixture
def whole(tmp_path, rng, monkeypatch, tuned):
    """Return the bytes of a run of some seconds on one process; others have about 64 tasks."""
    monkeypatch.chdir(tmp_path)
    tuned(**TASK)
    np.save("f.npy", rng.standard_normal((40, 16, 32, 32), np.float32))
    corner = rng.uniform(0, 16, (ROIS, 2))
    np.save("r.npy", np.c_[rng.integers(0, 40, ROIS), corner, corner + 12].astype(np.float32))

    def of(output, options):
        return extract("whole" + output, jobs=1, **options)

    return of


def extract(output, **options):
    lucid.extract("f.npy", "r.npy", output, sampling_ratio=8, **options)
    return Path(output).read_bytes()


def nothing_is_left(output):
    return [path.name for path in Path().glob(f"{output}*")] == [output]


def spawned(workers):
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def at(share, action):
    """Return a callback that does something once when a share of the rows is done."""

    def tell(rows_done):
        if rows_done >= share * ROIS and not tell.done:
            tell.done = True
            action()

    tell.done = False
    return tell


def one_of(pool):
    os.kill(next(iter(pool._processes)), signal.SIGKILL)


@pytest.mark.parametrize(("output", "options"), OUTPUTS)
@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_a_pool_that_is_killed_is_resumed_on_any_number_of_workers(whole, output, options, workers):
    expected = whole(output, options)
    with (
        spawned(2) as pool,
        pytest.raises(SinkError, match="resume=True finishes") as caught,
    ):
        extract(output, executor=pool, on_progress=at(1 / 3, lambda: one_of(pool)), **options)
    assert isinstance(caught.value.__cause__, BrokenProcessPool)
    told = []
    options = options | {"resume": True, "on_progress": told.append}
    if workers:
        with spawned(workers) as pool:
            assert extract(output, executor=pool, **options) == expected
    else:
        assert extract(output, jobs=1, **options) == expected
    assert told[0] >= ROIS / 3
    assert told[-1] == ROIS
    assert nothing_is_left(output)


@pytest.mark.parametrize(("output", "options"), OUTPUTS)
def test_loky_gives_the_same_bytes(whole, output, options):
    loky = pytest.importorskip("loky")
    expected = whole(output, options)
    with loky.ProcessPoolExecutor(2) as pool:
        assert extract(output, executor=pool, **options) == expected
    assert nothing_is_left(output)


@pytest.mark.filterwarnings("ignore")  # of distributed, about workers that are killed
@pytest.mark.parametrize(("output", "options"), OUTPUTS)
def test_a_cluster_whose_workers_are_killed_ends_in_the_same_bytes(whole, output, options):
    """One at a third and another at two thirds; the scheduler gives their tasks to the others."""
    distributed = pytest.importorskip("distributed")
    expected = whole(output, options)
    with (
        distributed.LocalCluster(3, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        kills = [
            at(share, lambda pid=pid: os.kill(pid, signal.SIGKILL))
            for share, pid in zip((1 / 3, 2 / 3), pids, strict=False)
        ]
        told = []

        def tell(rows_done):
            told.append(rows_done)
            for kill in kills:
                kill(rows_done)

        found = extract(output, executor=client.get_executor(), jobs=3, on_progress=tell, **options)
    assert found == expected
    assert told == sorted(set(told))
    assert all(kill.done for kill in kills)
    assert nothing_is_left(output)
