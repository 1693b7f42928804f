"""Relatives of RoIAlign: how long each takes beside what it is to be measured by, in turns.

All that is compared takes turns in one process, on one thread, call by call; what empties caches,
as fancy indexing and other implementations do, takes turns of its own. Times are those of the
processor, so that what else the machine does counts less; the least stands beside the median.

On W2 the limit and prroi_pool read 1.5 times the cells of ratio 2 and make 1.7 times the products,
and write as much. Of the time that ratio 2 spends in C, two fifths are for writing crops, so that
1.3 times as much is about the least that compiled code can take; 1.4 was measured.

The bar of the exact integrals (limit, prroi_pool) on W4, where bins are large, is out of reach of
what reads each touched cell once: these are 4.59 million of each channel, 9.3 times those of ratio
2, with 8.0 times the multiplications (W2: 1.5 and 1.7 times), as `counts` counts. Neighbouring bins
share the passes along rows and columns: a row of cells is weighted for 1.13 bins. Of 256 channels
these are 4.7 GB. One core of the machine that this was measured on reads 13 GB/s from memory and
33 GB/s from its own cache (`x.dot(x)` of 256 MB and of 256 KB), so 140 ms for that alone, and all
of ratio 2 takes 65 to 85 ms. Fewer cells would be read from sums of blocks of them, made before;
then results would be rounded in another way.
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
        note_counts(name, workload(name))
        for number, engine in enumerate(ENGINES):
            set_engine(engine)
            work = workload(name)
            for calls in of_align(work), of_onnxruntime(work), of_turned(work), of_others(work):
                show(name, engine, number, *calls, rounds)
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
    return calls, ratios


def of_onnxruntime(work):
    """Return its max, which reads the same samples, but makes other maxima of them."""
    import peers

    if "onnxruntime" not in peers.installed():
        note("onnxruntime's max is not measured: onnx and onnxruntime are not installed")
        return {}, {}
    return {"onnxruntime max": partial(peers.onnxruntime, *work, mode="max")}, {}


def turned(work):
    """Return the boxes of a workload, each turned by an angle."""
    low, high = work.rois[:, 1:3], work.rois[:, 3:]
    angles = np.random.default_rng(2018).uniform(-180, 180, len(low))
    return np.column_stack([work.rois[:, 0], (low + high) / 2, high - low, angles]).astype("f4")


def of_turned(work):
    """Return rotated and upright operators."""
    from lucid.models import utils

    features, _, *options = work
    calls = {
        "ratio 2": partial(utils.roi_align, *work),
        "rotated": partial(utils.roi_align_rotated, features, turned(work), *options),
    }
    return calls, {"rotated": [("ratio 2", "time", (math.inf, 2))]}


def of_others(work):
    """Return the rotated operator, and others of it."""
    import peers
    from operator_oracles import fancy_rotated

    from lucid.models import utils

    features, _, size, scale, ratio, aligned = work
    arguments = features, turned(work), size, scale, ratio
    calls = {
        "fancy rotated": partial(fancy_rotated, *arguments, aligned),
        "rotated": partial(utils.roi_align_rotated, *arguments, aligned),
    }
    if "openvino" in peers.installed():
        theirs = arguments[1] * np.array([1, 1, 1, 1, 1, math.pi / 180], np.float32)
        few = theirs[::PART]  # it takes half a minute for all
        run = partial(peers.openvino_rotated, features, few, size, scale, ratio, False)
        calls["OpenVINO, 1 in 50"] = run
    else:
        note("OpenVINO's ROIAlignRotated is not measured: openvino is not installed")
    return calls, {
        "rotated": [("fancy rotated", "speed", (3, 10))],
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


def note_counts(name, work):
    """Print how much more the limit reads and multiplies than ratio 2."""
    features, rois, size, scale, _, aligned = work
    (cells, products), (own, fewer) = (
        counts(features, rois, size, scale, ratio, aligned) for ratio in (math.inf, 2)
    )
    note(
        f"{name}: of a channel, the limit reads {cells:,} cells, {cells / own:.1f} times those of "
        f"ratio 2, and makes {products / fewer:.1f} times the multiplications"
    )


def counts(features, rois, size, scale, ratio, aligned):
    """Return how many cells of a channel are read, and how many products made of them."""
    from lucid.roi import lay_out
    from lucid.roi.operators import roi_align_of

    operator = roi_align_of(size, scale, ratio, aligned=aligned)
    geometry = lay_out(rois[:, 1:].astype(np.float64), operator, features.shape[2:], features.dtype)
    taps, K = operator.taps(geometry, slopes=False), len(rois)
    last = geometry.size.ravel()[taps.line] - 1
    cells = np.minimum(taps.cell + np.arange(len(taps.weights))[:, None], last)
    read = np.unique(
        np.array([taps.line + 0 * cells, taps.bin + 0 * cells, cells]).reshape(3, -1), axis=1
    )
    terms = np.bincount(read[0], minlength=2 * K)
    rows, columns = np.bincount(np.unique(read[::2], axis=1)[0], minlength=2 * K).reshape(2, K)
    return (rows * columns).sum(), (terms[:K] * columns + terms[K:] * geometry.pooled[0]).sum()


def note(text):
    """Print what is to be known beside the figures."""
    print(f"  {text}", flush=True)
