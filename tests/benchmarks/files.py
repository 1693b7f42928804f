"""Many small maps: in one array, in a dataset for each, in a file for each."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import h5py
import numpy as np

SHAPE = (1, 256, 7, 7)
FORMS = {
    "one .npy": "all.npy",
    ".npy each": "npy/{id}.npy",
    "one HDF5": "all.h5::features",
    "dataset each": "each.h5::{id}",
    "HDF5 each": "h5/{id}.h5::features",
}
MEASURE = """
import re, resource, sys, lucid, lucid.stream.extract
from time import perf_counter
used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
lucid.extract(sys.argv[1], "one.npy", "c.npy", overwrite=True, jobs=1, dry_run=True)
cpu, wall = used(), perf_counter()
lucid.extract(sys.argv[1], "r.npy", "c.npy", overwrite=True, jobs=1)
print(perf_counter() - wall, used() - cpu, peak())
"""


def write_inputs(images):
    """Write the same maps in each form, and a RoI on each."""
    rng = np.random.default_rng(2017)
    for folder in ("npy", "h5"):
        Path(folder).mkdir()
    maps = rng.standard_normal((images, *SHAPE[1:]), np.float32)
    np.save("all.npy", maps)
    with h5py.File("all.h5", "w") as one, h5py.File("each.h5", "w") as each:
        one["features"] = maps
        for k, features in enumerate(maps):
            each[f"{k:06}"] = features
            np.save(f"npy/{k:06}.npy", features[None])
            with h5py.File(f"h5/{k:06}.h5", "w") as file:
                file["features"] = features[None]
    np.save("r.npy", np.array([[k, 0, 0, 6, 6] for k in range(images)], np.float32))
    np.save("one.npy", np.array([[0, 0, 0, 6, 6]], np.float32))


def measured(spec):
    """Return wall and CPU seconds of a run in a process of its own, and its peak in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, spec], capture_output=True, text=True, check=True
    )
    return tuple(map(float, done.stdout.split()))


def compare(rounds, images=(2_000, 20_000)):
    """Print what runs take on the same maps in each form."""
    print(
        f"{'maps':>7}  {'form':14}{'wall s':>8}{'/ one':>7}{'CPU s':>8}{'/ one':>7}{'peak MiB':>10}"
    )
    for count in images:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            write_inputs(count)
            _compare(count, max(rounds // 3, 1))
            os.chdir("/")


def _compare(count, rounds):
    times = {name: [] for name in FORMS}
    for _ in range(rounds):
        for name, spec in FORMS.items():
            times[name].append(measured(spec))
    for name, runs in times.items():
        wall, cpu, peak = (median(part) for part in zip(*runs, strict=True))
        if name.startswith("one"):
            ones = wall, cpu
        print(f"{count:7}  {name:14}{wall:8.2f}{wall / ones[0]:7.2f}{cpu:8.2f}"
              f"{cpu / ones[1]:7.2f}{peak:10.0f}", flush=True)  # fmt: skip
