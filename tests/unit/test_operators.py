"""What holds for every operator, and for all that take largest values, on both engines."""

from functools import partial

import numpy as np
import pytest
from operator_cases import OPERATORS, align, expected_of, made

from lucid import RoiError, Tensor
from lucid.models import utils
from lucid.roi import set_engine

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(params=OPERATORS)
def case(request):
    return OPERATORS[request.param]


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


def test_maxima_of_boxes_with_three_samples_and_with_four_down_a_bin(rng):
    """The grids of both have the shapes of one another's products, but not as many lines."""
    maps = rng.standard_normal((1, 1, 36, 7))
    rois = np.array([[0, 24.7, 35.7, 47.3, 37.8], [0, 37.3, -1.8, 52.8, 1.5]])
    largest = partial(utils.roi_align, output_size=1, aligned=True, mode="max")
    alone = [largest(maps, roi[None])[0] for roi in rois]
    np.testing.assert_array_equal(largest(maps, rois), alone)


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
