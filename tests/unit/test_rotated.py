"""RoIAlign in turned boxes: published cases, angles, sizes beyond reason, and other kernels."""

import math
from functools import partial

import numpy as np
import operator_oracles as oracles
import pytest

from lucid import DTypeError, RoiError, ShapeError, Tensor
from lucid.models.utils import ROIAlignRotated, roi_align, roi_align_rotated
from lucid.roi import set_engine
from lucid.roi.operators.rotated import turn_of

pytestmark = pytest.mark.usefixtures("engine")
ONES = np.ones((1, 1, 5, 5))
ROOT = math.sqrt(2)
PUBLISHED = [
    ((2.5, 2.5, 2, 2, 0), 2, {}, [[9, 10], [14, 15]]),
    ((2.5, 2.5, 2, 2, 90), 2, {}, [[14, 9], [15, 10]]),
    ((2.5, 2.5, 2, 2, 90), 2, {"clockwise": True}, [[10, 15], [9, 14]]),
    ((2.5, 2.5, 4, 2, 90), (1, 2), {}, [[17, 7]]),
    ((2.5, 2.5, 4, 2, -90), (1, 2), {}, [[7, 17]]),
    ((2.5, 2.5, 4, 2, 180), (1, 2), {}, [[13, 11]]),
    ((2.5, 2.5, 4, 2, 30), (1, 2), {"sampling_ratio": 2}, [[13.6339746, 10.3660254]]),
    (
        (2.5, 2.5, 2, 2, 45), 2, {},
        [[12 - 1 / ROOT, 12 - 5 / ROOT], [12 + 5 / ROOT, 12 + 1 / ROOT]],
    ),
    ((2.5, 2.5, 0, 0, 30), 1, {}, [[0]]),
    ((2.5, 2.5, 0, 0, 30), 1, {"sampling_ratio": 2}, [[12]]),
    ((2.5, 2.5, 0.5, 0.5, 0), 1, {"aligned": False}, [[15]]),
]  # fmt: skip


@pytest.mark.parametrize(("box", "size", "options", "expected"), PUBLISHED)
def test_published_cases(a5, box, size, options, expected):
    crops = roi_align_rotated(a5, [[0, *box]], size, **options)
    np.testing.assert_allclose(crops[0, 0], expected, atol=1e-7)


def test_a_turned_box_on_ones_shows_how_much_of_it_is_on_the_map():
    crops = roi_align_rotated(ONES, [[0, 0, 0, 4, 4, 45]], 1, sampling_ratio=4)
    np.testing.assert_allclose(crops, 0.375)


@pytest.mark.parametrize("turns", range(-9, 10))
def test_quarter_turns_are_exact_in_either_unit(rng, turns):
    features = rng.standard_normal((1, 3, 11, 11))
    degrees, radians = [[0, 5.5, 5.5, 6, 6, 90 * turns]], [[0, 5.5, 5.5, 6, 6, turns * math.pi / 2]]
    crops = roi_align_rotated(features, degrees, 3, sampling_ratio=2)
    np.testing.assert_array_equal(
        roi_align_rotated(features, radians, 3, sampling_ratio=2, angle="radians"), crops
    )
    upright = roi_align_rotated(features, [[0, 5.5, 5.5, 6, 6, 0]], 3, sampling_ratio=2)
    np.testing.assert_allclose(crops, np.rot90(upright, -turns, (2, 3)), atol=1e-14)


def test_sines_and_cosines_are_right_to_the_last_bits(rng):
    degrees = np.concatenate([rng.uniform(-360, 360, 2000), np.arange(-360, 361, 15.0)])
    expected = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    np.testing.assert_allclose(turn_of(degrees), expected, atol=5e-16)
    np.testing.assert_array_equal(turn_of(np.array([0.0, 90, 180, 270]))[0], [0, 1, 0, -1])


def test_without_a_turn_it_is_the_upright_operator(rng):
    features = rng.standard_normal((2, 5, 20, 30))
    centre, side = rng.uniform(-2, 30, (40, 2)), rng.uniform(0, 20, (40, 2))
    image = np.arange(40) % 2
    upright = np.column_stack([image, centre - side / 2, centre + side / 2])
    boxes = np.column_stack([image, centre, side, np.zeros(40)])
    expected = roi_align(features, upright, (3, 2), 0.5, 2, aligned=True)
    crops = roi_align_rotated(features, boxes, (3, 2), 0.5, 2)
    np.testing.assert_allclose(crops, expected, atol=1e-12)


HUGE = [
    (50, 60, 1e9, 1e9, 33),
    (2e8, 0, 4e8, 1e3, 90),
    (50, 50, 3000, 2000, 45),
    (60, 50, 1e7, 3, 0.001),
    (1e300, 0, 1e300, 1e300, 10),
    (1e308, 1e308, 1e308, 5, 45),
    (1e15, -1e15, 2e15, 1e-300, 1e300),
    (1e30, 1e30, 4e30, 1e12, 45),
    (1e30, 1e30, 1e12, 4e30, 45),
    (1e30, 1e30, 1e12, 1e12, 45),
    (3e16, 3e16, 1e17, 1e12, 45),
]


@pytest.mark.parametrize("box", HUGE)
@pytest.mark.parametrize("scale", [1.0, 1e12, 1e-9])
def test_boxes_of_any_size_are_neither_looped_over_nor_allocated(box, scale):
    for ratio in (-1, 2):
        crops = roi_align_rotated(np.ones((1, 2, 100, 120)), [[0, *box]], 2, scale, ratio)
        assert np.isfinite(crops).all()
        assert crops.min() >= 0
        assert crops.max() <= 1 + 1e-12


def test_far_larger_boxes_than_the_map_are_what_all_their_samples_make(rng):
    features = rng.standard_normal((1, 1, 9, 12))
    rois = [[0, 5, 4, 300, 200, 45], [0, -80, 9, 211, 7, 12], [0, 5, 5, 1, 311, 60]]
    crops = roi_align_rotated(features, rois, (2, 1))
    np.testing.assert_allclose(crops, oracles.roi_align_rotated(features, rois, (2, 1)), atol=1e-12)


def test_many_samples_of_one_roi_are_listed_a_part_at_a_time(rng, monkeypatch):
    from lucid.roi import turned_samples as samples

    features = rng.standard_normal((1, 3, 40, 30), np.float32)
    rois = np.array([[0, 15, 20, 60, 70, 20], [0, 9, 9, 3, 2, 7.0]])
    maps, table = (Tensor(array, requires_grad=True) for array in (features, rois))
    crops = roi_align_rotated(maps, table, 2, sampling_ratio=40)
    crops.sum().backward()
    monkeypatch.setattr(samples, "LISTED_SAMPLES", 500)
    others = [Tensor(array, requires_grad=True) for array in (features, rois)]
    again = roi_align_rotated(*others, 2, sampling_ratio=40)
    again.sum().backward()
    np.testing.assert_allclose(again, crops, atol=2e-6)
    np.testing.assert_allclose(others[0].grad, maps.grad, atol=2e-6)
    np.testing.assert_allclose(others[1].grad, table.grad, atol=1e-4)


def test_units_of_angles_are_those_of_their_gradients(rng):
    features = rng.standard_normal((1, 3, 11, 11))
    found = []
    for angle, options in (
        (30.0, {}),
        (-30.0, {"clockwise": True}),
        (math.radians(30), {"angle": "radians"}),
    ):
        rois = Tensor(np.array([[0, 5.3, 5.1, 6.2, 3.1, angle]]), requires_grad=True)
        roi_align_rotated(features, rois, 3, sampling_ratio=2, **options).sum().backward()
        found.append(rois.grad[0])
    np.testing.assert_allclose(found[1] * [1, 1, 1, 1, 1, -1], found[0], atol=1e-12)
    np.testing.assert_allclose(found[2][5] * math.pi / 180, found[0][5], atol=1e-12)


def test_a_side_that_is_the_least_has_no_gradient(rng):
    features = rng.standard_normal((1, 3, 11, 11))
    rois = Tensor(np.array([[0, 5.3, 5.1, 0.5, 3.1, 30]]), requires_grad=True)
    roi_align_rotated(features, rois, 3, aligned=False).sum().backward()
    assert rois.grad[0, 3] == 0
    assert rois.grad[0, 4] != 0


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", ">f4"])
def test_dtypes_and_layouts(rng, dtype):
    features = (rng.standard_normal((2, 9, 12, 10)) * 50 + 100).astype(dtype)
    rois = np.array([[0, 5, 6, 4, 3, 40], [1, 2, 3, 9, 5, 70.0]])
    crops = roi_align_rotated(features, rois, 3)
    expected = oracles.roi_align_rotated(features.astype("f8"), rois, (3, 3))
    assert crops.dtype == (np.dtype(dtype).newbyteorder("=") if "f" in dtype else np.float32)
    error = 0.3 if dtype == "f2" else 1e-4
    np.testing.assert_allclose(crops, expected, atol=error)
    turned = np.asfortranarray(features)[:, :, ::-1][:, :, ::-1]
    np.testing.assert_array_equal(roi_align_rotated(turned, rois, 3), crops)


def test_what_is_not_finite_goes_to_the_bins_that_read_it_and_no_others(rng):
    features = rng.standard_normal((1, 40, 12, 10)).astype("f4")
    features[0, 3, 6, 5], features[0, 7, 2, 2] = np.nan, np.inf
    rois = [[0, 5, 6, 6, 6, 30.0]]
    crops = roi_align_rotated(features, rois, 4, sampling_ratio=2)
    expected = oracles.roi_align_rotated(features, rois, (4, 4), sampling_ratio=2)
    np.testing.assert_array_equal(np.isfinite(crops), np.isfinite(expected))


def test_means_of_the_largest_values_stay_finite():
    for dtype in ("f4", "f8"):
        largest = np.finfo(dtype).max
        features = np.full((1, 40, 9, 9), largest, dtype)
        crops = roi_align_rotated(features, [[0, 4, 4, 5, 5, 33.3]], 3)
        np.testing.assert_allclose(crops, largest, rtol=1e-6)


def test_boxes_may_be_given_image_by_image(rng):
    features = rng.standard_normal((2, 3, 12, 10))
    boxes = [np.array([[5, 6, 4, 3, 40.0]]), np.array([[2, 3, 9, 5, 70.0], [1, 2, 3, 4, 5]])]
    rows = np.column_stack([[0, 1, 1], np.concatenate(boxes)])
    expected = roi_align_rotated(features, rows, 3)
    np.testing.assert_array_equal(roi_align_rotated(features, boxes, 3), expected)


def test_what_means_nothing_is_refused(a5):
    pool, roi = partial(roi_align_rotated, a5, output_size=2), [0, 2.5, 2.5, 2, 2, 30]
    for rois, error, message in (
        ([[0, 1, 1, 3, 3, 3, 3]], ShapeError, r"\(K, 6\) with columns \(batch_index, cx, cy, w, h"),
        ([[0, 1, 1, -3, 3, 3]], RoiError, "w must be at least 0, got -3 at row 0"),
        ([roi, [0, 1, 1, 3, 3, np.inf]], RoiError, "must be finite, got .* at row 1"),
        (np.array([roi], complex), DTypeError, "must hold real numbers"),
    ):
        with pytest.raises(error, match=message):
            pool(rois)
    for options, error, message in (
        ({"spatial_scale": (1, 2)}, ValueError, "spatial_scale must be one number for rotated"),
        ({"angle": "turns"}, ValueError, "angle must be 'degrees' or 'radians', got 'turns'"),
        ({"clockwise": "no"}, TypeError, "clockwise must be True or False, got 'no'"),
        ({"sampling_ratio": math.inf}, ValueError, "must be a number of samples for rotated"),
        ({"sampling_ratio": 2, "max_samples": 3}, ValueError, "max_samples bounds samples"),
    ):
        with pytest.raises(error, match=message):
            pool([roi], **options)


def test_the_module_does_what_the_function_does(a5):
    roi = [[0, 2.5, 2.5, 2, 2, 1.0]]
    pool = ROIAlignRotated(2, angle="radians", max_samples=2)
    expected = roi_align_rotated(a5, roi, 2, 0.5, angle="radians", max_samples=2)
    np.testing.assert_array_equal(pool(a5, roi, 0.5), expected)


def test_engines_agree_on_random_boxes(rng):
    pytest.importorskip("lucid.roi.engines.compiled._turned")
    features = rng.standard_normal((2, 37, 25, 31), np.float32)
    rois = np.column_stack([
        rng.integers(0, 2, 90), rng.uniform(-5, 35, (90, 2)), rng.uniform(0, 40, (90, 2)) ** 1.2,
        rng.uniform(-400, 400, 90),
    ])  # fmt: skip
    found = []
    for engine in ("numpy", "compiled"):
        set_engine(engine)
        maps, table = (Tensor(array, requires_grad=True) for array in (features, rois))
        crops = roi_align_rotated(maps, table, (5, 3), 0.7)
        crops.backward(np.sin(np.arange(crops.size)).reshape(crops.shape).astype("f4"))
        found.append([crops.data, maps.grad, table.grad])
    set_engine("auto")
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5 * max(1, np.abs(one).max()))


@pytest.mark.parametrize("dtype", [">f4", "f8", "u1"])
@pytest.mark.parametrize("outside", ["zero", "renormalize"])
def test_largest_samples_have_the_same_bits_on_both_engines(rng, dtype, outside):
    """Bins of more samples than are listed at once, too; some boxes are nowhere."""
    pytest.importorskip("lucid.roi.engines.compiled._turned")
    features = (50 * rng.standard_normal((2, 21, 40, 41))).astype(dtype)
    if dtype != "u1":
        features[0, ::3, 7:20, 9] = np.nan
        features[1, 1::3, 11, 12:15] = -np.inf
    rois = np.column_stack([
        np.arange(20) % 2, rng.uniform(-9, 49, (20, 2)), rng.uniform(0, 40, (20, 2)) ** 1.2,
        rng.uniform(-400, 400, 20),
    ])  # fmt: skip
    for ratio in (-1, 2):
        found = []
        for engine in ("numpy", "compiled"):
            set_engine(engine)
            options = {"mode": "max", "outside": outside}
            found.append(roi_align_rotated(features, rois, (2, 3), 0.9, ratio, **options))
        set_engine("auto")
        np.testing.assert_array_equal(*found)
