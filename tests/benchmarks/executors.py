"""What two processes gain, what executors cost beside `jobs=2`, and each task of theirs."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter, process_time, sleep

import numpy as np

import lucid

MEMORY = Path("/dev/shm")  # a file system in memory, so that no disk is measured
MAPS, ROIS = (64, 256, 64, 64), 600_000
TASKS = 400
HALF = """
import lucid, sys
from time import process_time
lucid.set_num_threads(1)
for rois in "few.npy", "half%d.npy":
    used = process_time()
    lucid.extract("f.npy", rois, "c%d.npy", reduce="mean", overwrite=True, jobs=1)
    print(process_time() - used, flush=True)
    sys.stdin.readline()
"""  # which is told when to begin


def write_inputs():
    """Write maps, and boxes in their order, of which each takes much to compute."""
    rng = np.random.default_rng(2017)
    np.save("f.npy", rng.standard_normal(MAPS, np.float32))
    corner = rng.uniform(0, 32, (ROIS, 2))
    rois = np.c_[np.sort(rng.integers(0, MAPS[0], ROIS)), corner, corner + 14]
    np.save("r.npy", rois.astype(np.float32))
    np.save("few.npy", rois[:TASKS].astype(np.float32))
    for half in range(2):
        np.save(f"half{half}.npy", rois[half * ROIS // 2 :][: ROIS // 2].astype(np.float32))


def extract(rois="r.npy", **options):
    """Write means of crops, which take long to compute and little to write."""
    lucid.extract("f.npy", rois, "c.npy", reduce="mean", overwrite=True, **options)


def cpu():
    """Return the CPU time so far, of processes that were started and have ended, too."""
    return sum(sum(getrusage(who)[:2]) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))


def measured(call):
    """Return the seconds of a call, and the CPU time of all its processes."""
    used, start = cpu(), perf_counter()
    call()
    return perf_counter() - start, cpu() - used


def on_pool():
    """Do a run on processes that are started for it, as those of `jobs=2` are."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        extract(executor=executor, jobs=2)


class Halves:
    """Two processes that know nothing of each other, each ready to do a half of the rows."""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        code = (HALF % (half, half) for half in range(2))
        self._processes = [subprocess.Popen([sys.executable, "-c", each], **pipes) for each in code]
        self._heard()

    def _heard(self):
        return [float(process.stdout.readline()) for process in self._processes]

    def measured(self):
        """Return the seconds until both have done their half, and their CPU time."""
        start = perf_counter()
        for process in self._processes:
            process.stdin.write("begin\n")
        used = sum(self._heard())
        spent = perf_counter() - start
        for process in self._processes:
            process.communicate()
        return spent, used


def compare(rounds):
    """Print what runs take in turns, and what each task costs on dask."""
    lucid.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        os.chdir(folder)
        write_inputs()
        runs = {f"jobs={jobs}": lambda jobs=jobs: extract(jobs=jobs) for jobs in (1, 2)}
        runs["a pool of two"] = on_pool
        times = {name: [] for name in [*runs, "halves by themselves"]}
        for _ in range(rounds):
            for name, call in runs.items():
                times[name].append(measured(call))
            times["halves by themselves"].append(Halves().measured())
        found = {name: np.median(spent, axis=0) for name, spent in times.items()}
        for name, (wall, used) in found.items():
            gain, more = found["jobs=1"][0] / wall, used / found["jobs=1"][1]
            print(f"{name:21}{wall:8.2f} s, {used:6.2f} s of CPU;"
                  f"{gain:6.2f} x as fast as jobs=1 for {more:.2f} x the CPU")  # fmt: skip
        if find_spec("distributed"):
            price_tasks_of_dask(rounds)
        os.chdir("/")


def price_tasks_of_dask(rounds):
    """Print what a task costs on two workers of dask, and what a call that does nothing costs."""
    import distributed

    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        executor = client.get_executor(pure=False)

        def tasks(jobs):
            extract("few.npy", executor=executor, jobs=jobs)

        def calls():
            for future in [executor.submit(sleep, number / 1e9) for number in range(TASKS)]:
                future.result()

        def spent(call, *arguments):
            before, start = total_cpu(client), perf_counter()
            call(*arguments)
            return perf_counter() - start, total_cpu(client) - before

        tasks(2)
        for _ in range(max(rounds // 3, 1)):
            few, many, nothing = spent(tasks, 2), spent(tasks, TASKS), spent(calls)
            each = (np.subtract(many, few), nothing)
            print("on dask {:.1f} ms a task, {:.1f} ms of CPU; a call that does nothing {:.1f} ms, "
                  "{:.1f} ms of CPU".format(*(np.ravel(each) / TASKS * 1e3)))  # fmt: skip


def total_cpu(client):
    """Return the CPU time of this process and of the workers of a cluster."""
    return process_time() + sum(client.run(process_time).values())
