"""`frame --reference`: what made crops is named, and what makes the same."""

import numpy as np
import oracles
import peers
import pytest
from nodes import onnx_node, openvino

import lucid
from lucid.errors import ShapeError

slow = [pytest.mark.slow]
FORMS = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "cxcywh": lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    "yxyx": lambda x1, y1, x2, y2: (y1, x1, y2, x2),
}


def written(rows, form):
    return np.column_stack([rows[:, 0], *FORMS[form](*rows[:, 1:].T)])


@pytest.fixture
def field(rng):
    """Return maps, boxes on and around them, and what makes crops of those at a scale."""
    features = rng.standard_normal((2, 4, 20, 28)).astype(np.float32)
    low = rng.uniform(-20, [380, 260], (30, 2))
    high = low + rng.uniform(1, [200, 150], (30, 2))
    return features, np.column_stack([rng.integers(0, 2, 30), low, high]).astype(np.float32)


def named(report, word):
    """Return the best candidate, if its frameworks have one with a word."""
    best = report.candidates[0]
    assert any(word in framework for framework in best.frameworks), str(report)
    return best


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino", "torchvision"])
@pytest.mark.parametrize(
    ("ratio", "aligned"),
    [(2, True), *(pytest.param(*two, marks=slow) for two in [(-1, True), (-1, False), (3, False)])],
)
def test_crops_of_frameworks_are_named_and_the_options_make_them(
    tmp_path, field, peer, ratio, aligned
):
    if peer not in peers.installed():
        pytest.skip(f"{peer} is not installed")
    features, rois = field
    crops = getattr(peers, peer)(features, rois, (7, 5), 1 / 16, ratio, aligned)
    report = lucid.frame(features, rois, reference=crops, boxes="xyxy")
    best = named(report, peer.replace("openvino", "OpenVINO"))
    assert (best.rank, best.operator, best.reproduces) == (1, "roi-align", "float32")
    assert best.arguments["stride"] == 16
    assert (best.aligned, best.sampling_ratio, best.spatial_scale) == (
        aligned,
        ratio,
        (1 / 16, 1 / 16),
    )
    assert best.max_abs_error < 2e-5
    lucid.extract(features, rois, tmp_path / "c.npy", output_size=(7, 5), **best.arguments)
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), crops, rtol=0, atol=2e-5)


def test_crops_of_plain_loops_are_named_as_such(field):
    features, rois = (values.astype(np.float64) for values in field)
    crops = oracles.roi_align(features, rois, (3, 4), 1 / 16, 2, True)
    best = named(
        lucid.frame(*field, reference=crops, stride=16, boxes="xyxy"), "plain loops in float64"
    )
    assert (best.reproduces, best.sampling_ratio, best.aligned) == ("float64", 2, True)
    assert best.max_abs_error < 1e-12


@pytest.mark.slow
def test_onnx_has_a_maximum_of_its_own(field):
    features, rois = field
    feeds = {"X": features, "boxes": rois[:, 1:].copy(), "images": rois[:, 0].astype(np.int64)}
    crops = onnx_node(
        "RoiAlign", feeds, mode="max", output_height=3, output_width=4, sampling_ratio=2,
        spatial_scale=1 / 16, coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    best = named(lucid.frame(features, rois, reference=crops), "onnxruntime")
    assert "weighted corner" in best.note
    assert not any("OpenVINO" in framework for framework in best.frameworks)


@pytest.mark.slow
def test_half_pixel_of_openvino_is_another_than_of_onnx(field):
    features, rois = field
    call = openvino(features.shape, (30, 4), lambda ops, maps, boxes, images: (
        ops.roi_align(maps, boxes, images, 3, 4, 2, 1 / 16, "avg", "half_pixel"),
        [maps, boxes, images],
    ))  # fmt: skip
    crops = call(features, rois[:, 1:].copy(), rois[:, 0].astype(np.int32))
    best = named(lucid.frame(features, rois, reference=crops), "OpenVINO ROIAlign (half_pixel)")
    assert "half a pixel" in best.note


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operator", "options"),
    [
        ("roi_pool", {}),
        ("prroi_pool", {}),
        ("ps_roi_align", {"sampling_ratio": 2}),
        ("ps_roi_pool", {}),
        ("roi_align", {"mode": "max", "sampling_ratio": 3}),
        ("roi_align", {"sampling_ratio": float("inf"), "aligned": True}),
    ],
)
def test_other_operators_are_found(field, operator, options):
    features, rois = field
    crops = getattr(lucid.models.utils, operator)(features, rois, (2, 2), 1 / 16, **options)
    best = lucid.frame(features, rois, reference=crops).candidates[0]
    assert (best.operator, best.max_abs_error) == (operator.replace("_", "-"), 0)
    assert not best.note


@pytest.mark.slow
def test_fractions_of_crop_and_resize_are_found(rng):
    features = rng.standard_normal((1, 3, 20, 28)).astype(np.float32)
    rows = np.column_stack(
        [np.zeros(20), np.sort(rng.uniform(0, 1, (20, 2, 2)), axis=1).reshape(20, 4)]
    )
    crops = lucid.models.utils.crop_and_resize(features, rows, (5, 6))
    best = lucid.frame(features, written(rows, "yxyx"), reference=crops).candidates[0]
    assert (best.operator, best.arguments["boxes"]) == ("crop-and-resize", "yxyx")


def test_a_reference_of_something_else_is_reproduced_by_none(field, rng):
    features, rois = field
    noise = rng.standard_normal((30, 4, 2, 2))
    report = lucid.frame(features, rois, stride=16, boxes="xyxy", reference=noise)
    assert not any(one.reproduces for one in report.candidates)
    assert "None reproduces" in report.hints[0]
    with pytest.raises(ShapeError, match="of the 30 RoIs"):
        lucid.frame(features, rois, reference=np.zeros((29, 4, 2, 2)))
    with pytest.raises(ShapeError, match="channels"):
        lucid.frame(features, rois, reference=np.zeros((30, 3, 2, 2)))


def test_frameworks_that_make_the_same_and_what_tells_them_apart_are_told_in_a_line(field):
    features, rois = field
    held = {"stride": 16, "boxes": "xyxy", "operator": "roi-align"}
    crops = lucid.models.utils.roi_align(features, rois, 7, 1 / 16, aligned=True)
    report = lucid.frame(features, rois, reference=crops, **held)
    named = [name for name in report.candidates[0].frameworks if name != "plain loops in float64"]
    assert report.hints == (
        f"{len(named)} frameworks make the same of these RoIs; what tells them apart: boxes "
        "without area, of which OpenVINO makes NaN and the others 0.",
    )
    one = lucid.models.utils.roi_align(features, rois[:3] * 0 + [0, 3, 3, 60, 70], 7, 1 / 16, 1)
    report = lucid.frame(features, rois[:3] * 0 + [0, 3, 3, 60, 70], reference=one, **held)
    assert "of rank 1 do so alike; crops of boxes of other sizes" in report.hints[0]
