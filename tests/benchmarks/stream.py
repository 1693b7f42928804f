"""Files in, crops out: `lucid.extract` beside its parts, each done with plain NumPy and h5py."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import h5py
import numpy as np

import lucid
from lucid.models.utils import roi_align
from tests.benchmarks.workloads import boxes_inside

SCALE = 1 / 16


def seconds(call):
    """Return the time of a call."""
    start = perf_counter()
    call()
    return perf_counter() - start


def write_inputs(images, count):
    """Write maps of 256 x 50 x 68, half of them zeros, plain and compressed; and boxes on them."""
    rng = np.random.default_rng(2017)
    shape = (images, 256, 50, 68)
    with h5py.File("f.h5", "w") as file:
        plain = file.create_dataset("features", shape, np.float32)
        zipped = file.create_dataset(
            "zipped",
            shape,
            np.float32,
            chunks=(1, 32, 50, 68),
            compression="gzip",
            compression_opts=1,
        )
        for k in range(images):
            plain[k] = zipped[k] = np.maximum(rng.standard_normal(shape[1:], np.float32), 0)
    boxes = boxes_inside(rng, count, 800, 1088, 16, 720)
    owner = np.sort(rng.integers(0, images, count))
    np.save("r.npy", np.column_stack([owner, boxes]).astype(np.float32))


def in_parts(dataset):
    """Return the times of reading the maps, computing in memory, and writing the crops' bytes."""
    read = cut = 0.0
    rois = np.load("r.npy")
    crops = np.empty((len(rois), 256, 7, 7), np.float32)
    crops[:] = 0
    with h5py.File("f.h5") as file:
        for image in range(len(file[dataset])):
            start = perf_counter()
            features = file[dataset][image]
            read += perf_counter() - start
            rows = np.flatnonzero(rois[:, 0] == image)
            table = rois[rows]
            table[:, 0] = 0
            start = perf_counter()
            crops[rows] = roi_align(features[None], table, 7, SCALE)
            cut += perf_counter() - start

    def write():
        with Path("plain.npy").open("wb") as stream:
            stream.write(crops.data)
            os.fdatasync(stream.fileno())

    return read, cut, seconds(write)


def extract(dataset, jobs):
    """Write the crops of the boxes with so many processes, started from a process that has none."""
    lucid.extract(
        f"f.h5::{dataset}", "r.npy", "c.npy", spatial_scale=SCALE, jobs=jobs, overwrite=True
    )


def compare(rounds):
    """Print what a run takes beside the sum of its parts, and on two processes."""
    lucid.set_num_threads(1)
    print(f"{'features':10}{'read':>8}{'compute':>9}{'write':>8}{'sum':>8}{'1 job':>8}{'/ sum':>7}"
          f"{'/ read + write':>16}{'2 jobs':>8}{'gain':>7}   seconds")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_inputs(100, 10_000)
        for dataset in ("features", "zipped"):
            parts, one, two = [], [], []
            for _ in range(max(rounds // 2, 3)):
                parts.append(in_parts(dataset))
                one.append(seconds(lambda name=dataset: extract(name, 1)))
                two.append(seconds(lambda name=dataset: extract(name, 2)))
            read, cut, write = (median(part) for part in zip(*parts, strict=True))
            total, single, double = median(map(sum, parts)), median(one), median(two)
            print(f"{dataset:10}{read:8.2f}{cut:9.2f}{write:8.2f}{total:8.2f}{single:8.2f}"
                  f"{single / total:7.2f}{single / (read + write):16.2f}"
                  f"{double:8.2f}{single / double:7.2f}")  # fmt: skip
        for what in (["--help"], ["extract", "--features", "f.h5", "--rois", "one.npy", "-q"]):
            np.save("one.npy", np.load("r.npy")[:1])
            command = [Path(sys.executable).parent / "lucid-roialign", *what]
            times = [seconds(lambda line=command: run_command(line)) for _ in range(rounds)]
            print(f"{'a start with ' + what[0]:24}{median(times):8.2f} seconds")
        os.chdir("/")


def run_command(command):
    """Run a command; an output of the one before is in nobody's way."""
    Path("crops.h5").unlink(missing_ok=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
