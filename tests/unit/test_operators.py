"""What holds for every operator, on both engines.

An operator more is one entry more in `OPERATORS`: a function of features and RoIs, and its oracle.
"""

import math
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import operator_oracles as oracles
import pytest

from lucid import RoiError, Tensor
from lucid.models import utils
from lucid.roi import set_engine

pytestmark = pytest.mark.usefixtures("engine")


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


@pytest.fixture(params=OPERATORS)
def case(request):
    return OPERATORS[request.param]


def made(case, rng, dtype=np.float64):
    """Return maps and RoIs for an operator."""
    features = rng.standard_normal((2, case.channels, *case.depth, 8, 9)).astype(dtype)
    if case.boxes is not None:
        return features, np.column_stack([np.arange(len(case.boxes)) % 2, case.boxes])
    return features, np.column_stack([np.arange(len(BOXES)) % 2, BOXES])


class TestEveryOperator:
    @pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-10), (np.float32, 2e-6)])
    def test_agrees_with_plain_loops(self, case, rng, dtype, error):
        features, rois = made(case, rng, dtype)
        expected = expected_of(case, dtype)
        scale = max(1, np.abs(features).max())
        crops = case.pool(features, rois)
        assert crops.dtype == dtype
        np.testing.assert_allclose(crops, expected, rtol=0, atol=error * scale)

    def test_a_roi_alone_has_the_same_bits_as_among_others(self, case, rng):
        features, rois = made(case, rng, np.float32)
        together = case.pool(features, rois)
        alone = [case.pool(features, rois[k : k + 1])[0] for k in range(len(rois))]
        np.testing.assert_array_equal(together, alone)

    def test_the_gradient_of_features_is_the_adjoint(self, case, rng):
        """<g, Av> == <A'g, v>, at the same winners where there are some."""
        features, rois = made(case, rng)
        maps = Tensor(features, requires_grad=True)
        crops = case.pool(maps, rois)
        g = rng.standard_normal(crops.shape)
        crops.backward(g)
        if case.is_linear:
            assert np.vdot(g, crops) == pytest.approx(np.vdot(maps.grad, features), abs=1e-10)
            return
        step = 1e-7 * rng.standard_normal(features.shape)
        moved = case.pool(features + step, rois) - crops.data
        assert np.vdot(g, moved) == pytest.approx(np.vdot(maps.grad, step), abs=1e-12)

    @pytest.mark.slow
    def test_the_gradient_of_boxes_is_what_finite_differences_say(self, case, rng):
        features, rois = made(case, rng)
        rois = rois[:7]
        table = Tensor(rois, requires_grad=True)
        crops = case.pool(features, table)
        g = rng.standard_normal(crops.shape)
        crops.backward(g)
        step = 1e-6
        for k, column in np.ndindex(rois.shape):
            moved = np.zeros_like(rois)
            moved[k, column] = step * (column > 0)
            there, back = (case.pool(features, rois + sign * moved) for sign in (1, -1))
            slope = np.vdot(g, there - back) / (2 * step) if case.has_box_gradient else 0
            assert table.grad[k, column] == pytest.approx(slope, abs=2e-6), (rois[k], column)

    def test_invalid_rows_are_zeros_or_an_error(self, case, rng):
        features, rois = made(case, rng)
        rois[3, 0], rois[5, 2] = 7, np.nan
        with pytest.raises(RoiError, match="at row 3"):
            case.pool(features, rois)
        crops = case.pool(features, rois, invalid="zero")
        np.testing.assert_array_equal(crops[0], case.pool(features, rois[:1])[0])
        assert not crops[[3, 5]].any()

    def test_no_rois_give_no_crops(self, case, rng):
        features, rois = made(case, rng)
        crops = case.pool(features, rois[:0])
        assert crops.shape[0] == 0
        assert crops.shape[2:] == case.size

    def test_some_channels_are_as_if_there_were_no_others(self, case, rng):
        features, rois = made(case, rng)
        wider = np.concatenate([features, features + 1], axis=1)
        some = slice(0, case.channels)
        maps = Tensor(wider, requires_grad=True)
        crops = case.pool(maps, rois, channels=some)
        np.testing.assert_array_equal(crops, case.pool(features, rois))
        crops.sum().backward()
        assert not maps.grad[:, case.channels :].any()

    def test_expanded_boxes_are_larger_ones_and_so_are_their_gradients(self, case, rng):
        if case.boxes is not None:
            pytest.skip("these boxes have sides to expand, or more ends")
        features, rois = made(case, rng)
        rois = rois[:7]
        centre, half = (rois[:, 3:] + rois[:, 1:3]) / 2, (rois[:, 3:] - rois[:, 1:3]) / 2
        larger = np.column_stack([rois[:, :1], centre - 1.5 * half, centre + 1.5 * half])
        ours, theirs = Tensor(rois, requires_grad=True), Tensor(larger, requires_grad=True)
        crops, expected = case.pool(features, ours, expand=1.5), case.pool(features, theirs)
        np.testing.assert_allclose(crops, expected, atol=1e-10)
        crops.sum().backward()
        expected.sum().backward()
        g = theirs.grad
        np.testing.assert_allclose(
            ours.grad[:, 1:], 1.25 * g[:, 1:] - 0.25 * g[:, [3, 4, 1, 2]], atol=1e-8
        )


def cells(text):
    """Return rows of numbers, such as '9 10 / 14 15', as a crop."""
    return np.array([[[float(value) for value in row.split()] for row in text.split("/")]])


ONES = np.ones((1, 1, 5, 5))
LIMIT, ALIGNED = {"sampling_ratio": math.inf}, {"aligned": True}
MAX, RATIO = {"mode": "max", "sampling_ratio": 2}, {"sampling_ratio": 2}
NEAREST = {"method": "nearest"}
MAPS = {
    "a5": np.arange(25.0).reshape(1, 1, 5, 5),
    "ones": ONES,
    "negative": -np.arange(25.0).reshape(1, 1, 5, 5) - 1,
    "p4": np.arange(100.0).reshape(1, 4, 5, 5),
    "row": np.arange(60, dtype=np.float32).reshape(1, 1, 1, 60),
}
PUBLISHED = [
    ("prroi_pool", {}, "a5", (1, 1, 3, 3), 2, "9 10 / 14 15"),
    ("prroi_pool", {}, "ones", (-2, -2, 2, 2), 2, ".0625 .25 / .25 1"),
    ("prroi_pool", {}, "ones", (3, 3, 7, 7), 2, ".5625 0 / 0 0"),
    ("prroi_pool", {}, "ones", (0, 0, 5, 5), 1, ".81"),
    ("prroi_pool", {}, "a5", (1.25, 1.25, 1.5, 1.5), 1, "8.25"),
    ("prroi_pool", {}, "a5", (2, 2, 2, 2), 1, "0"),
    ("prroi_pool", {}, "a5", (1, 2, 3, 2), 1, "0"),
    ("roi_align", MAX, "a5", (1, 1, 3, 3), 2, "10.5 11.5 / 15.5 16.5"),
    ("roi_align", MAX | ALIGNED, "a5", (1, 1, 3, 3), 2, "7.5 8.5 / 12.5 13.5"),
    ("roi_align", MAX, "negative", (1, 1, 3, 3), 2, "-8.5 -9.5 / -13.5 -14.5"),
    ("roi_align", MAX, "negative", (-4, -4, 4, 4), 2, "0 0 / 0 -7"),
    ("roi_align", MAX | {"sampling_ratio": 4}, "negative", (3, 3, 7, 7), 1, "0"),
    ("roi_pool", {}, "a5", (1, 1, 3, 3), 2, "12 13 / 17 18"),
    ("roi_pool", {}, "a5", (0.5, 0.5, 2.5, 2.5), 2, "12 13 / 17 18"),
    ("roi_pool", {}, "a5", (0, 0, 4, 4), 3, "6 8 9 / 16 18 19 / 21 23 24"),
    ("roi_pool", {}, "negative", (3, 3, 7, 7), 2, "-19 0 / 0 0"),
    ("roi_pool", {}, "row", (0, 0, 56, 0), (1, 7), "8 16 24 32 40 48 57"),
    ("ps_roi_align", RATIO, "p4", (1, 1, 3, 3), 2, "6 32 / 61 87"),
    ("ps_roi_align", RATIO, "p4", (3, 3, 7, 7), 2, "21 23.25 / 36.75 24.75"),
    ("ps_roi_pool", {}, "p4", (1, 1, 3, 3), 2, "9 35 / 64 90"),
    ("ps_roi_pool", {}, "p4", (3, 3, 7, 7), 2, "21 0 / 0 0"),
    ("ps_roi_pool", {"spatial_scale": 1 / 16}, "p4", (16, 16, 47, 47), 2, "6 32 / 61 87"),
    ("crop_and_resize", {}, "a5", (0.25, 0.25, 0.75, 0.75), 2, "6 8 / 16 18"),
    ("crop_and_resize", {}, "a5", (0.25, 0.25, 0.75, 0.75), 1, "12"),
    ("crop_and_resize", {}, "a5", (1, 1, 0, 0), 2, "24 20 / 4 0"),
    ("crop_and_resize", {}, "a5", (0.1, 0.2, 0.7, 0.8), (2, 3), "4.4 5.6 6.8 / 16.4 17.6 18.8"),
    ("crop_and_resize", NEAREST, "a5", (0.125, 0.125, 0.125, 0.125), 1, "6"),
    ("crop_and_resize", NEAREST, "a5", (0.375, 0.375, 0.375, 0.375), 1, "12"),
    ("roi_align", LIMIT, "ones", (-2, -2, 2, 2), 2, ".25 .5 / .5 1"),
    ("roi_align", LIMIT | ALIGNED, "ones", (-1, -1, 1, 1), 2, ".25 .5 / .5 1"),
    ("roi_align", LIMIT, "a5", (0, 0, 5, 5), 1, "14.4"),
    ("roi_align", LIMIT, "a5", (3, 3, 3, 3), 1, "21"),
    ("roi_align", LIMIT | ALIGNED, "a5", (3, 3, 3, 3), 1, "15"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "on", "box", "size", "expected"), PUBLISHED)
def test_published_cases(name, options, on, box, size, expected):
    crops = getattr(utils, name)(MAPS[on], [[0, *box]], size, **options)
    np.testing.assert_allclose(crops[0], cells(expected), atol=1e-10)


def test_published_gradients_of_precise_pooling(a5):
    maps = Tensor(np.array([[[[1.0, 2], [3, 4]]]]), requires_grad=True)
    rois = Tensor(np.array([[0.0, 0, 0, 1, 1]]), requires_grad=True)
    utils.prroi_pool(maps, rois, 2).sum().backward()
    np.testing.assert_allclose(maps.grad[0, 0], np.ones((2, 2)))
    np.testing.assert_allclose(rois.grad, [[0, 2, 4, 2, 4]])
    rois = Tensor(np.array([[0, 1.25, 1.25, 1.5, 1.5]]), requires_grad=True)
    utils.prroi_pool(a5, rois, 1).backward()
    np.testing.assert_allclose(rois.grad, [[0, 0.5, 2.5, 0.5, 2.5]])
    for box in ((2, 2, 2, 2), (1, 2, 3, 2)):
        maps = Tensor(a5, requires_grad=True)
        rois = Tensor(np.array([[0.0, *box]]), requires_grad=True)
        utils.prroi_pool(maps, rois, 1).backward()
        assert not maps.grad.any()
        assert not rois.grad.any()


@pytest.mark.parametrize("extent", [1e-6, 1e-4, 0.1])
@pytest.mark.parametrize("name", ["limit", "prroi_pool"])
def test_slopes_of_small_boxes_are_exact(name, extent):
    """On v = x y the mean over a box is the product of its centres."""
    y, x = np.mgrid[0:8.0, 0:9.0]
    limit = partial(utils.roi_align, sampling_ratio=math.inf, aligned=True)
    pool, offset = (limit, 0.5) if name == "limit" else (utils.prroi_pool, 0)
    corner = np.array([2.999999, 4.3])
    rois = Tensor(np.r_[0, corner, corner + extent][None], requires_grad=True)
    pool((x * y)[None, None], rois, 1).backward()
    centre = corner + extent / 2 - offset
    np.testing.assert_allclose(rois.grad[0, 1:], np.tile(centre[::-1] / 2, 2), rtol=1e-6)


def test_at_a_point_the_limit_has_the_slope_to_the_right(a5):
    rois = Tensor(np.array([[0, 2.5, 2.5, 2.5, 2.5]]), requires_grad=True)
    utils.roi_align(a5, rois, 1, 1.0, math.inf, aligned=True).backward()
    np.testing.assert_allclose(rois.grad, [[0, 0.5, 2.5, 0.5, 2.5]])


def test_the_limit_is_what_many_samples_come_to(rng):
    features, rois = made(OPERATORS["limit"], rng)
    few, many = (utils.roi_align(features, rois[:7], 3, 1.0, ratio) for ratio in (256, 1024))
    limit = utils.roi_align(features, rois[:7], 3, 1.0, math.inf)
    assert np.abs(many - limit).max() < 2e-3
    assert np.abs(many - limit).max() < np.abs(few - limit).max() / 2


def test_coverage_is_the_crop_of_a_map_of_ones(rng):
    _, rois = made(OPERATORS["limit"], rng)
    for ratio, aligned in ((2, False), (-1, True), (math.inf, False)):
        options = (SIZE, SCALE, ratio, aligned)
        expected = utils.roi_align(np.ones((2, 1, 8, 9)), rois, *options)[:, 0]
        found = utils.coverage(rois, (8, 9), *options, dtype="float64")
        np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(
        utils.coverage([[-4, -4, 4, 4]], 5, 2, 1.0, 4), cells(".0625 .25 / .25 1")
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "max", "sampling_ratio": math.inf}, "mode max has no limit"),
        ({"max_samples": 2, "sampling_ratio": 2}, "sampling_ratio must be -1 with it, got 2"),
        ({"max_samples": 2, "sampling_ratio": math.inf}, "sampling_ratio must be -1 with it"),
        ({"max_samples": 0}, "max_samples must be at least 1, got 0"),
        ({"mode": "min"}, "mode must be 'avg' or 'max', got 'min'"),
        ({"outside": "clamp"}, "outside must be 'zero' or 'renormalize', got 'clamp'"),
        ({"expand": 0}, "expand must be finite and > 0, got 0"),
        ({"channels": slice(5, 9)}, "channels must be some of 1"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(a5, options, message):
    with pytest.raises(ValueError, match=message):
        utils.roi_align(a5, [[0, 1, 1, 3, 3]], 2, **options)


def test_published_gradient_of_crop_and_resize(a5):
    rois = Tensor(np.array([[0, 0.1, 0.2, 0.7, 0.8]]), requires_grad=True)
    utils.crop_and_resize(a5, rois, (2, 3)).sum().backward()
    np.testing.assert_allclose(rois.grad, [[0, 12, 60, 12, 60]])


@pytest.mark.parametrize("name", ["max", "rotated", "roi_pool"])
def test_the_first_of_equally_large_values_has_the_gradient(name):
    """Rows before columns."""
    maps = Tensor(np.ones((1, 1, 6, 6)), requires_grad=True)
    rois = [[0, 1.0, 1.0, 4.0, 4.0]]
    if name == "max":
        utils.roi_align(maps, rois, 1, 1.0, 3, mode="max").backward()  # the first is at 1.5, 1.5
        expected = {(1, 1): 0.25, (1, 2): 0.25, (2, 1): 0.25, (2, 2): 0.25}
    elif name == "rotated":
        box = [[0, 2.5, 2.5, 3.0, 3.0, 0]]
        utils.roi_align_rotated(maps, box, 1, 1.0, 3, aligned=False, mode="max").backward()
        expected = {(1, 1): 0.25, (1, 2): 0.25, (2, 1): 0.25, (2, 2): 0.25}
    else:
        utils.roi_pool(maps, rois, 1).backward()
        expected = {(1, 1): 1.0}
    for y, x in np.ndindex(6, 6):
        assert maps.grad[0, 0, y, x] == expected.get((y, x), 0)


def pool_of(name, outside):
    """Return the maxima of a box over the upper border, of which the first samples are beyond."""
    options = {"mode": "max", "outside": outside}
    if name == "3-D":
        return partial(utils.roi_align_3d, rois=[[0, 0.0, 0, -4, 4, 4, 4]], output_size=1,
                       sampling_ratio=4, **options)  # fmt: skip
    if name == "rotated":
        return partial(utils.roi_align_rotated, rois=[[0, 2.0, 0, 4, 8, 0]], output_size=1,
                       sampling_ratio=4, aligned=False, **options)  # fmt: skip
    return partial(utils.roi_align, rois=[[0, 0.0, -4, 4, 4]], output_size=1, sampling_ratio=4,
                   **options)  # fmt: skip


@pytest.mark.parametrize("name", ["max", "rotated", "3-D"])
def test_a_sample_out_of_range_wins_over_later_ones_that_are_no_larger(name):
    shape = (1, 1, 6, 6, 6) if name == "3-D" else (1, 1, 6, 6)
    for value, outside, gradient in (
        (0, "zero", 0), (-1, "zero", 0), (1, "zero", 1),
        (0, "renormalize", 1), (-1, "renormalize", 1),
    ):  # fmt: skip
        maps = Tensor(np.full(shape, float(value)), requires_grad=True)
        crops = pool_of(name, outside)(maps)
        crops.backward()
        assert crops.item() == (max(value, 0) if outside == "zero" else value)
        assert maps.grad.sum() == gradient


@pytest.mark.parametrize("name", ["max", "max, adaptive", "rotated, max", "3-D, max", "roi_pool"])
def test_what_is_not_a_number_wins_and_only_in_bins_that_read_it(name, rng):
    case = OPERATORS[name]
    features, rois = made(case, rng)
    features[0, 1, 3, 4] = np.nan
    crops, expected = case.pool(features, rois), case.oracle(np.nan_to_num(features), rois)
    read = np.isnan(crops)
    assert read.any()
    assert not read[:, [0, 2]].any()
    assert not read[1::2].any()
    np.testing.assert_allclose(crops[~read], expected[~read], atol=1e-10)
    features[0, 1, 3, 4] = 1e9
    np.testing.assert_array_equal(case.pool(features, rois) > 1e3, read)


def test_many_large_blocks_are_worked_on_channel_by_channel(rng, monkeypatch):
    from lucid.roi.compound import maxima

    features, rois = made(OPERATORS["max, adaptive"], rng)
    maps = Tensor(features, requires_grad=True)
    expected = align(maps, rois, mode="max")
    expected.sum().backward()
    monkeypatch.setattr(maxima, "SAMPLED_BYTES", 500)
    again = Tensor(features, requires_grad=True)
    crops = align(again, rois, mode="max")
    crops.sum().backward()
    np.testing.assert_allclose(crops, expected.data, atol=1e-12)
    np.testing.assert_allclose(again.grad, maps.grad, atol=1e-12)


@pytest.mark.parametrize("dtype", ["f2", ">f4", "f4", "f8", "u1"])
@pytest.mark.parametrize("images", [2, 9])
def test_bins_with_channels_of_their_own_have_the_bits_of_all_bins(rng, dtype, images):
    """Whatever maps lie like; bins of many cells or few, some with holes; maps small or large."""
    side = 50 if images == 2 else 12
    features = (50 * rng.standard_normal((images, 24, side, side + 3))).astype(dtype)
    if dtype != "u1":
        features[0, ::3, 7:9, 6] = np.nan
        features[1, 1::4, 3:9, 2:9] = np.finfo(dtype).max
    corner = rng.uniform(-9, side, (60, 2))
    rois = np.column_stack(
        [np.arange(60) % images, corner, corner + rng.uniform(0, 1.2 * side, (60, 2))]
    )
    for maps in (features, np.asfortranarray(features)[..., ::-1], features[:, :, ::-1, 1::2]):
        every = utils.roi_align(maps, rois, (3, 4), 0.9, aligned=True)
        own = utils.ps_roi_align(maps, rois, (3, 4), 0.9)
        for c, p, q in np.ndindex(own.shape[1:]):
            plain = every[:, (c * 3 + p) * 4 + q, p, q]
            np.testing.assert_array_equal(own[:, c, p, q], plain)


@pytest.mark.parametrize("dtype", ["f2", ">f4", "f8", "u1"])
def test_largest_cells_have_the_same_bits_on_both_engines(rng, dtype):
    """Some channels of a large map are worked on after the others; some boxes are nowhere."""
    pytest.importorskip("lucid.roi.engines.compiled._largest")
    features = (50 * rng.standard_normal((2, 70, 60, 70))).astype(dtype)
    if dtype != "u1":
        features[0, ::3, 7:20, 9] = -np.nan
    corner = rng.uniform(-30, 90, (60, 2))
    rois = np.column_stack([np.arange(60) % 2, corner, corner + rng.uniform(0, 40, (60, 2))])
    found = []
    for engine in ("numpy", "compiled"):
        set_engine(engine)
        found += [utils.roi_pool(features, rois, (5, 3), 0.9)]
        last = np.asfortranarray(features)[..., ::-1]
        found += [utils.roi_pool(last, rois, (5, 3), 0.9)]
    for one, other in zip(found[:2], found[2:], strict=True):
        np.testing.assert_array_equal(one, other)
