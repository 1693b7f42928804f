"""Crops against another implementation, where it is installed."""

import numpy as np
import pytest
from peers import onnxruntime

from lucid.models.utils import roi_align


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
