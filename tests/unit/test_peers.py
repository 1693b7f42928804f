"""Crops against another implementation, where it is installed."""

import numpy as np
import pytest
from peers import onnxruntime, openvino_rotated

from lucid import RoiError
from lucid.models.utils import roi_align, roi_align_rotated


@pytest.mark.slow  # and in need of what only `dev` installs
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [2, 3, -1])
def test_onnxruntime_agrees_to_2e4_of_the_scale(rng, aligned, ratio):
    """It computes positions in float32, so the difference is its own; boxes cross all borders."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    features = rng.standard_normal((3, 8, 25, 34)).astype(np.float32)
    corner = rng.uniform(-60, 500, (300, 2))
    table = np.c_[rng.integers(0, 3, 300), corner, corner + np.exp(rng.uniform(2, 6, (300, 2)))]
    table = table.astype(np.float32)
    arguments = ((7, 5), 1 / 16, ratio, aligned)
    difference = roi_align(features, table, *arguments) - onnxruntime(features, table, *arguments)
    assert np.abs(difference).max() <= 2e-4 * np.abs(features).max()


@pytest.mark.slow
@pytest.mark.parametrize("clockwise", [False, True])
@pytest.mark.parametrize("ratio", [2, -1])
def test_openvino_agrees_about_turned_boxes(rng, clockwise, ratio):
    """It takes radians, and computes positions in float32."""
    pytest.importorskip("openvino")
    features = rng.standard_normal((2, 4, 20, 30), np.float32)
    rois = np.column_stack([
        rng.integers(0, 2, 200), rng.uniform(-5, 65, (200, 2)), rng.uniform(0.5, 50, (200, 2)),
        rng.uniform(-4, 4, 200),
    ]).astype(np.float32)  # fmt: skip
    theirs = openvino_rotated(features, rois, (3, 2), 0.5, ratio, clockwise)
    options = {"angle": "radians", "clockwise": clockwise}
    ours = roi_align_rotated(features, rois, (3, 2), 0.5, ratio, **options)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.slow
def test_openvino_reads_boxes_of_negative_sides_backwards():
    """Seen of 2026.4.1; such boxes are invalid here."""
    pytest.importorskip("openvino")
    a5 = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    rois = np.array([[0, 2.5, 2.5, -2, 2, 0.5], [0, 2.5, 2.5, 2, 2, 0.5]], np.float32)
    theirs = openvino_rotated(a5, rois, (2, 2), 1.0, 2, False)
    np.testing.assert_allclose(theirs[0], theirs[1, :, :, ::-1], rtol=1e-6)
    with pytest.raises(RoiError, match="w must be at least 0, got -2.* at row 0"):
        roi_align_rotated(a5, rois, 2, angle="radians")
