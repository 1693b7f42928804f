"""Where other projects do otherwise than this one: each difference as it was seen, and where."""

import numpy as np
import pytest

from lucid import RoiError
from lucid.models import utils

pytestmark = pytest.mark.slow  # in need of what is large, and imported slowly
A5 = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
POINT = np.array([[0, 2, 2, 2, 2]], np.float32)


def openvino(name, feeds, *arguments):
    """Return what an operator of OpenVINO computes of arrays."""
    operators = pytest.importorskip("openvino.opset15")
    return openvino_s(lambda *nodes: getattr(operators, name)(*nodes, *arguments), feeds)


def openvino_s(node_of, feeds):
    """Return the value of a node of OpenVINO, as it is made of nodes of arrays."""
    ov = pytest.importorskip("openvino")
    nodes = [ov.opset15.parameter(list(feed.shape), feed.dtype) for feed in feeds]
    model = ov.Model([node_of(*nodes).output(0)], nodes)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return next(iter(compiled(feeds).values()))


def openvino_align(features, rois, size, ratio, mode, scale=1.0):
    """Return OpenVINO's crops of means, in one of its coordinate modes."""
    feeds = [features, rois[:, 1:].astype("f4"), rois[:, 0].astype(np.int32)]
    return openvino("roi_align", feeds, *size, ratio, scale, "avg", mode)


def boxes_on(rng, count, side):
    """Return rows (K, 5) on two maps, with corners of one decimal."""
    corners = np.sort(rng.uniform(0, side, (count, 2, 2)).round(1), axis=1).reshape(count, 4)
    return np.column_stack([rng.integers(0, 2, count), corners]).astype(np.float32)


def test_openvino_s_half_pixel_is_half_a_pixel_of_the_image(rng):
    """Of 2026.4: ours, and ONNX's, is its half_pixel_for_nn."""
    features, rois = rng.standard_normal((2, 3, 9, 9), np.float32), boxes_on(rng, 50, 70)
    ours = utils.roi_align(features, rois, (2, 3), 1 / 8, 2, aligned=True)
    theirs = openvino_align(features, rois, (2, 3), 2, "half_pixel_for_nn", 1 / 8)
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
    shifted = rois + np.array([0, 0.5, 0.5, 0.5, 0.5], np.float32)
    ours = utils.roi_align(features, shifted, (2, 3), 1 / 8, 2, aligned=True)
    theirs = openvino_align(features, rois, (2, 3), 2, "half_pixel", 1 / 8)
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_openvino_s_mean_of_no_sample_is_not_a_number():
    """Of 2026.4, aligned; ours is 0."""
    assert np.isnan(openvino_align(A5, POINT, (1, 1), 0, "half_pixel_for_nn")).all()
    assert not utils.roi_align(A5, POINT, 1, aligned=True).any()


def test_openvino_s_roi_pooling_ends_where_the_box_does():
    """Of 2026.4: the last of 7 bins of 57 cells, in float32, ends a cell beyond them elsewhere."""
    row = np.arange(60, dtype=np.float32).reshape(1, 1, 1, 60)
    box = np.array([[0, 0, 0, 56, 0]], np.float32)
    theirs = openvino("roi_pooling", [row, box], [1, 7], 1.0, "max")
    ours = utils.roi_pool(row, box, (1, 7))
    np.testing.assert_array_equal(ours[0, 0, 0], [8, 16, 24, 32, 40, 48, 57])
    np.testing.assert_array_equal(theirs[0, 0, 0], [8, 16, 24, 32, 40, 48, 56])


def test_openvino_s_position_sensitive_pooling_agrees(rng):
    features, rois = rng.standard_normal((2, 18, 17, 17), np.float32), boxes_on(rng, 100, 34)
    theirs = openvino("psroi_pooling", [features, rois], 2, 3, 0.5, 1, 1, "average")
    np.testing.assert_allclose(utils.ps_roi_pool(features, rois, 3, 0.5), theirs, atol=1e-5)


def test_openvino_s_bilinear_position_sensitive_pooling_has_bins_before_channels():
    """Of 2026.4: maps of their own number, two channels of two by two bins, of which it is mean."""
    numbers = np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1) * np.ones((1, 1, 5, 5), "f4")
    box = np.array([[0, 1, 1, 3, 3]], np.float32)
    theirs = openvino("psroi_pooling", [numbers, box], 2, 1, 0.2, 2, 2, "bilinear")
    np.testing.assert_allclose(theirs.ravel(), [3, 4], rtol=1e-6)
    ours = utils.ps_roi_align(numbers, box, 2)
    np.testing.assert_allclose(ours.mean(axis=(2, 3)).ravel(), [1.5, 5.5])


def extractor(maps, strides, boxes, aligned):
    """Return what OpenVINO's extractor takes from a pyramid, one bin of a RoI."""
    factory = pytest.importorskip("openvino.utils.node_factory").NodeFactory("opset6")
    name = "ExperimentalDetectronROIFeatureExtractor"
    options = {"output_size": 1, "sampling_ratio": 2, "pyramid_scales": strides, "aligned": aligned}
    return openvino_s(
        lambda *nodes: factory.create(name, [node.output(0) for node in nodes], options),
        [np.asarray(boxes, np.float32), *maps],
    ).ravel()


def test_openvino_s_extractor_counts_levels_by_number():
    """Of 2026.4: 224 is on the third map whatever its stride, and no area is nowhere."""
    strides, boxes = [8, 16, 32, 64], [[0, 0, 224, 224], [50, 50, 50, 90], [0, 0, 112, 112]]
    maps = [
        np.full((1, 1, 512 // each, 512 // each), k + 1, "f4") for k, each in enumerate(strides)
    ]
    np.testing.assert_array_equal(extractor(maps, strides, boxes, aligned=False), [3, 0, 2])
    scales = [1 / stride for stride in strides]
    assert utils.assign_levels(boxes, scales).tolist() == [1, 0, 0]
    assert utils.assign_levels(boxes, scales, canonical_level=2 + 3).tolist() == [2, 0, 1]


def test_openvino_s_extractor_has_a_least_extent_when_aligned():
    """Of 2026.4: a box of a quarter of a cell is taken as one of a whole cell from its start on."""
    box = [[2, 2, 2.25, 2.25]]
    theirs = extractor([A5], [1], box, aligned=True)
    whole = utils.roi_align(A5, [[0, 2, 2, 3, 3]], 1, 1.0, 2, aligned=True)
    np.testing.assert_allclose(theirs, whole.ravel())
    assert utils.roi_align(A5, [[0, *box[0]]], 1, 1.0, 2, aligned=True).item() == 9.75


def torchvision_pyramid(maps, image, boxes, sampling_ratio=2):
    """Return what torchvision's pooler of pyramids takes, and the pooler."""
    torch = pytest.importorskip("torch")
    operators = pytest.importorskip("torchvision.ops")
    pool = operators.MultiScaleRoIAlign([str(k) for k in range(len(maps))], 1, sampling_ratio)

    def call(maps, image, boxes):
        taken = {str(k): torch.from_numpy(each) for k, each in enumerate(maps)}
        rows = [torch.tensor(boxes, dtype=torch.float32)]
        return pool(taken, rows, [image]).numpy().ravel()

    return call(maps, image, boxes), call


def test_torchvision_s_pyramid_needs_strides_without_gaps():
    """Of 0.29: on strides of 8 and 32 a large box is on neither map, and gives zeros."""
    maps = [np.full((1, 1, 512 // stride, 512 // stride), stride, "f4") for stride in (8, 32)]
    boxes = [[0.0, 0, 500, 500], [0.0, 0, 230, 230], [0.0, 0, 50, 50]]
    theirs, _ = torchvision_pyramid(maps, (512, 512), boxes)
    np.testing.assert_array_equal(theirs, [0, 32, 8])
    rois, pool = np.insert(boxes, 0, 0, axis=1), utils.MultiScaleROIAlign(1, 2)
    ours = pool(maps, rois, spatial_scales=[1 / 8, 1 / 32])
    np.testing.assert_array_equal(ours.ravel(), [32, 8, 8])


def test_torchvision_s_pyramid_keeps_the_first_scale_and_looks_at_heights_only():
    """Of 0.29: cells are their columns' numbers; an image is wider than high, the next larger."""
    columns = np.arange(16, dtype="f4") * np.ones((1, 1, 16, 1), "f4")
    box = [[8.0, 8, 24, 24]]
    theirs, call = torchvision_pyramid([columns], (64, 128), box)
    read = utils.roi_align(columns, [[0, *box[0]]], 1, 1 / 4, 2).item()
    assert (theirs.item(), call([columns], (128, 128), box).item()) == (read, read)
    ours = utils.roi_align(columns, [[0, *box[0]]], 1, (1 / 4, 1 / 8), 2)
    assert ours.item() < read


def test_torchvision_s_pyramid_gives_zeros_for_a_box_reversed_along_one_axis():
    """Of 0.29; it is invalid here."""
    reversed_box = [[30.0, 10, 20, 40]]
    maps = [np.ones((1, 1, 64 // stride, 64 // stride), "f4") for stride in (4, 8)]
    assert not torchvision_pyramid(maps, (64, 64), reversed_box)[0].any()
    pool = utils.MultiScaleROIAlign(1, 2)
    with pytest.raises(RoiError, match="x2 must be at least x1"):
        pool(maps, [[0, *reversed_box[0]]], spatial_scales=[1 / 4, 1 / 8])


def test_torchvision_s_roi_pool_lets_no_nan_win():
    """Of 0.29: a map of them gives the lowest number that there is."""
    torch = pytest.importorskip("torch")
    pool = pytest.importorskip("torchvision.ops").roi_pool
    for values, theirs, ours in (
        ([np.nan, 3], 3, np.nan), ([np.nan, np.nan], np.finfo("f4").min, np.nan),
        ([-np.inf, -np.inf], np.finfo("f4").min, -np.inf),
    ):  # fmt: skip
        features = np.array(values, np.float32).reshape(1, 1, 1, 2)
        box = np.array([[0, 0, 0, 1, 0]], np.float32)
        assert pool(torch.from_numpy(features), torch.from_numpy(box), 1).item() == theirs
        np.testing.assert_array_equal(utils.roi_pool(features, box, 1).item(), ours)


def test_torchvision_comes_close_to_the_limit(rng):
    """Within 1.3e-3 of the scale with 1024 samples; what is left is the step at the border."""
    torch = pytest.importorskip("torch")
    align = pytest.importorskip("torchvision.ops").roi_align
    features = rng.standard_normal((2, 2, 9, 9), np.float32)
    rois = boxes_on(rng, 6, 12) - np.array([0, 2, 2, 0, 0], np.float32)
    theirs = align(torch.from_numpy(features), torch.from_numpy(rois), 1, 1.0, 1024).numpy()
    ours = utils.roi_align(features, rois, 1, 1.0, np.inf)
    np.testing.assert_allclose(theirs, ours, atol=1.3e-3 * np.abs(features).max())


def test_tensorflow_s_crop_and_resize_pushes_the_last_column_out_of_some_maps():
    """Of 2.21: box (0, 0, 1, 1) ends on the last of 7 cells, but its 22nd sample beyond it."""
    crop = pytest.importorskip("tensorflow").image.crop_and_resize
    maps = np.arange(7, dtype=np.float32).reshape(1, 1, 1, 7)
    theirs = crop(maps.transpose(0, 2, 3, 1), [[0, 0, 1, 1]], [0], (1, 22), extrapolation_value=-9)
    ours = utils.crop_and_resize(maps, [[0, 0, 0, 1, 1]], (1, 22), extrapolation_value=-9)
    np.testing.assert_allclose(theirs[0, 0, :-1, 0], ours[0, 0, 0, :-1], atol=1e-5)
    assert (theirs[0, 0, -1, 0], ours[0, 0, 0, -1]) == (-9, 6)
