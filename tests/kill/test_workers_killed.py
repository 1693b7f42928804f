"""Runs on pools and on a cluster whose workers are killed: the same bytes in the end."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from command import PATIENCE

import lucid
from lucid import SinkError
from lucid.stream.run.scheduler import LOST

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


MPI = """
import sys, lucid
from mpi4py.futures import MPIPoolExecutor

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        lucid.extract("f.npy", "r.npy", sys.argv[1], sampling_ratio=8, executor=executor, jobs=2)
"""


@pytest.mark.parametrize("output", ["c.npy", "c.h5"])
def test_mpi_gives_the_same_bytes(whole, output):
    pytest.importorskip("mpi4py")
    folders = str(Path(sys.executable).parent), os.environ["PATH"]
    mpiexec = shutil.which("mpiexec", path=os.pathsep.join(folders))
    if mpiexec is None:
        pytest.skip("there is no mpiexec here")
    expected = whole(output, {})
    Path("this.py").write_text(MPI)
    line = [mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", "this.py", output]
    subprocess.run(line, check=True, timeout=PATIENCE)
    assert Path(output).read_bytes() == expected
    assert nothing_is_left(output)


@pytest.fixture
def in_time():
    """Fail a test that takes too long, where a cluster would wait for workers for ever."""

    def fail(number, frame):
        raise TimeoutError("the cluster does nothing any more")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(3 * PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("in_time")
@pytest.mark.filterwarnings("ignore")  # of distributed, about workers that are killed
@pytest.mark.parametrize(("output", "options"), OUTPUTS)
def test_a_cluster_whose_workers_are_killed_ends_in_the_same_bytes(whole, output, options):
    """One at a third and another at two thirds; the scheduler gives their tasks to the others.

    It gives up workers that are not back in 15 seconds, unless it is told to wait.
    """
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    expected = whole(output, options)
    with (
        dask.config.set({LOST: 2 * PATIENCE}),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(3, timeout=PATIENCE)
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

        options = options | {"jobs": 3, "patience": PATIENCE / 4, "on_progress": tell}
        found = extract(output, executor=client.get_executor(), **options)
    assert found == expected
    assert told == sorted(set(told))
    assert all(kill.done for kill in kills)
    assert nothing_is_left(output)
