"""How long relatives of RoIAlign take beside it, in turns, on one thread."""

import math
from statistics import median
from time import process_time

from tests.benchmarks.workloads import workload

OPTIONS = {  # beside size, scale and alignment
    "ratio 2": {"sampling_ratio": 2},
    "limit": {"sampling_ratio": math.inf},
    "prroi_pool": None,
    "max": {"sampling_ratio": 2, "mode": "max"},
    "renormalize": {"sampling_ratio": 2, "outside": "renormalize"},
    "roi_pool": None,
}


def compare(names, rounds):
    """Print the CPU time of each operator by both engines, and how many times that of ratio 2."""
    from lucid import set_engine, set_num_threads

    set_num_threads(1)
    print(f"{'workload':10}{'engine':10}{'operator':14}{'CPU ms':>9}{'ratio':>8}")
    for name in names:
        work = workload(name)
        for engine in ("numpy", "compiled"):
            set_engine(engine)
            calls = {each: call_of(each, work) for each in OPTIONS}
            times = {each: [] for each in calls}
            for _ in range(rounds + 1):
                for each, call in calls.items():
                    start = process_time()
                    call()
                    times[each].append(process_time() - start)
            first = median(times["ratio 2"][1:])
            for each, own in times.items():
                took = median(own[1:])
                print(f"{name:10}{engine:10}{each:14}{took * 1e3:9.1f}{took / first:8.2f}",
                      flush=True)  # fmt: skip


def call_of(each, work):
    """Return an operator on a workload as a function without arguments."""
    from lucid.models import utils

    features, rois, size, scale, _, aligned = work
    options = OPTIONS[each]
    if options is None:
        return lambda: getattr(utils, each)(features, rois, size, scale)
    return lambda: utils.roi_align(features, rois, size, scale, aligned=aligned, **options)
