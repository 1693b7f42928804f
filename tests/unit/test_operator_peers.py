"""Relatives of RoIAlign beside onnxruntime's and OpenVINO's, row by row, and where these differ."""

import numpy as np
import pytest
from nodes import onnx_node, openvino

from lucid.models import utils


def boxes_on(rng, count, height, width, beyond=4):
    """Return rows (K, 5) around the borders of two maps, with corners of one decimal."""
    low = rng.uniform(-beyond, [width, height], (count, 2))
    high = low + rng.uniform(0, [width, height], (count, 2))
    return np.column_stack([rng.integers(0, 2, count), low.round(1), high.round(1)])


def test_onnxruntime_s_max_roi_pool_agrees(rng):
    features = rng.standard_normal((2, 3, 17, 23)).astype(np.float32)
    rois = boxes_on(rng, 200, 34, 46)
    rois[0] = 0, 0, 0, 113.9, 0.4  # 57 cells in 7 bins
    theirs = onnx_node(
        "MaxRoiPool", {"X": features, "rois": rois.astype(np.float32)},
        pooled_shape=[5, 7], spatial_scale=0.5,
    )  # fmt: skip
    np.testing.assert_array_equal(utils.roi_pool(features, rois, (5, 7), 0.5), theirs)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_onnxruntime_s_crop_and_resize_agrees(rng, method):
    features = rng.standard_normal((2, 3, 9, 13)).astype(np.float32)
    boxes = rng.uniform(-0.4, 1.4, (100, 4)).astype(np.float32)
    image = rng.integers(0, 2, 100).astype(np.int32)
    feeds = {"X": features, "rois": boxes[:, [1, 0, 3, 2]].copy(), "batch": image}
    theirs = onnx_node(
        "CropAndResize", feeds | {"size": np.array([4, 5], np.int32)}, "com.microsoft",
        mode=method, extrapolation_value=0.5,
    )  # fmt: skip
    ours = utils.crop_and_resize(
        features, np.column_stack([image, boxes]), (4, 5), method=method, extrapolation_value=0.5
    )
    same = np.isclose(ours, theirs, rtol=0, atol=1e-5).mean()
    assert same == 1 if method == "bilinear" else same > 0.99  # ties of nearest, in float32


def test_the_largest_of_onnx_is_that_of_weighted_corners():
    """A map of 8 everywhere: samples at a quarter of a cell have a corner of .75 x .75 x 8."""
    features = np.full((1, 1, 5, 5), 8, np.float32)
    feeds = {
        "X": features,
        "boxes": np.array([[1, 1, 3, 3]], np.float32),
        "images": np.zeros(1, np.int64),
    }
    theirs = onnx_node(
        "RoiAlign", feeds, mode="max", output_height=2, output_width=2, sampling_ratio=2,
        coordinate_transformation_mode="output_half_pixel",
    )  # fmt: skip
    ours = utils.roi_align(features, [[0, 1, 1, 3, 3]], 2, 1.0, 2, mode="max")
    assert (ours == 8).all()
    np.testing.assert_allclose(theirs, 4.5)  # onnxruntime 1.18 to 1.32


def test_openvino_s_largest_samples_agree_but_where_all_are_negative(rng):
    """OpenVINO 2026.4 begins with 0."""
    rois = boxes_on(rng, 100, 15, 19, beyond=1)
    for sign in (1, -1):
        features = sign * np.abs(rng.standard_normal((2, 4, 15, 19))).astype(np.float32)
        call = openvino(features.shape, (100, 4), lambda ops, maps, boxes, images: (
            ops.roi_align(maps, boxes, images, 2, 3, 2, 1.0, "max", "asymmetric"),
            [maps, boxes, images],
        ))  # fmt: skip
        boxes, images = rois[:, 1:].astype(np.float32), rois[:, 0].astype(np.int32)
        theirs = call(features, boxes, images)
        ours = utils.roi_align(features, rois, (2, 3), 1.0, 2, mode="max")
        np.testing.assert_allclose(theirs, np.maximum(ours, 0), rtol=0, atol=1e-5)
    assert ours.min() < 0


def test_openvino_s_roi_pooling_agrees(rng):
    features = rng.standard_normal((2, 3, 17, 23)).astype(np.float32)
    rois = boxes_on(rng, 100, 34, 46, beyond=0).astype(np.float32)
    call = openvino(features.shape, (100, 5), lambda ops, maps, boxes, images: (
        ops.roi_pooling(maps, boxes, [5, 7], 0.5, "max"), [maps, boxes],
    ))  # fmt: skip
    np.testing.assert_array_equal(utils.roi_pool(features, rois, (5, 7), 0.5), call(features, rois))


def torchvision_of(name, features, rois, *arguments):
    """Return what an operator of torchvision computes."""
    torch = pytest.importorskip("torch")
    call = getattr(pytest.importorskip("torchvision").ops, name)
    table = torch.from_numpy(rois.astype(features.dtype))
    return call(torch.from_numpy(features), table, *arguments).numpy()


def test_torchvision_s_roi_pool_and_position_sensitive_align_agree(rng):
    features = rng.standard_normal((2, 12, 17, 23)).astype(np.float32)
    rois = boxes_on(rng, 100, 34, 46)
    theirs = torchvision_of("roi_pool", features, rois, (5, 7), 0.5)
    np.testing.assert_array_equal(utils.roi_pool(features, rois, (5, 7), 0.5), theirs)
    theirs = torchvision_of("ps_roi_align", features, rois, (2, 3), 0.5, 2)
    ours = utils.ps_roi_align(features, rois, (2, 3), 0.5, 2)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_torchvision_s_position_sensitive_pooling_never_reads_the_last_row_and_column():
    """Of torchvision 0.29; and its align gives NaN for a box without area."""
    features = np.zeros((1, 1, 5, 5), np.float32)
    features[..., -1, :] = features[..., -1] = 8
    rois = np.array([[0.0, 0, 0, 4, 4]])
    assert torchvision_of("ps_roi_pool", features, rois, 1).item() == 0
    assert utils.ps_roi_pool(features, rois, 1).item() == pytest.approx(8 * 9 / 25)
    point = np.array([[0.0, 2, 2, 2, 2]])
    assert np.isnan(torchvision_of("ps_roi_align", features, point, 1)).all()
    assert not utils.ps_roi_align(features, point, 1).any()


A5 = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
IMAGE = np.zeros(1, np.int32)


def openvino_align(box, size, ratio, scale, mode):
    """Return OpenVINO's means of a box on `A5`."""
    call = openvino(A5.shape, (1, 4), lambda ops, maps, boxes, images: (
        ops.roi_align(maps, boxes, images, *size, ratio, scale, "avg", mode), [maps, boxes, images],
    ))  # fmt: skip
    return call(A5, np.array([box], np.float32), IMAGE)[0, 0]


@pytest.mark.slow
def test_openvino_s_half_pixel_shifts_by_half_an_input_pixel():
    """Of OpenVINO 2026.4; its half_pixel_for_nn is aligned."""
    box, rois = (2, 2, 6, 6), [[0, 2, 2, 6, 6]]
    theirs = openvino_align(box, (2, 2), 2, 0.5, "half_pixel_for_nn")
    np.testing.assert_allclose(theirs, [[6, 7], [11, 12]])
    ours = utils.roi_align(A5, rois, 2, 0.5, 2, aligned=True)[0, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    shifted = openvino_align(box, (2, 2), 2, 0.5, "half_pixel")
    np.testing.assert_allclose(shifted, [[7.5, 8.5], [12.5, 13.5]])
    moved = np.array(rois) + np.array([0, 0.5, 0.5, 0.5, 0.5])
    ours = utils.roi_align(A5, moved, 2, 0.5, 2, aligned=True)[0, 0]
    np.testing.assert_allclose(ours, shifted, atol=1e-6)


@pytest.mark.slow
def test_openvino_s_aligned_mean_of_no_samples_is_not_a_number():
    """Of OpenVINO 2026.4: adaptive, of a box without area."""
    point = (3, 3, 3, 3)
    assert np.isnan(openvino_align(point, (1, 1), 0, 1.0, "half_pixel_for_nn")).all()
    assert not utils.roi_align(A5, [[0, *point]], 1, aligned=True).any()
    assert openvino_align(point, (1, 1), 2, 1.0, "half_pixel_for_nn").item() == 15


@pytest.mark.slow
def test_openvino_s_position_sensitive_bilinear_orders_channels_by_bin():
    """Of OpenVINO 2026.4: channel c of bin b is b C + c, and all bins are averaged."""
    maps = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None], (1, 8, 5, 5)).copy()
    call = openvino(maps.shape, (1, 5), lambda ops, maps, boxes, images: (
        ops.psroi_pooling(maps, boxes, 2, 2, 1.0, 2, 2, "bilinear"), [maps, boxes],
    ))  # fmt: skip
    theirs = call(maps, np.array([[0, 0.25, 0.25, 0.75, 0.75]], np.float32))
    np.testing.assert_allclose(theirs[0].mean(axis=(1, 2)), [3, 4])  # of 0, 2, 4, 6; 1, 3, 5, 7
    ours = utils.ps_roi_align(maps, [[0, 1, 1, 3, 3]], 2)
    np.testing.assert_allclose(ours[0], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]])


@pytest.mark.slow
def test_torchvision_s_roi_pool_lets_nothing_win_over_the_least_number():
    """Of torchvision 0.29: what is not a number never wins, nor does minus infinity."""
    rois = np.array([[0.0, 1, 1, 3, 3]])
    least = np.finfo(np.float32).min
    for value, ours in ((np.nan, np.nan), (-np.inf, -np.inf)):
        features = np.full((1, 1, 5, 5), value, np.float32)
        assert torchvision_of("roi_pool", features, rois, 1).item() == least
        np.testing.assert_equal(utils.roi_pool(features, rois, 1).item(), ours)
    features = np.zeros((1, 1, 5, 5), np.float32)
    features[0, 0, 2, 2] = np.nan
    assert torchvision_of("roi_pool", features, rois, 1).item() == 0
    assert np.isnan(utils.roi_pool(features, rois, 1)).all()
