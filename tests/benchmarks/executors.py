"""What executors cost: a run on two of their workers beside `jobs=2`, and each task of theirs."""

import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter, sleep

import numpy as np

import lucid

MEMORY = Path("/dev/shm")  # a file system in memory, so that no disk is measured
MAPS, ROIS = (64, 128, 64, 64), 6000
TASKS = 400


def write_inputs():
    """Write maps, and boxes in their order, of which each takes much to compute."""
    rng = np.random.default_rng(2017)
    np.save("f.npy", rng.standard_normal(MAPS, np.float32))
    corner = rng.uniform(0, 32, (ROIS, 2))
    rois = np.c_[np.sort(rng.integers(0, MAPS[0], ROIS)), corner, corner + 30]
    np.save("r.npy", rois.astype(np.float32))
    np.save("few.npy", rois[:TASKS].astype(np.float32))


def extract(rois="r.npy", **options):
    """Write the crops of boxes; of few of them, each is a task where jobs are many."""
    ratio = 12 if rois == "r.npy" else 1
    lucid.extract("f.npy", rois, "c.npy", sampling_ratio=ratio, overwrite=True, **options)


def cpu():
    """Return the CPU time so far, of processes that were started and have ended, too."""
    return sum(sum(getrusage(who)[:2]) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))


def measured(call):
    """Return the seconds of a call, and the CPU time of all its processes."""
    used, start = cpu(), perf_counter()
    call()
    return perf_counter() - start, cpu() - used


@contextmanager
def pool():
    """Yield a pool of processes that are started afresh."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


@contextmanager
def dask():
    """Yield an executor of dask on this machine, whose workers are processes."""
    import distributed

    cluster = distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client.get_executor(pure=False)


ENGINES = {"pool": pool} | ({"dask": dask} if find_spec("distributed") else {})


def on(engine, **options):
    """Do a run on workers that are started for it, as those of `jobs=2` are."""
    with engine() as executor:
        extract(executor=executor, **options)


def nothing_on(engine):
    """Have workers that are started for it do calls that do nothing."""
    with engine() as executor:
        extract("few.npy", executor=executor, jobs=2)
        for future in [executor.submit(sleep, number / 1e9) for number in range(TASKS)]:
            future.result()


def compare(rounds):
    """Print what runs take in turns, and what each task of few boxes costs beside its work."""
    lucid.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        os.chdir(folder)
        write_inputs()
        times = {}
        for _ in range(max(rounds // 2, 3)):
            for name, call in dict(runs()).items():
                times.setdefault(name, []).append(measured(call))
        found = {name: np.median(spent, axis=0) for name, spent in times.items()}
        for name, (wall, used) in found.items():
            ratio = wall / found["jobs=2"][0], used / found["jobs=2"][1]
            print(f"{name:22}{wall:8.2f} s, {used:6.2f} s of CPU;"
                  f"{ratio[0]:6.2f} and {ratio[1]:.2f} x jobs=2")  # fmt: skip
        for name in ENGINES:
            few = found[f"{name}, few tasks"]
            for what in ("many tasks", "many calls"):
                each = (found[f"{name}, {what}"] - few) / TASKS * 1e3
                print(f"{name}, each of {what}: {each[0]:.1f} ms, {each[1]:.1f} ms of CPU")
        os.chdir("/")


def runs():
    """Yield what is to be measured, by its name."""
    for jobs in (1, 2):
        yield f"jobs={jobs}", lambda jobs=jobs: extract(jobs=jobs)
    for name, engine in ENGINES.items():
        yield name, lambda engine=engine: on(engine, jobs=2)
        for many, jobs in (("few", 2), ("many", TASKS)):
            yield (
                f"{name}, {many} tasks",
                lambda engine=engine, jobs=jobs: on(engine, rois="few.npy", jobs=jobs),
            )
        yield f"{name}, many calls", lambda engine=engine: nothing_on(engine)
