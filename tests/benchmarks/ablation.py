"""What each form of the NumPy engine brings: the time without it, as a multiple of that with all.

All variants take turns in one process, on one thread, call by call. Times are those of the
processor: what else runs on the machine does not count, though it may still slow it down; so the
least time stands beside the median. A form that wins 5 % nowhere is not worth its code.
"""

import os
import sys
from statistics import median
from time import process_time

import numpy as np

from tests.benchmarks.core import KEPT
from tests.benchmarks.workloads import workload

FORMS = {
    "all": {},
    "strided": {"cols_strided": False},
    "cols by bin": {"cols_by_bin": False},
    "in place": {"rows_in_place": False},
    "staged": {"staged_channels": 1 << 60},
    "scattered": {"add_scattered_factor": 1e9},
    "padding": {"padding_values": 0},
    "half batch": {"batch_bytes": 3 << 20},
}


def compare(names, rounds, forms):
    """Print a line for each workload and pass: median and least, each beside those of all forms."""
    if not os.environ.keys() >= KEPT.keys():  # of which the C library asks when it starts
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | KEPT)
    import lucid
    from lucid.roi.engines.numpy import tuning

    lucid.set_num_threads(1)
    forms = list(dict.fromkeys(["all", *forms]))
    print(f"{'without':12}{'ms':>7}" + "".join(f"{form:>13}" for form in forms[1:]))
    for name in names:
        for what, call in calls(name):
            times = {form: [] for form in forms}
            for _ in range(rounds + 1):
                for form in forms:
                    tuning.current = tuning.Tuning(**FORMS[form])
                    start = process_time()
                    call()
                    times[form].append(process_time() - start)
            show(f"{name} {what}", [own[1:] for own in times.values()])


def calls(name):
    """Yield the passes of a workload as functions without arguments."""
    from lucid import roi

    features, rois, *operator = workload(name)
    table, fixed = roi.as_rois(rois, len(features)), roi.RoiAlign.checked(*operator)
    g = np.ones((len(rois), features.shape[1], *fixed.output_size), np.float32)
    yield "crops", lambda: roi.pool(features, table, fixed)
    yield "features", lambda: roi.pool_adjoint(g, features, table, fixed)
    yield "boxes", lambda: roi.box_gradient(g, features, table, fixed)


def show(title, times):
    """Print the ratios of medians and of least times to the first."""
    middle, least = median(times[0]), min(times[0])
    ratios = (f"{median(own) / middle:7.2f} {min(own) / least:5.2f}" for own in times[1:])
    print(f"{title:12}{middle * 1e3:7.0f}" + "".join(ratios), flush=True)
