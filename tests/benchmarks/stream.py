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
          f"{'2 jobs':>8}{'gain':>7}   seconds")  # fmt: skip
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
                  f"{single / total:7.2f}{double:8.2f}{single / double:7.2f}")  # fmt: skip
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


def grow():
    """Print time and peak memory of runs that grow tenfold twice, in RoIs and in maps."""
    print(
        f"{'maps':>8}{'RoIs':>10}{'seconds':>9}{'us per RoI':>12}{'peak MiB beyond libraries':>28}"
    )
    measure = (
        "import re, time, numpy as np, lucid, lucid.stream.extract\n"
        "np.ones((64, 64)) @ np.ones((64, 64))\n"
        "status = lambda: open('/proc/self/status').read()\n"
        "peak = lambda: int(re.search('VmHWM:\\s*([0-9]+) kB', status())[1]) / 1024\n"
        "before, start = peak(), time.perf_counter()\n"
        "lucid.extract('g.h5', 'g.h5', 'c.npy', output_size=2, overwrite=True, jobs=1,"
        " memory='128M')\n"
        "print(time.perf_counter() - start, peak() - before)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        rng = np.random.default_rng(2017)
        for images, count in ((1000, 10**4), (10**4, 10**5), (10**5, 10**6)):
            corner = rng.uniform(0, 4, (count, 2))
            table = np.c_[rng.integers(0, images, count), corner, corner + 3]
            with h5py.File("g.h5", "w") as file:
                file["features"] = rng.standard_normal((images, 16, 8, 8), np.float32)
                file["rois"] = table.astype(np.float32)
            done = subprocess.run([sys.executable, "-c", measure], capture_output=True, text=True,
                                  check=True)  # fmt: skip
            spent, peak = map(float, done.stdout.split())
            print(
                f"{images:8}{count:10}{spent:9.2f}{spent / count * 1e6:12.1f}{peak:28.0f}",
                flush=True,
            )
        os.chdir("/")
