"""Relatives of RoIAlign: how long each takes beside what it is to be measured by, in turns.

All that is compared takes turns in one process, on one thread, call by call. Times are those of the
processor, so that what else the machine does counts less; the least stands beside the median.
"""

import math
import os
import sys
from functools import partial
from statistics import median
from time import process_time

import numpy as np

from tests.benchmarks.core import KEPT, ROOT
from tests.benchmarks.workloads import boxes_inside, workload

WORKLOADS = ("W2", "W4")
ENGINES = ("numpy", "compiled")
VOLUMES = (1, 64, 48, 96, 96), 200, 7  # of a volume, its RoIs, bins of a side
STRIDES = (4, 8, 16, 32)
PART = 50
ALIGN = {  # beside size, scale and alignment; whose time is at most so many times that of ratio 2
    "limit": ({"sampling_ratio": math.inf}, (1.2, 1.2)),
    "max": ({"sampling_ratio": 2, "mode": "max"}, (2.5, 1.5)),
    "renormalize": ({"sampling_ratio": 2, "outside": "renormalize"}, None),
}
POOLS = {"prroi_pool": (1.2, 1.2), "roi_pool": None, "ps_roi_align": None, "ps_roi_pool": None}


def compare(names, rounds):
    """Print how many times as long operators take, or how many times as fast they are."""
    if not os.environ.keys() >= KEPT.keys():  # of which the C library asks when it starts
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | KEPT)
    from lucid import set_engine, set_num_threads

    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, str(ROOT / "tests"))
    set_num_threads(1)
    print(f"{'workload':10}{'engine':10}{'operator':17}{'CPU ms':>8}{'least':>8}"
          f"  {'ratio':>6}{'least':>7}{'bar':>8}")  # fmt: skip
    for name in [each for each in names if each in WORKLOADS]:
        for number, engine in enumerate(ENGINES):
            set_engine(engine)
            show(name, engine, number, *of_align(workload(name)), rounds)
            show(name, engine, number, *of_turned(workload(name)), rounds)
    for number, engine in enumerate(ENGINES):
        set_engine(engine)
        show("pyramid", engine, number, *of_pyramid(workload("W4")), rounds)
        show("volume", engine, number, *of_volumes(), rounds)
    set_engine("auto")


def show(name, engine, number, calls, ratios, rounds):
    """Measure calls, and print them with ratios: (of what, by what, bars of engines)."""
    times = {each: [] for each in calls}
    for turn in range(rounds + 1):
        for each, call in calls.items():
            start = process_time()
            call()
            times[each] += [process_time() - start] if turn else []
    for each, own in times.items():
        print(f"{name:10}{engine:10}{each:17}{median(own) * 1e3:8.1f}{min(own) * 1e3:8.1f}", end="")
        for other, kind, bars in ratios.get(each, ()):
            sign, power = (">=", -1) if kind == "speed" else ("<=", 1)
            middle, least = ((how(own) / how(times[other])) ** power for how in (median, min))
            bar = f"{sign} {bars[number]:g}" if bars else ""
            print(f"  {middle:6.2f}{least:7.2f}{bar:>8} {kind} of {other}", end="")
        print(flush=True)


def of_align(work):
    """Return upright operators as functions without arguments, and what they are measured by."""
    from lucid.models import utils

    features, rois, size, scale, _, aligned = work
    align = partial(utils.roi_align, features, rois, size, scale, aligned=aligned)
    calls = {"ratio 2": partial(align, sampling_ratio=2)}
    calls |= {name: partial(align, **options) for name, (options, _) in ALIGN.items()}
    parts = features[:, : features.shape[1] // math.prod(size) * math.prod(size)]
    for name in POOLS:
        maps = parts if name.startswith("ps") else features
        calls[name] = partial(getattr(utils, name), maps, rois, size, scale)
    bars = {name: bars for name, (_, bars) in ALIGN.items()} | POOLS
    ratios = {name: [("ratio 2", "time", own)] for name, own in bars.items()}
    return calls | onnxruntime_s_max(work), ratios


def onnxruntime_s_max(work):
    """Return that of onnxruntime, which reads the same samples, but makes other maxima of them."""
    import peers

    if "onnxruntime" not in peers.installed():
        note("onnxruntime's max is not measured: onnx and onnxruntime are not installed")
        return {}
    return {"onnxruntime max": partial(peers.onnxruntime, *work, mode="max")}


def of_turned(work):
    """Return rotated operators on the same boxes, each turned by an angle."""
    import peers
    from operator_oracles import fancy_rotated

    from lucid.models import utils

    features, rois, size, scale, ratio, aligned = work
    low, high = rois[:, 1:3], rois[:, 3:]
    angles = np.random.default_rng(2018).uniform(-180, 180, len(rois))
    turned = np.column_stack([rois[:, 0], (low + high) / 2, high - low, angles]).astype("f4")
    arguments = features, turned, size, scale, ratio
    calls = {
        "ratio 2": partial(utils.roi_align, features, rois, size, scale, ratio, aligned),
        "fancy rotated": partial(fancy_rotated, *arguments, aligned),
        "rotated": partial(utils.roi_align_rotated, *arguments, aligned),
    }
    speed, twice = ("fancy rotated", "speed", (3, 10)), ("ratio 2", "time", (math.inf, 2))
    if "openvino" in peers.installed():
        theirs = turned * np.array([1, 1, 1, 1, 1, math.pi / 180], np.float32)
        few = theirs[::PART]  # it takes half a minute for all
        run = partial(peers.openvino_rotated, features, few, size, scale, ratio, False)
        calls["OpenVINO, 1 in 50"] = run
    else:
        note("OpenVINO's ROIAlignRotated is not measured: openvino is not installed")
    return calls, {
        "rotated": [speed, twice],
        "OpenVINO, 1 in 50": [("rotated", "time", None)],
    }


def of_pyramid(work):
    """Return pooling from a pyramid, and pooling each level's RoIs on its map."""
    from lucid.models import utils

    features, rois, size, _, ratio, aligned = work
    rng, scales = np.random.default_rng(2019), [1 / stride for stride in STRIDES]
    height, width = (side * STRIDES[0] for side in features.shape[2:])
    maps = [features] + [
        rng.standard_normal((*features.shape[:2], height // stride, width // stride), np.float32)
        for stride in STRIDES[1:]
    ]
    levels = utils.assign_levels(rois[:, 1:], scales)
    pool = utils.MultiScaleROIAlign(size, ratio, aligned=aligned)
    parts = [rois[levels == level] for level in range(len(maps))]

    def apart():
        for own, table, scale in zip(maps, parts, scales, strict=True):
            utils.roi_align(own, table, size, scale, ratio, aligned)

    calls = {"its levels": apart, "pyramid": partial(pool, maps, rois, scales)}
    return calls, {"pyramid": [("its levels", "time", (1.1, 1.1))]}


def of_volumes():
    """Return RoIAlign in three dimensions, and fancy indexing."""
    from operator_oracles import fancy_volume

    from lucid.models import utils

    shape, count, bins = VOLUMES
    rng = np.random.default_rng(2017)
    features, sides = rng.standard_normal(shape, np.float32), shape[2:]
    flat = boxes_inside(rng, count, *sides[1:], 4, 0.9 * min(sides[1:]))
    length = np.exp(rng.uniform(np.log(4), np.log(0.9 * sides[0]), count))
    low = rng.uniform(0, sides[0] - length)
    x1, y1, x2, y2 = flat.T
    rois = np.column_stack([np.zeros(count), x1, y1, low, x2, y2, low + length]).astype("f4")
    arguments = features, rois, (bins, bins, bins), 1.0, 2
    calls = {
        "fancy 3-D": partial(fancy_volume, *arguments),
        "3-D": partial(utils.roi_align_3d, *arguments),
    }
    return calls, {"3-D": [("fancy 3-D", "speed", (5, 5))]}


def note(text):
    """Print what is not measured."""
    print(f"  {text}", flush=True)
