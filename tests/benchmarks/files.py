"""Many small maps: in one array, in one array of each container, in an array or a file for each."""

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import h5py
import numpy as np

from tests import torch_files

WORKLOADS = {
    "256 x 7 x 7": ((256, 7, 7), (5_000, 20_000), 1),
    "2048 x 7 x 7": ((2048, 7, 7), (1_000,), 36),
    "1024 x 38 x 50": ((1024, 38, 50), (60,), 36),
}  # channels and cells of a map, how many maps there are, and RoIs on each
FORMS = {
    "one .npy": "all.npy",
    ".npy each": "npy/{id}.npy",
    "one HDF5": "all.h5::features",
    "dataset each": "each.h5::{id}",
    "HDF5 each": "h5/{id}.h5::features",
    "one .npz": "all.npz::features",
    ".npz each": "npz/{id}.npz",
    "packed each": "packed/{id}.npz",
    "one safetensors": "all.safetensors",
    "safetensors each": "safetensors/{id}.safetensors",
    "one .pt": "all.pt",
    ".pt each": "pt/{id}.pt",
    "zarr": "all.zarr",
}
BASES = {
    ".npz each": ".npy each",
    "safetensors each": ".npy each",
    "HDF5 each": "one HDF5",
    "dataset each": "one HDF5",
    ".pt each": ".npy each",
    "packed each": "np.load + one",
    "zarr": "zarr + one",
}  # what a form is held against, if not against one .npy file
LOOPS = {
    "np.load": "import glob, numpy; work = lambda: [numpy.load(path)['features'].shape"
    " for path in glob.glob('packed/*')]",
    "zarr": "import zarr; maps = zarr.open_group('all.zarr', mode='r')['features']; work = lambda:"
    " [maps[k : k + maps.chunks[0]].shape for k in range(0, maps.shape[0], maps.chunks[0])]",
}  # of the same maps, without lucid
EXTRACT = """
import sys, lucid, lucid.stream.extract
run = lambda rois, **options: lucid.extract(
    sys.argv[1], rois, "c.npy", overwrite=True, jobs=1, reduce=sys.argv[2] or None, **options)
run("one.npy", dry_run=True)
work = lambda: run("r.npy")
"""
MEASURE = r"""
import re, resource
from pathlib import Path
from time import perf_counter
used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
cpu, wall = used(), perf_counter()
work()
peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(perf_counter() - wall, used() - cpu, peak)
"""


def write_inputs(images, shape, rois):
    """Write the same maps in each form, and RoIs on each."""
    rng = np.random.default_rng(2017)
    for folder in ("npy", "h5", "npz", "packed", "safetensors", "pt"):
        Path(folder).mkdir()
    maps = np.maximum(rng.standard_normal((images, *shape), np.float32), 0)
    np.save("all.npy", maps)
    np.savez("all.npz", features=maps)
    save_safetensors("all.safetensors", maps)
    torch_files.save("all.pt", {"features": maps})
    with h5py.File("all.h5", "w") as one, h5py.File("each.h5", "w") as each:
        one["features"] = maps
        for k, features in enumerate(maps):
            each[f"{k:06}"] = features
            save_each(f"{k:06}", features[None])
    if find_spec("zarr"):
        import zarr

        chunks = (max((3 << 20) // maps[0].nbytes, 1), *shape)
        zarr.open_group("all.zarr", mode="w").create_array("features", data=maps, chunks=chunks)
    _, height, width = shape
    box = rng.uniform(0, 1, (images * rois, 2, 2)) * (width - 1, height - 1)
    corners = np.sort(box, axis=1).reshape(-1, 4)
    table = np.column_stack([np.repeat(np.arange(images), rois), corners])
    np.save("r.npy", table.astype(np.float32))
    np.save("one.npy", np.array([[0, 0, 0, 6, 6]], np.float32))


def save_each(name, features):
    """Write a map in a file of each format."""
    np.save(f"npy/{name}.npy", features)
    np.savez(f"npz/{name}.npz", features=features)
    np.savez_compressed(f"packed/{name}.npz", features=features)
    save_safetensors(f"safetensors/{name}.safetensors", features)
    torch_files.save(f"pt/{name}.pt", {"features": features}, folder=name)
    with h5py.File(f"h5/{name}.h5", "w") as file:
        file["features"] = features


def save_safetensors(path, features):
    """Write an array as the safetensors package does."""
    about = {"dtype": "F32", "shape": features.shape, "data_offsets": [0, features.nbytes]}
    header = json.dumps({"features": about}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(memoryview(features).cast("B"))


def measured(setup, *arguments):
    """Return wall and CPU seconds of work in a process of its own, and its peak in MiB."""
    command = [sys.executable, "-c", setup + MEASURE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(map(float, done.stdout.split()))


def compare(rounds, workloads=WORKLOADS):
    """Print what runs take on the same maps in each form."""
    head = f"{'maps':>7}  {'form':17}{'wall s':>8}{'CPU s':>8}{'ratio':>7}"
    for name, (shape, counts, rois) in workloads.items():
        print(f"{name}, RoIs on each: {rois}\n{head}  {'to':16}{'peak MiB':>10}")
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                write_inputs(count, shape, rois)
                _compare(count, max(rounds // 3, 1), "" if rois == 1 else "mean")
                os.chdir("/")


def _compare(count, rounds, reduce):
    """Print medians of interleaved rounds; ratios are those of CPU time."""
    forms = {name: spec for name, spec in FORMS.items() if name != "zarr" or find_spec("zarr")}
    loops = {name: loop for name, loop in LOOPS.items() if name != "zarr" or find_spec("zarr")}
    times = {name: [] for name in [*forms, *loops]}
    for _ in range(rounds):
        for name, spec in forms.items():
            times[name].append(measured(EXTRACT, spec, reduce))
        for name, loop in loops.items():
            times[name].append(measured(loop))
    medians = {name: [median(part) for part in zip(*runs, strict=True)]
               for name, runs in times.items()}  # fmt: skip
    one = medians["one .npy"]
    for name in loops:
        medians[f"{name} + one"] = [a + b for a, b in zip(medians[name], one, strict=True)]
    for name in forms:
        base = BASES.get(name, "one .npy")
        wall, cpu, peak = medians[name]
        print(f"{count:7}  {name:17}{wall:8.2f}{cpu:8.2f}{cpu / medians[base][1]:7.2f}"
              f"  {base:16}{peak:10.0f}", flush=True)  # fmt: skip
