"""RoIAlign in three dimensions: published cases, dtypes, memory, and what is refused."""

import numpy as np
import pytest

from lucid import RoiError, ShapeError, Tensor
from lucid.models.utils import ROIAlign3D, roi_align, roi_align_3d
from lucid.roi import set_engine
from lucid.roi.compound import volumes

pytestmark = pytest.mark.usefixtures("engine")
V4 = np.arange(64.0).reshape(1, 1, 4, 4, 4)


def test_published_cases():
    crops = roi_align_3d(V4, [[0, 1, 1, 1, 3, 3, 3], [0, 2, 2, 2, 2, 2, 2]], 2)
    np.testing.assert_allclose(crops[0].ravel(), [31.5, 32.5, 35.5, 36.5, 47.5, 48.5, 51.5, 52.5])
    point = roi_align_3d(V4, [[0, 2, 2, 2, 2, 2, 2]], 1)
    np.testing.assert_allclose(point, 52.5)


def test_a_box_of_one_plane_is_that_planes_crop(rng):
    features = rng.standard_normal((1, 5, 9, 20, 30), np.float32)
    flat = [[0, 2.2, 3.1, 17.4, 12.3], [0, -3, 2, 9.5, 25]]
    rois = [[0, x1, y1, 3.5, x2, y2, 4.5] for _, x1, y1, x2, y2 in flat]
    crops = roi_align_3d(features, rois, (1, 3, 4), sampling_ratio=1)
    expected = roi_align(features[:, :, 4], flat, (3, 4), sampling_ratio=1)
    np.testing.assert_allclose(crops[:, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", ">f4"])
def test_dtypes_and_layouts(rng, dtype):
    features = (rng.standard_normal((2, 9, 6, 12, 10)) * 20 + 100).astype(dtype)
    rois = np.array([[0, 1, 2, 1, 6, 7, 4.2], [1, 2, 3, -2, 9, 5, 9.0]])
    crops = roi_align_3d(features, rois, 3)
    expected = roi_align_3d(features.astype("f8"), rois, 3)
    assert crops.dtype == (np.dtype(dtype).newbyteorder("=") if "f" in dtype else np.float32)
    np.testing.assert_allclose(crops, expected, atol=0.3 if dtype == "f2" else 1e-4)
    turned = np.ascontiguousarray(features.transpose(0, 2, 4, 3, 1)).transpose(0, 4, 1, 3, 2)
    np.testing.assert_array_equal(roi_align_3d(turned, rois, 3), crops)


@pytest.mark.slow
def test_few_planes_and_rois_at_once_give_the_same_bits(rng, monkeypatch):
    features = rng.standard_normal((2, 6, 11, 12, 10), np.float32)
    low = rng.uniform(-3, 9, (20, 3))
    rois = np.column_stack([np.arange(20) % 2, low, low + rng.uniform(0, 9, (20, 3))])
    found = []
    for nbytes in (1 << 25, 4000):
        monkeypatch.setattr(volumes, "STAGED_BYTES", nbytes)
        monkeypatch.setattr(volumes, "COPIED_BYTES", nbytes)
        maps, table = (Tensor(array, requires_grad=True) for array in (features, rois))
        crops = roi_align_3d(maps, table, (2, 3, 3))
        crops.backward(np.cos(np.arange(crops.size, dtype="f4")).reshape(crops.shape))
        found.append([crops.data, maps.grad, table.grad])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_means_of_the_largest_values_stay_finite():
    features = np.full((1, 9, 5, 6, 7), np.finfo("f4").max, "f4")
    crops = roi_align_3d(features, [[0, 1.1, 1.2, 1.3, 4.4, 4.5, 3.7]], 3)
    np.testing.assert_allclose(crops, features.max(), rtol=1e-6)


def test_what_is_not_finite_stays_where_it_is_read(rng):
    features = rng.standard_normal((1, 3, 6, 6, 6))
    features[0, 1, 1, 1, 1] = np.nan
    crops = roi_align_3d(features, [[0, 0.6, 0.6, 0.6, 4.6, 4.6, 4.6]], 2)
    assert np.isnan(crops[0, 1, 0, 0, 0])
    assert np.isfinite(crops).sum() == crops.size - 1


def test_what_means_nothing_is_refused():
    for features, rois, error, message in (
        (V4[0], [[0, 1, 1, 1, 3, 3, 3]], ShapeError, r"shape \(N, C, D, H, W\), got \(1, 4, 4, 4"),
        (V4, [[0, 1, 1, 3, 3]], ShapeError, r"\(K, 7\) with columns \(batch_index, x1, y1, z1"),
        (V4, [[0, 1, 1, 3, 3, 3, 1]], RoiError, "z2 must be at least z1, got z1 = 3, z2 = 1 at"),
    ):
        with pytest.raises(error, match=message):
            roi_align_3d(features, rois, 2)
    with pytest.raises(ValueError, match="output_size must be one value or three, depth first"):
        ROIAlign3D((2, 2))


def test_volumes_may_be_given_with_boxes_of_each(rng):
    features = rng.standard_normal((2, 3, 6, 7, 8))
    boxes = [[[1, 1, 1, 3, 3, 3.0]], [[1, 2, 1, 6, 5, 4.0], [0, 0, 0, 2, 2, 2]]]
    rows = np.column_stack([[0, 1, 1], np.concatenate(boxes)])
    expected = ROIAlign3D(2, aligned=True)(features, rows)
    np.testing.assert_array_equal(roi_align_3d(features, boxes, 2, aligned=True), expected)


@pytest.mark.parametrize("dtype", [">f4", "f8", "u1"])
def test_largest_samples_have_the_same_bits_on_both_engines(rng, dtype):
    """Whatever maps and crops lie like; some boxes are nowhere, some beyond the volume."""
    pytest.importorskip("lucid.roi.engines.compiled._solid")
    features = (50 * rng.standard_normal((2, 5, 9, 15, 17))).astype(dtype)
    if dtype != "u1":
        features[0, ::3, 3, 7:9, 9] = np.nan
        features[1, 1::3, 4:6, 11, 12:15] = -np.inf
    corner = rng.uniform(-5, 15, (9, 3))
    rois = np.column_stack([np.arange(9) % 2, corner, corner + rng.uniform(0, 20, (9, 3))])
    for maps in (features, np.asfortranarray(features)[..., ::-1]):
        for options in ({}, {"sampling_ratio": 2, "outside": "renormalize"}):
            found = []
            for engine in ("numpy", "compiled"):
                set_engine(engine)
                found.append(roi_align_3d(maps, rois, (3, 2, 4), 0.8, mode="max", **options))
            np.testing.assert_array_equal(*found)
