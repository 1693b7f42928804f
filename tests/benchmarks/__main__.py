"""How fast the core is beside other implementations: `python -m tests.benchmarks`.

Every implementation gets NumPy arrays and gives NumPy arrays, on one thread, in runs that take
turns; the figures are medians, the ratio is theirs to ours.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from lucid.models.utils import roi_align

sys.path.insert(0, str(Path(__file__).parent.parent))

import oracles
import peers

from tests.benchmarks.workloads import workloads

ROUNDS = 7


def implementations(ratio):
    """Return what can run here, ours first."""
    found = {"lucid": roi_align}
    if ratio > 0:
        found["fancy indexing"] = oracles.fancy
    if find_spec("onnx") and find_spec("onnxruntime"):
        found["onnxruntime"] = peers.onnxruntime_roi_align
    return found


def seconds(function, arguments):
    """Return the time of one call."""
    start = perf_counter()
    function(*arguments)
    return perf_counter() - start


def main():
    """Print a line for each workload and implementation."""
    print(f"{'workload':28}{'implementation':18}{'ms':>8}{'ratio':>8}{'difference':>12}")
    for name, *arguments in workloads():
        found = implementations(arguments[4])
        crops = {which: function(*arguments) for which, function in found.items()}
        times = {which: [] for which in found}
        for _ in range(ROUNDS):
            for which, function in found.items():
                times[which].append(seconds(function, arguments))
        for which in found:
            own, ours = median(times[which]), median(times["lucid"])
            difference = np.abs(crops[which] - crops["lucid"]).max()
            print(f"{name:28}{which:18}{own * 1e3:8.1f}{own / ours:8.2f}{difference:12.1e}")


if __name__ == "__main__":
    main()
