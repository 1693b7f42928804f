"""Whether the compiled engine gives the bits that every build must give.

`python -m lucid.selfcheck` ends silently if it does, and else says what differs. Its inputs are
made of whole numbers, so that they are the same everywhere. A line that differs is a bug: please
report it with `lucid.show_config()`.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from lucid.roi import RoiAlign, as_rois, box_gradient, get_engine, pool, pool_adjoint, set_engine
from lucid.roi.forms import UPRIGHT, VOLUME
from lucid.roi.geometry import Operator
from lucid.roi.operator import crop_channels
from lucid.roi.operators import RoiAlign3D, RoiAlignRotated, RoiPool, ps_roi_align_of
from lucid.roi.types import Array, Floats


class Case(NamedTuple):
    """Maps and an operator; the rest follows from the seed."""

    dtype: str
    shape: tuple[int, ...]
    operator: Operator
    values: str = "plain"


ADAPTIVE = RoiAlign((3, 4), (0.5, 0.5), -1, False)
ALIGNED = RoiAlign((7, 7), (0.25, 0.5), 2, True)
APART = ps_roi_align_of((3, 4), (0.5, 0.5))
LARGEST = RoiPool((3, 4), (0.5, 0.5))
TURNED = RoiAlignRotated((3, 4), (0.5, 0.5), -1, True, "degrees", False)
SOLID_MAX = RoiAlign3D.checked((2, 3, 4), 0.5, max_samples=9, mode="max")
TURNED_MAX = RoiAlignRotated.checked((3, 4), 0.5, mode="max")
CASES = {
    "float16": Case("f2", (2, 9, 14, 11), ADAPTIVE),
    "float32": Case("f4", (2, 75, 30, 26), ADAPTIVE),
    "float32 aligned": Case("f4", (2, 75, 30, 26), ALIGNED),
    "float32 one channel": Case("f4", (1, 1, 21, 17), RoiAlign((1, 5), (1, 1), 3, False)),
    "float32 many channels": Case("f4", (1, 300, 9, 8), ALIGNED),
    "float32 large": Case("f4", (1, 34, 160, 150), RoiAlign((14, 14), (1, 1), -1, True)),
    "float32 holes": Case("f4", (2, 41, 30, 26), ADAPTIVE, "holes"),
    "float32 limit": Case("f4", (1, 41, 30, 26), ALIGNED, "limit"),
    "float32 tiny": Case("f4", (1, 41, 30, 26), ADAPTIVE, "tiny"),
    "float64": Case("f8", (2, 75, 30, 26), ADAPTIVE),
    "float64 holes": Case("f8", (1, 41, 30, 26), ALIGNED, "holes"),
    "uint8": Case("u1", (2, 34, 30, 26), ALIGNED),
    "rotated": Case("f4", (2, 75, 30, 26), TURNED),
    "rotated float64": Case("f8", (1, 41, 30, 26), TURNED, "holes"),
    "rotated limit": Case("f4", (1, 41, 30, 26), TURNED, "limit"),
    "rotated max": Case("f4", (2, 41, 30, 26), TURNED_MAX, "holes"),
    "rotated max float64": Case("f8", (1, 41, 30, 26), TURNED_MAX),
    "roi_pool": Case("f4", (2, 75, 30, 26), LARGEST, "holes"),
    "roi_pool float64": Case("f8", (1, 41, 30, 26), LARGEST),
    "ps_roi_align": Case("f4", (2, 36, 90, 78), APART, "holes"),
    "3-D max": Case("f4", (2, 5, 6, 30, 26), SOLID_MAX, "holes"),
    "3-D max float64": Case("f8", (1, 3, 6, 30, 26), SOLID_MAX),
    "ps_roi_align limit": Case("f8", (1, 24, 30, 26), APART, "limit"),
}
HASHES = {
    "float16": "5eaf723f571501a5 8b527fdfb00d19c2 8db78213fefdb0e0",
    "float32": "6a0e3ddb683c7073 d27c443273f59ea6 b75f600bc87ec844",
    "float32 aligned": "1ee4185d150d4b15 54cba3bc539b4c6c a602255856834fb2",
    "float32 one channel": "4a2fecbe1ca61c53 a82d104cacf6beb1 766355084f179860",
    "float32 many channels": "88a9fdc01ed320ab 06267d32aff3784e cdf4a755c1170eae",
    "float32 large": "bc67c564dbf97c87 89606c84ab865302 d4f915cf63895304",
    "float32 holes": "2bd855a8237b138b c373cac3d238b35d d16bc5daa44f4e5d",
    "float32 limit": "972d625d2b62c2cb ec0e7c0e508cf2b9 6fb56adc4b63ec5f",
    "float32 tiny": "d3eec818a59dae1a fcc23d18ffed6145 2283e91223b5c0f7",
    "float64": "96e522893aec1c10 bc682df401129b79 ce54fc9dc26d9ef7",
    "float64 holes": "457e4d03dbd9ec1c 00ba33d9a1d2433a 0d5da5434914c108",
    "uint8": "a028e33bb3449cbc 587979f067dad767 4b4acbd162a36b09",
    "rotated": "49d198d6116fa822 49574d7f4d5d5cca 73b0fdc661676b17",
    "rotated float64": "4f3712d5cf463dac 51e826070c621757 486b6b0db17279b6",
    "rotated limit": "f029fd3770471eca 2170866c0e6c1165 5fc222f4bf984777",
    "roi_pool": "af7e2094e68a2572 c5f058e8408a17b5 155e437b946ac82a",
    "roi_pool float64": "a6b6672b444372ba 455f752360273ff4 155e437b946ac82a",
    "ps_roi_align": "8cddbabf42ad788a ae1219237b2f5235 9454da58485db4d0",
    "ps_roi_align limit": "0ce45f03a4bd6bb2 c2444fd3915f89c9 b560097a8051f697",
    "rotated max": "19aeccf1507e1a47 5b98274868783a97 f916f42df051069c",
    "rotated max float64": "08efcafdee917c79 5e5eec9754d5aa26 2b4e53e6548146bf",
    "3-D max": "30653ff5e2c34b65 caf7ef5f774d547f 054fb0bd137629c7",
    "3-D max float64": "1e2ab2b6df8486f5 fb69eda6b092e619 754d8e57d5a116c3",
}


def numbers(seed: int, count: int) -> Floats:
    """Return numbers in [-1, 1) of 24 bits each, which are the same everywhere."""
    raw = np.random.PCG64(seed).random_raw(count)
    fractions: Floats = (raw >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return fractions


def made(case: Case) -> tuple[Array, Floats, Array]:
    """Return features, RoIs in all positions, and a gradient of their crops."""
    values = numbers(1, int(np.prod(case.shape))).reshape(case.shape)
    if case.values == "tiny":
        values *= 2.0**-130
    if case.values == "limit":
        values = np.sign(values) * float(np.finfo(case.dtype).max)
    if case.values == "holes":
        values[..., 3:7, 5], values[..., 11, 9:12] = np.nan, -np.inf
    features = (
        np.abs(values * 255).astype("u1") if case.dtype == "u1" else values.astype(case.dtype)
    )
    rois = table(case)
    channels = crop_channels(case.operator, case.shape[1])
    shape = len(rois), channels, *case.operator.output_size
    gradient = numbers(3, int(np.prod(shape))).reshape(shape).astype(np.float32)
    return features, rois, gradient


def table(case: Case) -> Floats:
    """Return RoIs inside, across the edges and around maps, off them, and of no or any size."""
    images, height, width = case.shape[0], *case.shape[-2:]
    centre, side = (numbers(seed, 120).reshape(60, 2) for seed in (4, 5))
    centre = (centre * 0.6 + 0.5) * (width, height) / case.operator.spatial_scale[:-3:-1]
    half = side**4 * (width, height) * 2
    rois = np.column_stack([np.arange(60) % images, centre - half, centre + half])
    rois[:3, 1:] = (3, 3, 3, 3), (-1e9, -1e9, 1e9, 1e9), (1e9, 0, 2e9, 5)
    if case.operator.form == UPRIGHT:
        return rois
    if case.operator.form == VOLUME:
        low, high = np.sort(numbers(7, 120).reshape(2, 60) * 15 + 5, axis=0)
        return np.column_stack([rois[:, :3], low, rois[:, 3:], high])
    return np.column_stack([rois[:, 0], centre, 2 * half, 360 * numbers(6, 60)])


def results(case: Case) -> Iterator[Array]:
    """Yield crops and the gradients of features and boxes."""
    features, rois, gradient = made(case)
    checked = as_rois(rois, len(features), form=case.operator.form)
    yield pool(features, checked, case.operator)
    yield pool_adjoint(gradient, features, checked, case.operator)
    yield box_gradient(gradient, features, checked, case.operator)


def found() -> dict[str, str]:
    """Return the hashes of the results of each case: of crops, features, boxes."""
    return {name: " ".join(map(_hash, results(case))) for name, case in CASES.items()}


def _hash(array: Array) -> str:
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return sha256(plain.tobytes()).hexdigest()[:16]


def differences() -> list[str]:
    """Return a line for each case with other bits than every build must give."""
    before = get_engine()
    set_engine("compiled")
    try:
        hashes = found()
    finally:
        set_engine(before)
    return [
        f"{name}: crops, features, boxes must be {HASHES.get(name)}, got {own}"
        for name, own in hashes.items()
        if own != HASHES.get(name)
    ]


if __name__ == "__main__":
    raise SystemExit("\n".join(differences()) or None)
