"""Crops against plain loops, published cases and properties."""

import tracemalloc
from itertools import product

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import jobs, maps, operators, rois

import lucid
from lucid import DTypeError, ShapeError, Tensor
from lucid.models.utils import ROIAlign, roi_align
from lucid.roi.engines.numpy import tuning

pytestmark = pytest.mark.usefixtures("engine")
numpy_alone = pytest.mark.parametrize("engine", ["numpy"], indirect=True)


def scale_of(features):
    return max(np.abs(features.astype(np.float64)).max(), 1e-300)


@given(jobs(np.float64))
def test_float64_agrees_with_plain_loops_to_1e10(job):
    features, table, operator = job
    crops = roi_align(features, table, **operator)
    np.testing.assert_allclose(
        crops, oracles.roi_align(features, table, **operator), rtol=0, atol=1e-10
    )


@given(jobs(np.float32))
def test_float32_agrees_with_plain_loops_to_2e6_of_its_scale(job):
    features, table, operator = job
    crops = roi_align(features, table, **operator)
    expected = oracles.roi_align(features, table, **operator)
    assert crops.dtype == np.float32
    np.testing.assert_allclose(crops, expected, rtol=0, atol=2e-6 * scale_of(features))


@pytest.mark.parametrize("side", [7, 14, 21, 28])
def test_sides_of_whole_cells_are_sampled_as_float32_counts_them(rng, side):
    """Corners with one decimal: in float64 many such sides are a hair above a whole number."""
    features = rng.standard_normal((1, 1, 40, 40)).astype(np.float32)
    corner = rng.uniform(0, 10, (20, 2)).round(1)
    table = np.c_[np.zeros(20), corner, corner + side].astype(np.float32)
    expected = oracles.roi_align(features, table, (7, 7))
    np.testing.assert_allclose(roi_align(features, table, 7), expected, atol=1e-5)


def case(rows):
    return np.array([[[float(value) for value in row.split()] for row in rows.split("/")]])


@pytest.mark.parametrize(
    ("aligned", "expected"),
    [
        (False, "7.5 8 8.5 9 / 10 10.5 11 11.5 / 12.5 13 13.5 14 / 15 15.5 16 16.5"),
        (True, "4.5 5 5.5 6 / 7 7.5 8 8.5 / 9.5 10 10.5 11 / 12 12.5 13 13.5"),
    ],
)
def test_published_ramp(a5, aligned, expected):
    """Bins of half a cell: the first centre is 1.25, so 5 * 1.25 + 1.25 = 7.5; less 3 aligned."""
    crops = roi_align(a5, [[0, 1, 1, 3, 3]], 4, aligned=aligned)
    np.testing.assert_allclose(crops[0], case(expected))


def test_published_two_by_two():
    features = np.array([[[[1.0, 2], [3, 4]]]])
    crops = roi_align(features, [[0, 0, 0, 1, 1]], 2, sampling_ratio=2, aligned=True)
    np.testing.assert_allclose(crops[0], case("1 1.25 / 1.5 1.75"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 21), ({"aligned": True}, 0), ({"aligned": True, "sampling_ratio": 2}, 15)],
)
def test_a_point(a5, options, expected):
    """Not aligned it is one cell, centre (3.5, 3.5); aligned it has no area, hence no samples."""
    assert roi_align(a5, [[0, 3, 3, 3, 3]], 1, **options).item() == expected


@pytest.mark.parametrize("box", [(6, 6, 9, 9), (-9, -9, -3, -3)])
def test_a_box_outside_is_zero(a5, box):
    assert not roi_align(a5 + 1, [[0, *box]], 2).any()


def test_samples_out_of_range_count_in_the_average():
    crops = roi_align(np.ones((1, 1, 5, 5)), [[0, -4, -4, 4, 4]], 2)
    np.testing.assert_allclose(crops[0], case(".0625 .25 / .25 1"))


@pytest.mark.parametrize(("centre", "expected"), [(-1, 1), (5, 1), (-1.01, 0), (5.01, 0)])
def test_the_range_of_samples_includes_both_ends(centre, expected):
    box = (0, centre - 1, 2, centre + 1, 3)
    assert roi_align(np.ones((1, 1, 5, 5)), [box], 1, sampling_ratio=1).item() == expected


def test_a_map_of_one_cell():
    assert (roi_align(np.full((1, 1, 1, 1), 7.0), [[0, 0, 0, 1, 1]], 2) == 7).all()


@given(maps(most=1))
def test_an_aligned_box_around_the_map_gives_the_map(features):
    height, width = features.shape[2:]
    crops = roi_align(features, [[0, 0, 0, width, height]], (height, width), aligned=True)
    np.testing.assert_allclose(crops, features, atol=1e-14)


@given(st.sampled_from([-1, 1, 2, 5]), st.booleans(), st.integers(1, 5), st.integers(1, 5))
def test_a_ramp_gives_the_ramp_at_the_bin_centres(ratio, aligned, bins_h, bins_w):
    y, x = np.mgrid[0:20.0, 0:30.0]
    features = (3 * y + 7 * x)[None, None]
    x1, y1, x2, y2 = 4.0, 3.0, 21.0, 15.0
    crops = roi_align(
        features, [[0, x1, y1, x2, y2]], (bins_h, bins_w), 1.0, ratio, aligned=aligned
    )
    ys = y1 + (np.arange(bins_h) + 0.5) * (y2 - y1) / bins_h - 0.5 * aligned
    xs = x1 + (np.arange(bins_w) + 0.5) * (x2 - x1) / bins_w - 0.5 * aligned
    np.testing.assert_allclose(crops[0, 0], 3 * ys[:, None] + 7 * xs, atol=1e-11)


@given(jobs(), st.randoms())
def test_permuting_rois_permutes_crops_to_the_bit(job, random):
    features, table, operator = job
    order = list(range(len(table)))
    random.shuffle(order)
    np.testing.assert_array_equal(
        roi_align(features, table[order], **operator),
        roi_align(features, table, **operator)[order],
    )


@given(jobs(np.float32, least=1, most=12))
def test_a_roi_alone_has_the_same_bits_as_among_others(job):
    features, table, operator = job
    together = roi_align(features, table, **operator)
    alone = [roi_align(features, table[k : k + 1], **operator)[0] for k in range(len(table))]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("channels", [1, pytest.param(2, marks=pytest.mark.slow), 64])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (7, 7)])
def test_a_roi_alone_has_the_same_bits_on_large_maps(rng, channels, size):
    """Long windows, of one column too, and bins of a whole column: products with vectors."""
    features = rng.standard_normal((1, channels, 180, 40)).astype(np.float32)
    corner = rng.uniform(0, [35, 90], (45, 2))
    table = np.c_[np.zeros(45), corner, corner + rng.uniform(0, [3, 90], (45, 2))]
    table[:15, 3] = table[:15, 1] + 0.01
    for aligned in (False, True):
        together = roi_align(features, table, size, aligned=aligned)
        alone = [roi_align(features, table[k : k + 1], size, aligned=aligned)[0] for k in range(45)]
        np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_at_the_limit_of_their_dtype_stay_finite(rng, dtype):
    """Weights sum to 1 but for rounding, which must not carry a mean over the largest number."""
    largest = np.finfo(dtype).max
    features = np.full((1, 3, 20, 20), largest)
    features[0, 1] = -largest
    corner = rng.uniform(0, 15, (300, 2))
    table = np.c_[np.zeros(300), corner, corner + rng.uniform(0, 5, (300, 2))]
    crops = roi_align(features, table, 7, sampling_ratio=2)
    assert np.isfinite(crops).all()
    np.testing.assert_allclose(crops[:, 0] / largest, 1, rtol=1e-3)
    features[0, 2, 3, 3] = np.inf
    assert np.isinf(roi_align(features, table, 7)[:, 2]).any()


@given(jobs())
def test_transposing_maps_and_boxes_transposes_crops(job):
    features, table, operator = job
    size = operator.pop("output_size")
    turned = roi_align(features.swapaxes(2, 3), table[:, [0, 2, 1, 4, 3]], size[::-1], **operator)
    np.testing.assert_allclose(
        turned.swapaxes(2, 3), roi_align(features, table, size, **operator), atol=1e-12
    )


@given(jobs(), st.floats(-3, 3))
def test_crops_are_linear_in_the_features(job, factor):
    features, table, operator = job
    other = np.flip(features, axis=3)
    np.testing.assert_allclose(
        roi_align(features + factor * other, table, **operator),
        roi_align(features, table, **operator) + factor * roi_align(other, table, **operator),
        atol=1e-11,
    )


@given(rois(images=1), operators())
def test_crops_of_a_constant_lie_between_zero_and_it(table, operator):
    crops = roi_align(np.full((1, 2, 6, 8), 3.0), table, **operator)
    assert ((crops >= 0) & (crops <= 3 + 1e-12)).all()


@pytest.mark.parametrize("box", [
    (-1e308, -1e308, 1e308, 1e308),
    (1e308, 1e308, 1e308, 1e308),
    (0, 0, 1e9, 1e9),
    (-1e9, -1e9, 1e9, 1e9),
    (-1e300, 3, 2, 1e12),
    (-3e38, -3e38, 3e38, 3e38),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_boxes_are_cheap_and_finite(rng, box, dtype):
    features = rng.standard_normal((1, 2, 9, 9)).astype(dtype)
    for scale, ratio, aligned in product((1, 1e300, 1e-300), (-1, 2, 1024), (False, True)):
        assert np.isfinite(roi_align(features, [[0, *box]], 2, scale, ratio, aligned)).all()


def test_a_box_of_a_million_cells_is_the_average_of_the_map_spread_over_it():
    """One row of bins 10^6 cells long: 10^6 samples one cell apart, of which 6 read ones."""
    crops = roi_align(np.ones((1, 1, 4, 4)), [[0, -1, 0, 10**6 - 1, 1]], 1)
    assert crops.item() == pytest.approx(5 / 10**6, rel=1e-9)


def test_no_rois_give_no_crops(a5):
    assert roi_align(a5, [], (2, 3)).shape == (0, 1, 2, 3)
    assert roi_align(np.empty((0, 4, 5, 5)), np.empty((0, 5)), 7).shape == (0, 4, 7, 7)


def test_maps_of_no_channels_give_crops_of_none():
    table = Tensor([[0, 1.0, 1, 3, 3], [0, 8, 8, 9, 9]], requires_grad=True)
    crops = roi_align(Tensor(np.empty((1, 0, 5, 5)), requires_grad=True), table, 2)
    crops.backward()
    assert crops.shape == (2, 0, 2, 2)
    assert not table.grad.any()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i1", "i2", "u4", "i8", "?"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_any_real_dtype_in_any_byte_order(rng, dtype, order):
    features = rng.integers(0, 2, (2, 3, 8, 9)).astype(np.dtype(dtype).newbyteorder(order))
    table = [[1, 0.3, 0.7, 6.1, 5.2], [0, -2, -2, 3, 3]]
    crops = roi_align(features, table, (2, 3))
    expected_dtype = np.dtype(dtype) if dtype.startswith("f") else np.dtype("f4")
    assert crops.dtype == expected_dtype
    expected = oracles.roi_align(features, table, (2, 3))
    np.testing.assert_allclose(crops, expected, atol=1e-3 if dtype == "f2" else 1e-6)


@pytest.mark.parametrize("dtype", ["c8", "c16", "g", "O", "S3", "M8[s]", [("a", "f4")]])
def test_features_of_other_dtypes_are_refused(dtype):
    with pytest.raises(DTypeError, match="features must hold real numbers of at most 64 bits"):
        roi_align(np.zeros((1, 1, 4, 4), dtype), [[0, 1, 1, 2, 2]], 2)


def test_layout_and_writability_do_not_matter(rng, tmp_path):
    features = rng.standard_normal((2, 4, 6, 7)).astype(np.float32)
    table = [[1, 1.1, 0.4, 5.5, 4.2], [0, 0, 0, 6, 6], [1, 3, 3, 3, 3]]
    expected = roi_align(features, table, 3)
    np.save(tmp_path / "features.npy", features)
    frozen = features.copy()
    frozen.flags.writeable = False
    wide = np.zeros((2, 8, 12, 7), np.float32)
    wide[:, ::2, ::2] = features
    for same in (
        np.asfortranarray(features),
        np.ascontiguousarray(features[..., ::-1])[..., ::-1],
        np.ascontiguousarray(features.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        wide[:, ::2, ::2],
        frozen,
        np.load(tmp_path / "features.npy", mmap_mode="r"),
    ):
        np.testing.assert_array_equal(roi_align(same, table, 3), expected)


@pytest.mark.parametrize("shape", [(5, 5), (1, 5, 5), (1, 1, 1, 5, 5), (1, 1, 0, 5), (1, 1, 5, 0)])
def test_features_of_other_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match="features must have"):
        roi_align(np.zeros(shape), [[0, 1, 1, 2, 2]], 2)


@given(jobs(least=1))
def test_the_table_may_have_any_dtype_that_holds_it(job):
    features, table, operator = job
    whole = np.round(table)
    expected = roi_align(features, whole, **operator)
    for dtype in ("f2", "f4", ">f8", "i2", ">i8"):
        np.testing.assert_array_equal(
            roi_align(features, whole.astype(dtype), **operator), expected
        )


@numpy_alone
@given(
    st.sampled_from([1, 3000, 1 << 22]),
    st.sampled_from([1, 2000, 1 << 40]),
    jobs(np.float32, least=1, most=12),
)
def test_pieces_and_gathering_change_no_crop_and_no_roi_depends_on_another(
    monkeypatch, chunk, call, job
):
    """Chunks of one RoI and less, and RoIs that are weighted where they lie."""
    other = tuning.Tuning(batch_bytes=chunk, call_bytes=call, in_place_bytes=call)
    monkeypatch.setattr(tuning, "current", other)
    features, table, operator = job
    together = roi_align(features, table, **operator)
    expected = oracles.roi_align(features, table, **operator)
    np.testing.assert_allclose(together, expected, rtol=0, atol=2e-6 * scale_of(features))
    alone = [roi_align(features, table[k : k + 1], **operator)[0] for k in range(len(table))]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.slow
def test_a_large_map_is_copied_part_by_part(rng):
    """A hundred boxes all over a map of 256 MiB, in parts of at most 64; no bit depends on it."""
    channel = rng.standard_normal((1, 1, 1024, 1024), np.float32)
    features = np.broadcast_to(channel, (1, 64, 1024, 1024))
    corner = rng.uniform(-20, 900, (100, 2))
    table = np.c_[np.zeros(100), corner, corner + rng.uniform(0, 300, (100, 2))]
    table[7, 1:] = 2000, 2000, 2001, 2001
    lucid.free_buffers()
    tracemalloc.start()
    try:
        crops = roi_align(features, table, 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20
    for k in (7, *range(0, 100, 9)):
        np.testing.assert_array_equal(crops[k : k + 1], roi_align(features, table[k : k + 1], 2))


@pytest.mark.parametrize("ratio", [-1, 2])
def test_large_windows_of_many_channels_have_the_same_bits_alone(rng, ratio):
    """Large bands are not gathered; small ones on the same map are."""
    features = rng.standard_normal((1, 96, 90, 110), np.float32)
    corner = rng.uniform(0, 40, (40, 2))
    table = np.c_[np.zeros(40), corner, corner + rng.uniform(0, [80, 60], (40, 2))]
    together = roi_align(features, table, 4, sampling_ratio=ratio)
    alone = [roi_align(features, table[k : k + 1], 4, sampling_ratio=ratio)[0] for k in range(40)]
    np.testing.assert_array_equal(together, alone)
    some = slice(0, 96, 40)
    expected = oracles.roi_align(features[:, some], table[:6], (4, 4), 1.0, ratio)
    np.testing.assert_allclose(together[:6, some], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "size", "width"), [(512, 26, 50), (1024, 14, 26), (2048, 10, 18)]
)
def test_bins_beyond_the_edge_spare_those_within_it_in_large_windows(channels, size, width):
    """Bins of two cells each, of which the last few are off the map."""
    features = np.ones((1, channels, 2 * size + 2, width), np.float32)
    crops = roi_align(features, [[0, 0, 0, 2 * size, 2 * size]], size, 1.0, 1)
    expected = oracles.roi_align(
        features[:, :1], [[0, 0, 0, 2 * size, 2 * size]], (size, size), 1.0, 1
    )
    np.testing.assert_allclose(crops, np.broadcast_to(expected, crops.shape), atol=1e-6)


@pytest.mark.parametrize("value", ["no", "False", None, 2, 0.5])
def test_a_text_does_not_say_whether_boxes_are_aligned(a5, value):
    with pytest.raises(TypeError, match="aligned must be True or False, got"):
        roi_align(a5, [[0, 1, 1, 3, 3]], 2, aligned=value)
    with pytest.raises(TypeError, match="aligned must be True or False, got"):
        ROIAlign(2, aligned=value)
    for same in (1, np.True_, True):
        crop = roi_align(a5, [[0, 1, 1, 3, 3]], 2, aligned=same)
        np.testing.assert_array_equal(crop, [[[[6, 7], [11, 12]]]])
