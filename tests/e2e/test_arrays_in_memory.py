"""`lucid.extract` on arrays instead of files."""

import h5py
import numpy as np
import pytest

import lucid
from lucid.models.utils import roi_align


def crops_of(features, rois, **options):
    lucid.extract(features, rois, "c.npy", overwrite=True, **options)
    return np.load("c.npy")


def test_features_and_rois_may_be_arrays(files):
    expected = roi_align(files.features, files.rois, 7, 1 / 16)
    found = crops_of(files.features, files.rois, spatial_scale=1 / 16)
    np.testing.assert_array_equal(found, expected)
    tensor = lucid.Tensor(files.features)
    np.testing.assert_array_equal(crops_of(tensor, "r.npy", spatial_scale=1 / 16), expected)
    rows = files.rois.tolist()
    np.testing.assert_array_equal(crops_of("f.npy", rows, spatial_scale=1 / 16), expected)


def test_a_report_calls_them_what_the_argument_is_called(files):
    report = lucid.extract(files.features, files.rois, "c.h5", spatial_scale=1 / 16)
    assert (report.features, report.rois, report.jobs) == ("features", "rois", 1)
    with h5py.File("c.h5") as file:
        said = dict(file["crops"].attrs)
    assert (said["features"], said["rois"]) == ("array", "array")
    assert tuple(said["features_shape"]) == files.features.shape


def test_boxes_with_images_frames_and_ids_in_arrays(files):
    index, boxes = files.rois[:, 0].astype(int), files.rois[:, 1:]
    factors = np.array([1, 0.5, 0.25, 2, 1])
    moved = np.c_[index, boxes * factors[index][:, None]]
    found = crops_of(
        files.features, boxes, batch_index=index, frame=factors, ids=list("abcde"), stride=16
    )
    expected = roi_align(files.features, moved, 7, 1 / 16)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    sizes = np.tile([192, 272], (5, 1))
    fractions = boxes / [272, 192, 272, 192]
    found = crops_of(
        files.features, fractions, batch_index=index, normalized=True, image_size=sizes, stride=16
    )
    expected = roi_align(files.features, files.rois, 7, 1 / 16)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_run_on_other_values_is_not_gone_on_with(files):
    lucid.extract(files.features, files.rois, "c.h5", stride=16)
    lucid.extract(files.features, files.rois, "c.h5", stride=16, resume=True)
    other = files.features.copy()
    other[3, 2, 1, 0] += 1
    with pytest.raises(lucid.SinkError, match="other contents of features"):
        lucid.extract(other, files.rois, "c.h5", stride=16, resume=True)


def test_what_cannot_be_shared_or_is_no_array_is_refused(files):
    with pytest.raises(ValueError, match="maps in memory use one process; drop jobs"):
        lucid.extract(files.features, "r.npy", "c.npy", jobs=2)
    with pytest.raises(lucid.ShapeError, match=r"rois must have shape"):
        lucid.extract(files.features, files.rois[:, :3], "c.npy")
    with pytest.raises(TypeError, match="a path or an array was expected, got 7"):
        lucid.extract(7, files.rois, "c.npy")
