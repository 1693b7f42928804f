"""Runs that grow tenfold again and again: time per RoI, and what the calling process holds."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

MAPS = (10, 1, 8, 8)  # RoIs on each map, its channels, height and width
PART = 1 << 20  # RoIs that are made at once
MEASURE = """
import re, resource, sys, time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
import numpy as np
import lucid.stream.extract

def peak():
    status = open('/proc/self/status').read()
    return int(re.search('VmHWM:\\\\s*([0-9]+) kB', status)[1]) / 1024

def cpu():
    return sum(sum(resource.getrusage(who)[:2]) for who in (0, resource.RUSAGE_CHILDREN))

if __name__ == '__main__':
    way, jobs = sys.argv[1], int(sys.argv[2])
    np.ones((64, 64)) @ np.ones((64, 64))
    with ProcessPoolExecutor(jobs) if way == 'executor' else nullcontext() as executor:
        before, used, start = peak(), cpu(), time.perf_counter()
        lucid.extract('f.h5', 'f.h5', 'c.npy', output_size=1, overwrite=True, jobs=jobs,
                      memory='512M', executor=executor)
        spent = time.perf_counter() - start
    print(spent, cpu() - used, peak() - before)
"""
WAYS = (("sorted", "jobs", 1), ("shuffled", "jobs", 1), ("shuffled", "jobs", 2),
        ("shuffled", "executor", 2), ("sorted", "executor", 2))  # fmt: skip


def write_inputs(count, order):
    """Write maps, and boxes on them in the order of the maps or in any, some at a time."""
    rng = np.random.default_rng(2017)
    each, *shape = MAPS
    images = max(count // each, 1)
    with h5py.File("f.h5", "w") as file:
        maps = file.create_dataset("features", (images, *shape), np.float32)
        rois = file.create_dataset("rois", (count, 5), np.float32)
        for start in range(0, count, PART):
            rows = np.arange(start, min(start + PART, count))
            corner = rng.uniform(0, 4, (len(rows), 2))
            owner = rows // each if order == "sorted" else rng.integers(0, images, len(rows))
            rois[start : start + PART] = np.c_[np.minimum(owner, images - 1), corner, corner + 3]
        for start in range(0, images, PART):
            stop = min(start + PART, images)
            maps[start:stop] = rng.standard_normal((stop - start, *shape), np.float32)


def measure(way, jobs):
    """Return the seconds, the CPU time of all processes and the peak memory of the calling one."""
    Path("measure.py").write_text(MEASURE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "measure.py", way, str(jobs)], capture_output=True,
                          text=True, check=True, env=environment)  # fmt: skip
    return map(float, done.stdout.split())


def grow(most):
    """Print what a RoI costs where there are ten times as many of them, up to so many."""
    print(f"{'RoIs':>10} {'order':9}{'on':>10}{'seconds':>10}{'us per RoI':>12}{'us of CPU':>11}"
          f"{'peak MiB':>10}{'journal':>9}")  # fmt: skip
    with tempfile.TemporaryDirectory(dir=".") as folder:
        os.chdir(folder)
        count = 10**5
        while count <= most:
            for order, way, jobs in WAYS:
                write_inputs(count, order)
                seconds, used, peak = measure(way, jobs)
                print(f"{count:10} {order:9}{way:>8}={jobs}{seconds:10.1f}"
                      f"{seconds / count * 1e6:12.2f}{used / count * 1e6:11.2f}{peak:10.0f}"
                      f"{count / 4 / 2**20:8.1f}M", flush=True)  # fmt: skip
            count *= 10
        os.chdir("..")
