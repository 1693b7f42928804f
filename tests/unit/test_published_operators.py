"""Published cases of operators, and cases that a person can check, on both engines."""

import math
from functools import partial

import numpy as np
import pytest
from operator_cases import OPERATORS, SCALE, SIZE, made

from lucid import Tensor
from lucid.models import utils

pytestmark = pytest.mark.usefixtures("engine")


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
