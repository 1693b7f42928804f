"""Gradients of crops: the adjoint identity for features, finite differences for boxes."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import jobs

from lucid import ShapeError, Tensor
from lucid.models.utils import ROIAlign, roi_align
from lucid.roi import RoiAlign, as_rois, box_gradient, pool_adjoint
from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.passes import fills_window
from lucid.roi.engines.numpy.tuning import Tuning

pytestmark = pytest.mark.usefixtures("engine")
numpy_alone = pytest.mark.parametrize("engine", ["numpy"], indirect=True)


def random_like(array, seed=7):
    return np.random.default_rng(seed).standard_normal(array.shape)


def gradients(features, table, operator, seed_gradient, **options):
    features, table = Tensor(features, requires_grad=True), Tensor(table, requires_grad=True)
    roi_align(features, table, **operator, **options).backward(seed_gradient)
    return features.grad, table.grad


@given(jobs(least=1), st.booleans())
def test_the_gradient_of_features_is_the_exact_adjoint(job, apart):
    """<g, A x> == <A' g, x>: crops are linear in the features, so no epsilon is needed."""
    features, table, operator = job
    crops = roi_align(features, table, **operator)
    g = random_like(crops)
    with pytest.MonkeyPatch.context() as patch:
        if apart:  # to cells with others between them
            scattered = Tuning(add_scattered_factor=0, add_roi_bytes=0)
            patch.setattr(tuning, "current", scattered)
        for_features, _ = gradients(features, table, operator, g)
    assert np.vdot(g, crops) == pytest.approx(np.vdot(for_features, features), abs=1e-10)


@given(jobs(least=1))
def test_the_gradient_of_features_is_the_adjoint_on_every_other_map_too(job):
    features, table, operator = job
    other = random_like(features)
    g = random_like(roi_align(features, table, **operator))
    for_features, _ = gradients(features, table, operator, g)
    expected = np.vdot(g, roi_align(other, table, **operator))
    assert np.vdot(for_features, other) == pytest.approx(expected, abs=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "size", "ratio"),
    [
        (1024, (40, 40), 2),
        (1024, (90, 90), 4),  # bins that leave cells out, of more bytes than are added at once
        (1024, (40, 40), -1),
        (96, (90, 110), 1),
        (96, (90, 110), -1),
    ],
)
def test_many_channels_have_the_gradient_that_each_has_alone(rng, channels, size, ratio):
    """Cells of many bytes are added in other ways than those of few."""
    features = np.zeros((1, channels, *size))
    corner = rng.uniform(-10, 30, (8, 2))
    table = np.c_[np.zeros(8), corner, corner + rng.uniform(0, 80, (8, 2))]
    operator = {"output_size": (2, 5), "sampling_ratio": ratio}
    g = rng.standard_normal((8, channels, 2, 5))
    together, _ = gradients(features, table, operator, g)
    for some in (slice(0, 1), slice(channels - 1, None)):
        alone, _ = gradients(features[:, some], table, operator, g[:, some])
        np.testing.assert_allclose(together[:, some], alone, rtol=0, atol=1e-12)


@numpy_alone
@pytest.mark.parametrize("ratio", [-1, 1, 2])
@pytest.mark.parametrize("apart", [0, 3.0])
@pytest.mark.parametrize(
    "piece",
    [1, *(pytest.param(1 << bits, marks=pytest.mark.slow) for bits in (10, 12, 14))],
)
def test_what_is_added_in_pieces_is_the_same_gradient(rng, monkeypatch, piece, ratio, apart):
    corner = rng.uniform(-3, 20, (20, 2))
    table = np.c_[np.zeros(20), corner, corner + rng.uniform(0, 40, (20, 2))]
    operator = {"output_size": (3, 4), "sampling_ratio": ratio}
    features, g = np.zeros((1, 5, 30, 40)), rng.standard_normal((20, 5, 3, 4))
    whole, _ = gradients(features, table, operator, g)
    other = Tuning(
        add_scattered_factor=apart,
        add_roi_bytes=0,
        scattered_bytes=piece,
        product_bytes=piece,
    )
    monkeypatch.setattr(tuning, "current", other)
    pieces, _ = gradients(features, table, operator, g)
    np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-12)


def test_the_gradient_is_zero_where_no_roi_is(rng, monkeypatch):
    """Nor on maps whose only RoIs are invalid, whatever was in memory before."""
    empty = np.empty

    def poisoned(*arguments, **options):
        array = empty(*arguments, **options)
        array.fill(-1)
        return array

    monkeypatch.setattr(np, "empty", poisoned)
    table = np.array([[0, 5, 5, 1, 1], [1, 3, 2, 6, 5], [3, 50, 50, 60, 60]], float)
    g = rng.standard_normal((3, 2, 2, 2))
    for_features, _ = gradients(
        np.zeros((4, 2, 9, 10)), table, {"output_size": 2}, g, invalid="zero"
    )
    touched = np.zeros(for_features.shape, bool)
    touched[1, :, 2:6, 3:7] = True
    assert for_features[touched].any()
    assert not for_features[~touched].any()


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (2, 4, 2, 3), (1, 4, 2, 2), (4, 2, 2)])
def test_a_gradient_of_another_shape_is_refused(shape):
    features, table = np.zeros((1, 4, 9, 9)), as_rois([[0, 1, 1, 5, 5], [0, 2, 2, 6, 6]], 1)
    operator = RoiAlign.checked(2)
    with pytest.raises(ShapeError, match="gradient must have the shape of the crops"):
        pool_adjoint(np.ones(shape), features, table, operator)
    with pytest.raises(ShapeError, match="gradient must have the shape of the crops"):
        box_gradient(np.ones(shape), features, table, operator)


def test_maps_of_no_channels_have_a_gradient_of_none():
    for_features, for_rois = gradients(
        np.zeros((1, 0, 9, 9)),
        np.array([[0, 1, 1, 5, 5.0]]),
        {"output_size": 2},
        np.ones((1, 0, 2, 2)),
    )
    assert for_features.shape == (1, 0, 9, 9)
    assert not for_rois.any()


def test_all_of_a_window_is_added_to_only_where_that_is_less_work():
    touched = np.array([[28, 28, 8, 28], [28, 28, 128, 28]])
    window = np.array([[36, 300, 8, 300], [36, 300, 470, 300]])
    assert fills_window(touched, window, 7, 1024).tolist() == [True, False, False, False]
    assert not fills_window(touched, window, 1000, 1024).any()


def slope(features, table, operator, direction, g, step=1e-6):
    """Return <g, Jv> by a central difference."""
    moved = [roi_align(features, table + sign * step * direction, **operator) for sign in (1, -1)]
    return np.vdot(g, moved[0] - moved[1]) / (2 * step)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [1, 2, 3, -1])
def test_the_gradient_of_boxes_is_what_finite_differences_say(rng, aligned, ratio):
    """Boxes inside, across each border, outside, around the map, and smaller than a cell."""
    features = rng.standard_normal((2, 3, 8, 9))
    boxes = [(1.13, 0.77, 6.41, 5.93), (-3.2, 1.1, 4.3, 12.4), (5.1, -2.3, 14.7, 3.9),
             (20.1, 20.2, 22.3, 24.4), (-4.1, -4.3, 15.2, 14.9), (3.11, 2.37, 3.52, 6.81),
             (3.11, 2.37, 7.52, 2.81)]  # fmt: skip
    table = np.array([(k % 2, *box) for k, box in enumerate(boxes)])
    operator = {"output_size": (2, 3), "spatial_scale": 0.9, "sampling_ratio": ratio}
    operator["aligned"] = aligned
    g = rng.standard_normal((len(table), 3, 2, 3))
    _, for_rois = gradients(features, table, operator, g)
    for k, column in product(range(len(table)), (1, 2, 3, 4)):
        direction = np.zeros_like(table)
        direction[k, column] = 1
        expected = slope(features, table, operator, direction, g)
        assert for_rois[k, column] == pytest.approx(expected, abs=2e-6), (boxes[k], column)


def test_published_gradients():
    features = np.array([[[[1.0, 2], [3, 4]]]])
    operator = {"output_size": 2, "sampling_ratio": 2, "aligned": True}
    for_features, for_rois = gradients(
        features, np.array([[0.0, 0, 0, 1, 1]]), operator, np.ones((1, 1, 2, 2))
    )
    np.testing.assert_allclose(for_features[0, 0], [[3.0625, 0.4375], [0.4375, 0.0625]])
    np.testing.assert_allclose(for_rois, [[0, 0.5, 1, 1.5, 3]])


def test_while_the_minimum_of_one_cell_holds_the_end_has_no_gradient(rng):
    features = rng.standard_normal((1, 1, 6, 6))
    _, for_rois = gradients(
        features, np.array([[0, 2.2, 1.3, 2.6, 4.4]]), {"output_size": 2}, np.ones((1, 1, 2, 2))
    )
    assert for_rois[0, 3] == 0
    assert (for_rois[0, [1, 2, 4]] != 0).all()


def test_repeated_and_overlapping_rois_accumulate(rng):
    features = rng.standard_normal((1, 2, 7, 7))
    one, other = [0, 1.0, 1, 5, 5], [0, 2.0, 0, 6, 4]
    parts = [gradients(features, np.array([row]), {"output_size": 3}, None)[0]
             for row in (one, one, other)]  # fmt: skip
    together, _ = gradients(features, np.array([one, one, other]), {"output_size": 3}, None)
    np.testing.assert_allclose(together, sum(parts), atol=1e-12)


def test_gradients_have_the_same_bits_every_time(rng):
    features = rng.standard_normal((2, 8, 12, 12)).astype(np.float32)
    corner = rng.uniform(-2, 8, (40, 2))
    table = np.c_[rng.integers(0, 2, 40), corner, corner + rng.uniform(0, 6, (40, 2))]
    runs = [gradients(features, table, {"output_size": 3}, None) for _ in range(3)]
    for again in runs[1:]:
        np.testing.assert_array_equal(again[0], runs[0][0])
        np.testing.assert_array_equal(again[1], runs[0][1])


def test_invalid_rows_have_no_gradient(rng):
    features = rng.standard_normal((1, 1, 5, 5))
    table = np.array([[0, 1, 1, 3, 3], [4, 1, 1, 3, 3], [0, np.nan, 1, 3, 3]])
    for_features, for_rois = gradients(features, table, {"output_size": 2}, None, invalid="zero")
    alone, _ = gradients(features, table[:1], {"output_size": 2}, None)
    np.testing.assert_array_equal(for_features, alone)
    assert not for_rois[1:].any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_have_the_dtype_of_what_they_belong_to(rng, dtype):
    features = rng.standard_normal((1, 2, 5, 5)).astype(dtype)
    table = np.array([[0, 1, 1, 3.5, 3]], np.float32)
    for_features, for_rois = gradients(features, table, {"output_size": 2}, None)
    assert for_features.dtype == dtype
    assert for_rois.dtype == np.float32


def test_a_loss_on_crops_reaches_features_and_boxes(rng):
    """One step against the gradient makes the loss smaller, for the boxes and for the features."""
    features = Tensor(rng.standard_normal((1, 4, 10, 10)), requires_grad=True)
    rois = Tensor(np.array([[0, 1.2, 2.1, 6.3, 7.7]]), requires_grad=True)
    target = rng.standard_normal((1, 4, 3, 3))

    def loss(features, rois):
        return ((ROIAlign(3)(features, rois) - target) ** 2).mean()

    before = loss(features, rois)
    before.backward()
    assert rois.grad[0, 0] == 0
    assert loss(features, rois.data - 1e-2 * rois.grad).item() < before.item()
    assert loss(features.data - 1e-2 * features.grad, rois).item() < before.item()
