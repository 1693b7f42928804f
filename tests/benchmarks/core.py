"""RoIAlign on arrays: lucid beside other implementations, and its gradients beside it.

Each implementation is a process of its own with its number of threads, on the same seeded arrays,
NumPy in and NumPy out, the result allocated by the call. They take turns, one call each, so that
what else the machine does meets all of them. The C library is told to keep freed memory, and NumPy
to ask for no huge pages, in all of them: the first touch of fresh pages, which costs whoever
returns a large array, would hide the kernels' times.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

from tests.benchmarks.workloads import workload

ROOT = Path(__file__).parents[2]
KEPT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "NUMPY_MADVISE_HUGEPAGE": "0",
}
SHOWN = 1 << 18  # values of crops that are compared
BACKWARD = "torchvision's gradient"  # of the features
CALLS = {"W1": 100}  # in a turn, where one is short


class Turns:
    """An implementation in a process of its own."""

    def __init__(self, implementation, name, threads, checkout=ROOT):
        code = "from tests.benchmarks.core import serve; serve()"
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=os.environ | KEPT | dict.fromkeys(variables, str(threads)),
        )
        self.cpu = []
        self.crops = self._ask((implementation, name, str(checkout)))

    def seconds(self):
        """Return the time of one call; that of the processor is kept."""
        wall, cpu = self._ask("again")
        self.cpu.append(cpu)
        return wall

    def _ask(self, what):
        pickle.dump(what, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def end(self):
        """End the process."""
        self._process.communicate()


def serve():
    """Be one implementation: show some crops, then tell the time of a call whenever asked."""
    sys.path.insert(0, str(ROOT / "tests"))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    implementation, name, checkout = pickle.load(sys.stdin.buffer)
    sys.path.insert(0, checkout)  # whose lucid is imported
    call, calls = calls_of(implementation, workload(name)), CALLS.get(name, 1)
    crops = call()
    answer = crops.ravel()[:: max(crops.size // SHOWN, 1)].copy()
    del crops
    for _ in range(2):
        call()
    try:
        while True:
            pickle.dump(answer, answers)
            answers.flush()
            pickle.load(sys.stdin.buffer)
            start, cpu = perf_counter(), process_time()
            for _ in range(calls):
                call()
            answer = (perf_counter() - start) / calls, (process_time() - cpu) / calls
    except EOFError:
        return


def calls_of(implementation, arguments):
    """Return an implementation as a function without arguments."""
    if implementation == "numpy engine":
        from lucid import set_engine

        set_engine("numpy")
    if implementation in ("lucid", "numpy engine"):
        from lucid.models.utils import roi_align

        return lambda: roi_align(*arguments)
    if implementation in ("features", "boxes"):
        return gradient_of(implementation, *arguments)
    if implementation == "overhead":  # the same call, with next to nothing to compute
        from lucid.models.utils import roi_align

        small = arguments._replace(features=arguments.features[:, :1, :2, :2].copy())
        return lambda: roi_align(*small)
    import peers

    if implementation == BACKWARD:
        g = np.ones(calls_of("lucid", arguments)().shape, np.float32)
        return lambda: peers.torchvision_gradient(g, *arguments)
    return lambda: getattr(peers, implementation)(*arguments)


def gradient_of(what, features, rois, *operator):
    """Return the gradient of features or boxes as a function without arguments."""
    from lucid import roi

    table = roi.as_rois(rois, len(features))
    fixed = getattr(roi, "RoiAlign", roi.Operator).checked(*operator)  # the name before it
    g = np.ones((len(rois), features.shape[1], *fixed.output_size), np.float32)
    call = roi.pool_adjoint if what == "features" else roi.box_gradient
    return lambda: call(g, features, table, fixed)


def compare_checkouts(names, threads, rounds, other):
    """Print how long crops and gradients take here and in another checkout, in turns."""
    print(f"{'workload':10}{'threads':>8}  {'what':10}{'ms':>9}{'before':>9}{'ratio':>8}"
          f"{'least':>9}{'before':>9}{'ratio':>8}   bits")  # fmt: skip
    each = [(name, count, "lucid") for name in names for count in threads]
    each += [(name, 1, what) for name in names for what in ("features", "boxes")]
    for name, count, what in each:
        turns = [Turns(what, name, count, checkout) for checkout in (ROOT, Path(other).resolve())]
        times = [[], []]
        for _ in range(rounds):
            for turn, own in zip(turns, times, strict=True):
                own.append(turn.seconds() * 1e3)
        (now, before), (least, least_before) = map(median, times), map(min, times)
        same = "same" if np.array_equal(*(turn.crops for turn in turns)) else "others"
        print(f"{name:10}{count:8}  {what.replace('lucid', 'crops'):10}{now:9.2f}{before:9.2f}"
              f"{now / before:8.2f}{least:9.2f}{least_before:9.2f}{least / least_before:8.2f}"
              f"   {same}", flush=True)  # fmt: skip
        for turn in turns:
            turn.end()


def compare(names, threads, rounds):
    """Print a line for each workload, number of threads and implementation."""
    sys.path.insert(0, str(ROOT / "tests"))
    import peers

    print(f"{'workload':10}{'threads':>8}  {'implementation':16}{'ms':>9}{'ratio':>8}"
          f"{'least':>10}{'ratio':>8}{'CPU ms':>9}{'ratio':>8}{'differs':>10}")  # fmt: skip
    for name in names:
        for count in threads:
            which = [
                "lucid",
                "numpy engine",
                *peers.installed(),
                *(["overhead"] if name == "W1" else []),
            ]
            turns = {each: Turns(each, name, count) for each in which}
            times = {each: [] for each in which}
            for _ in range(rounds):
                for each in which:
                    times[each].append(turns[each].seconds())
            ours, our_least = median(times["lucid"]), min(times["lucid"])
            our_cpu = median(turns["lucid"].cpu)
            for each in which:
                own, least, difference = median(times[each]), min(times[each]), ""
                cpu = median(turns[each].cpu)
                if turns[each].crops.shape == turns["lucid"].crops.shape:
                    difference = f"{np.abs(turns[each].crops - turns['lucid'].crops).max():.0e}"
                print(f"{name:10}{count:8}  {each:16}{own * 1e3:9.2f}{own / ours:8.2f}"
                      f"{least * 1e3:10.2f}{least / our_least:8.2f}"
                      f"{cpu * 1e3:9.2f}{cpu / our_cpu:8.2f}{difference:>10}",
                      flush=True)  # fmt: skip
                turns[each].end()


def gradients(names, rounds):
    """Print how long the gradients take beside the crops, and torchvision's of the features.

    All are on one thread, so times are those of the processor: what else runs does not count.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    import peers

    which = ["lucid", "features", "boxes", *({"torchvision"} & {*peers.installed()})]
    print(f"{'workload':10}{'crops ms':>10}{'features ms':>13}{'ratio':>7}{'boxes ms':>10}"
          f"{'ratio':>7}{'torchvision ms':>16}{'ratio':>7}   ratios of the least")  # fmt: skip
    for name in names:
        turns = [Turns(each.replace("torchvision", BACKWARD), name, 1) for each in which]
        for _ in range(rounds):
            for turn in turns:
                turn.seconds()
        crops, *others = ([median(turn.cpu) * 1e3, min(turn.cpu) * 1e3] for turn in turns)
        line, least = f"{name:10}{crops[0]:10.1f}", ""
        for width, own, base in zip((13, 10, 16), others, (crops, crops, others[0]), strict=False):
            line += f"{own[0]:{width}.1f}{own[0] / base[0]:7.2f}"
            least += f"{own[1] / base[1]:7.2f}"
        print(line + "   " + least, flush=True)
        if len(others) > 2:
            np.testing.assert_allclose(turns[3].crops, turns[1].crops, rtol=1e-3, atol=1e-2)
        for turn in turns:
            turn.end()
