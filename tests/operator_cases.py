"""Operators with the options that change what they do, their oracles, and boxes for them.

An operator more is one entry more in `OPERATORS`: a function of features and RoIs, and its oracle.
"""

import math
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import operator_oracles as oracles

from lucid.models import utils

SIZE = (2, 3)
SCALE = 0.75


class Case(NamedTuple):
    """An operator with its options, and how it differs from others."""

    pool: object
    oracle: object
    channels: int = 3
    has_box_gradient: bool = True
    is_linear: bool = True
    boxes: object = None  # its own, unless these are upright
    size: tuple = SIZE
    depth: tuple = ()


def counted(oracle, **options):
    """Return an oracle that counts in the dtype of the features."""

    def call(features, rois, **more):
        kind = np.float64 if features.dtype == np.float64 else np.float32
        return oracle(features, rois, kind=kind, **options | more)

    return call


SAMPLED = {"output_size": SIZE, "scale": SCALE}
align = partial(utils.roi_align, output_size=SIZE, spatial_scale=SCALE)
exact = partial(oracles.separable, axis_weights=oracles.integral, **SAMPLED)
means = partial(oracles.separable, axis_weights=oracles.sampled, aligned=False, **SAMPLED)
largest = counted(oracles.maxima, ratio=2, aligned=False, **SAMPLED)
OPERATORS = {
    "limit": Case(partial(align, sampling_ratio=math.inf), exact),
    "limit, aligned": Case(
        partial(align, sampling_ratio=math.inf, aligned=True), partial(exact, aligned=True)
    ),
    "limit, renormalized": Case(
        partial(align, sampling_ratio=math.inf, outside="renormalize"),
        partial(exact, axis_weights=oracles.normalized),
    ),
    "prroi_pool": Case(
        partial(utils.prroi_pool, output_size=SIZE, spatial_scale=SCALE),
        partial(exact, tapers=True),
    ),
    "renormalized": Case(
        partial(align, sampling_ratio=3, outside="renormalize"),
        counted(means, ratio=3, renormalize=True),
    ),
    "max": Case(partial(align, mode="max", sampling_ratio=2), largest, is_linear=False),
    "max, adaptive": Case(
        partial(align, mode="max", aligned=True),
        counted(oracles.maxima, ratio=-1, aligned=True, **SAMPLED),
        is_linear=False,
    ),
    "max, renormalized": Case(
        partial(align, mode="max", sampling_ratio=3, outside="renormalize"),
        partial(largest, ratio=3, renormalize=True),
        is_linear=False,
    ),
    "most samples": Case(partial(align, max_samples=2), counted(means, ratio=-1, most=2)),
}
BOXES = [
    (1.13, 0.77, 6.41, 5.93),  # inside
    (-3.2, 1.1, 4.3, 12.4),  # across borders
    (5.1, -2.3, 14.7, 3.9),
    (20.1, 20.2, 22.3, 24.4),  # outside
    (-9.3, -8.1, -4.2, -3.3),
    (-4.1, -4.3, 15.2, 14.9),  # around the map
    (3.11, 2.37, 3.52, 6.81),  # less than a cell wide
    (4.4, 2.2, 4.4 + 1e-9, 3.1),
    (3.3, 2.1, 3.3, 6.1),  # a line, and points
    (4.7, 4.2, 4.7, 4.2),
    (4.0, 4.0, 4.0, 4.0),
    (-1e4, -1e5, 1e4, 2e5),
    (2.4, 3.6, 1e7, 1e7),
]
sensitive = partial(oracles.position_sensitive, **SAMPLED)
resized, resize = (
    partial(utils.crop_and_resize, output_size=SIZE),
    partial(oracles.crop_and_resize, output_size=SIZE),
)
FRACTIONS = tuple((x1 / 8, y1 / 7, x2 / 8, y2 / 7) for x1, y1, x2, y2 in BOXES)
REVERSED = tuple(
    (x2, y1, x1, y2) if k % 2 else (x1, y2, x2, y1) for k, (x1, y1, x2, y2) in enumerate(FRACTIONS)
)
OPERATORS |= {
    "roi_pool": Case(
        partial(utils.roi_pool, output_size=SIZE, spatial_scale=SCALE),
        partial(oracles.roi_pool, **SAMPLED),
        is_linear=False,
        has_box_gradient=False,
    ),
    "ps_roi_align": Case(
        partial(utils.ps_roi_align, output_size=SIZE, spatial_scale=SCALE, sampling_ratio=2),
        counted(sensitive, axis_weights=oracles.sampled, ratio=2, aligned=True),
        channels=12,
    ),
    "ps_roi_align, limit": Case(
        partial(utils.ps_roi_align, output_size=SIZE, spatial_scale=SCALE, sampling_ratio=math.inf),
        partial(sensitive, axis_weights=oracles.integral, aligned=True),
        channels=6,
    ),
    "ps_roi_align, renormalized": Case(
        partial(utils.ps_roi_align, output_size=SIZE, spatial_scale=SCALE, outside="renormalize"),
        counted(sensitive, axis_weights=oracles.sampled, ratio=-1, aligned=True, renormalize=True),
        channels=6,
    ),
    "ps_roi_pool": Case(
        partial(utils.ps_roi_pool, output_size=SIZE, spatial_scale=SCALE),
        counted(sensitive, axis_weights=oracles.whole_cells),
        channels=6,
        has_box_gradient=False,
    ),
    "crop_and_resize": Case(resized, resize, boxes=FRACTIONS),
    "crop_and_resize, reversed": Case(
        partial(resized, extrapolation_value=2.5),
        partial(resize, extrapolation_value=2.5),
        boxes=REVERSED,
        is_linear=False,
    ),
    "crop_and_resize, nearest": Case(
        partial(resized, method="nearest"),
        partial(resize, method="nearest"),
        boxes=FRACTIONS,
        has_box_gradient=False,
    ),
}
TURNED = (
    (3.1, 4.2, 5.3, 2.7, 33.0),  # inside
    (3.9, 4.4, 4.1, 6.3, -60.0),
    (7.2, 1.3, 9.1, 4.2, 145.0),  # across borders
    (0.4, 8.7, 3.3, 12.9, 271.0),
    (40.0, -30.0, 5.2, 5.1, 12.0),  # outside
    (5.3, 4.6, 33.0, 27.0, 70.0),  # around the map
    (4.3, 4.1, 0.52, 3.1, 15.0),  # less than a cell wide
    (4.4, 2.3, 2.1, 3.3, 90.0),  # exact turns
    (4.5, 3.5, 2.1, 3.3, -180.0),
    (4.4, 2.2, 1e-9, 3.1, 45.0),
    (3.3, 2.1, 0, 4.1, 30.0),  # a line, and points
    (4.7, 4.2, 0, 0, 30.0),
    (4.0, 4.0, 0, 0, 0.0),
    (-3, 5, 60, 50, 777.0),
)
turned = partial(utils.roi_align_rotated, output_size=SIZE, spatial_scale=SCALE)
turned_means = partial(oracles.roi_align_rotated, output_size=SIZE, spatial_scale=SCALE)
OPERATORS |= {
    "rotated": Case(turned, counted(turned_means), boxes=TURNED),
    "rotated, not aligned, clockwise": Case(
        partial(turned, sampling_ratio=3, aligned=False, clockwise=True),
        partial(turned_means, sampling_ratio=3, aligned=False, clockwise=True),
        boxes=TURNED,
    ),
    "rotated, radians": Case(
        partial(turned, sampling_ratio=2, angle="radians"),
        partial(turned_means, sampling_ratio=2, angle="radians"),
        boxes=tuple((*box[:4], np.radians(box[4])) for box in TURNED),
    ),
}
for name, options, of_bin in (
    ("rotated, max", {"mode": "max", "sampling_ratio": 2}, oracles.largest),
    ("rotated, max, adaptive", {"mode": "max"}, oracles.largest),
    (
        "rotated, max of what is on the map",
        {"mode": "max", "outside": "renormalize", "sampling_ratio": 3},
        oracles.largest_inside,
    ),
):
    counts = {"sampling_ratio": options.get("sampling_ratio", -1)}
    OPERATORS[name] = Case(
        partial(turned, **options),
        counted(turned_means, of_bin=of_bin, **counts), is_linear=False, boxes=TURNED,
    )  # fmt: skip
OPERATORS["rotated, renormalized"] = Case(
    partial(turned, sampling_ratio=2, outside="renormalize"),
    counted(turned_means, sampling_ratio=2, of_bin=oracles.mean_inside),
    boxes=TURNED,
)
VOLUMES = (
    (1.13, 0.77, 2.41, 6.41, 5.93, 6.3),  # inside
    (-3.2, 1.1, -2.2, 4.3, 12.4, 3.3),  # across borders
    (5.13, -2.3, 5.4, 14.7, 3.9, 12.1),
    (20.1, 20.2, 2.1, 22.3, 24.4, 5.0),  # outside
    (2.1, 2.2, 30.1, 5.3, 4.4, 35.0),
    (-4.1, -4.3, -4.4, 15.2, 14.9, 17.3),  # around the map
    (3.11, 2.37, 2.2, 3.52, 6.81, 2.6),  # less than a cell
    (4.7, 4.2, 3.3, 4.7, 4.2, 3.3),  # a point
    (3.3, 2.1, 4.0, 5.3, 6.1, 4.0),  # a plane
    (-4e2, -9e2, -1e3, 4e2, 1e3, 9e2),
)
CUBE, SCALES = (2, 2, 3), (0.9, 0.75, 0.6)
cube = partial(utils.roi_align_3d, output_size=CUBE, spatial_scale=SCALES)
cubes = partial(oracles.volume, output_size=CUBE, scale=SCALES, axis_weights=oracles.sampled)
OPERATORS |= {
    "3-D": Case(
        cube, counted(cubes, ratio=-1, aligned=False), boxes=VOLUMES, size=CUBE, depth=(7,)
    ),
    "3-D, aligned": Case(
        partial(cube, sampling_ratio=2, aligned=True),
        counted(cubes, ratio=2, aligned=True), boxes=VOLUMES, size=CUBE, depth=(7,),
    ),
    "3-D, the limit": Case(
        partial(cube, sampling_ratio=math.inf),
        partial(cubes, axis_weights=oracles.integral), boxes=VOLUMES, size=CUBE, depth=(7,),
    ),
    "3-D, renormalized": Case(
        partial(cube, sampling_ratio=3, outside="renormalize"),
        counted(cubes, ratio=3, aligned=False, renormalize=True),
        boxes=VOLUMES, size=CUBE, depth=(7,),
    ),
}  # fmt: skip

for name, options, boxes in (
    ("3-D, max", {"sampling_ratio": 2}, VOLUMES),
    ("3-D, max, adaptive", {"aligned": True}, VOLUMES[:-1]),
    ("3-D, max of what is in it", {"sampling_ratio": 2, "outside": "renormalize"}, VOLUMES),
):
    OPERATORS[name] = Case(
        partial(cube, mode="max", **options),
        counted(
            oracles.volume_maxima,
            output_size=CUBE,
            scale=SCALES,
            ratio=options.get("sampling_ratio", -1),
            aligned=options.get("aligned", False),
            renormalize="outside" in options,
        ),
        is_linear=False,
        boxes=boxes,
        size=CUBE,
        depth=(7,),
    )


@cache
def expected_of(case, dtype):
    """Return what the oracle says of the RoIs that tests of both engines are about."""
    return case.oracle(*made(case, np.random.default_rng(2017), dtype))


def made(case, rng, dtype=np.float64):
    """Return maps and RoIs for an operator."""
    features = rng.standard_normal((2, case.channels, *case.depth, 8, 9)).astype(dtype)
    if case.boxes is not None:
        return features, np.column_stack([np.arange(len(case.boxes)) % 2, case.boxes])
    return features, np.column_stack([np.arange(len(BOXES)) % 2, BOXES])
