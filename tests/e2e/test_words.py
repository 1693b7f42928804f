"""What features files say about where boxes lie, for all images or for each."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import oracles
import pytest

import lucid
from lucid.models.utils import roi_align

FACTORS = np.array([1.0, 0.5, 0.8, 2.0, 1.25])  # of the pictures of five images


def crops_of(features, **options):
    """Return crops by a fixed number of samples, for warnings say nothing about random boxes."""
    with warnings.catch_warnings(action="ignore", category=lucid.FrameWarning):
        report = lucid.extract(features, "r.npy", "c.npy", overwrite=True, sampling_ratio=2,
                               **options)  # fmt: skip
    return np.load("c.npy"), report


def wanted(files, scale=1.0, factors=FACTORS, offset=0.0):
    """Return crops of boxes that are moved to cells one by one."""
    rows = files.rois.copy()
    index = rows[:, 0].astype(int)
    factor = np.broadcast_to(np.reshape(factors, (len(factors), -1)), (5, 2))[index][:, ::-1]
    rows[:, 1:] = rows[:, 1:] * np.tile(factor * scale, 2) + offset
    return roi_align(files.features, rows, 7, sampling_ratio=2)


def one_dataset(files, where="dataset", **words):
    """Write all features into one dataset of a group, and words about them."""
    with h5py.File("w.h5", "w") as file:
        group = file.create_group("head")
        group["features"] = files.features
        at = {"dataset": group["features"], "group": group, "file": file}
        for word, value in words.items():
            if where == "beside":
                group[word] = value
            else:
                at[where].attrs[word] = value
    return "w.h5::head/features"


@pytest.mark.parametrize("where", ["dataset", "group", "file", "beside"])
def test_a_scale_of_each_image(files, where):
    scales = FACTORS / 16
    for value in (scales, scales[:, None], np.c_[scales, scales]):
        found, report = crops_of(one_dataset(files, where, spatial_scale=value))
        np.testing.assert_allclose(found, wanted(files, 1 / 16), rtol=1e-5, atol=1e-5)
        assert (report.spatial_scale_from, report.coordinates) == ("images", "input")


@pytest.mark.parametrize("where", ["dataset", "beside"])
def test_a_stride_of_each_image_vertical_first(files, where):
    stride = np.c_[16 / FACTORS, np.full(5, 8.0)]
    found, _ = crops_of(one_dataset(files, where, stride=stride))
    expected = wanted(files, factors=np.c_[FACTORS / 16, np.full(5, 1 / 8)])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_one_stride_is_one_scale(files):
    found, report = crops_of(one_dataset(files, stride=16))
    np.testing.assert_array_equal(found, crops_of("f.npy", spatial_scale=1 / 16)[0])
    assert (report.spatial_scale, report.spatial_scale_from) == ((1 / 16, 1 / 16), "features")


@pytest.mark.parametrize("where", ["dataset", "group", "file", "beside"])
def test_im_info_is_the_scale_of_pictures_and_not_of_maps(files, where):
    info = np.c_[np.tile([192.0, 272], (5, 1)), FACTORS]
    found, report = crops_of(one_dataset(files, where, im_info=info), spatial_scale=1 / 16)
    np.testing.assert_allclose(found, wanted(files, 1 / 16), rtol=1e-5, atol=1e-5)
    assert report.coordinates == "im_info"


def test_original_and_input_size_give_a_factor_per_axis(files):
    factors = np.c_[FACTORS, FACTORS[::-1]]
    words = {"original_size": np.array([[200, 400]] * 5), "input_size": factors * [200, 400]}
    found, _ = crops_of(one_dataset(files, **words), spatial_scale=1 / 16)
    np.testing.assert_allclose(found, wanted(files, 1 / 16, factors=factors), rtol=1e-5, atol=1e-5)


def test_a_frame_in_the_file_has_offsets_too(files):
    frame = np.c_[FACTORS, FACTORS, np.full((5, 2), 32)]
    features = one_dataset(files, "beside", frame=frame)
    found, report = crops_of(features, spatial_scale=1 / 16)
    assert "moved by a frame for each image (from the features)" in str(report)
    given, report = crops_of(features, spatial_scale=1 / 16, frame=frame)
    assert "moved by a frame for each image (as given)" in str(report)
    np.testing.assert_array_equal(given, found)
    np.testing.assert_allclose(found, wanted(files, 1 / 16, offset=2), rtol=1e-5, atol=1e-5)


def test_options_win_each_in_its_place(files):
    info = np.c_[np.tile([192.0, 272], (5, 1)), FACTORS]
    features = one_dataset(files, im_info=info, spatial_scale=1 / 4)
    plain = crops_of("f.npy", spatial_scale=1 / 16)[0]
    found, report = crops_of(features, spatial_scale=1 / 16, frame="none")
    np.testing.assert_array_equal(found, plain)
    assert report.coordinates == "input"
    np.save("ones.npy", np.ones(5))
    np.testing.assert_array_equal(crops_of(features, stride=16, frame="ones.npy")[0], plain)
    np.testing.assert_allclose(crops_of(features)[0], wanted(files, 1 / 4), rtol=1e-5, atol=1e-5)


def test_a_number_of_a_video_frame_is_no_frame(files):
    features = one_dataset(files, "beside", frame=np.arange(5))
    np.testing.assert_array_equal(crops_of(features)[0], crops_of("f.npy")[0])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"spatial_scale": 0.0}, "has a bad attribute: spatial_scale must be finite and > 0"),
        ({"stride": -1}, "has a bad attribute: stride must be finite and > 0"),
        ({"spatial_scale": np.ones(3)}, "spatial_scale must be 1 or 2 finite numbers, or as many"),
        ({"im_info": np.ones((5, 2))}, "im_info must be 3 finite numbers"),
        ({"spatial_scale": 1 / 16, "stride": 8}, "which contradict each other"),
        (
            {"spatial_scale": FACTORS, "im_info": np.ones((5, 3))},
            "a spatial_scale for each image and im_info",
        ),
        ({"original_size": np.zeros(2), "input_size": np.ones(2)}, "finite factors above 0"),
    ],
)
def test_words_without_sense_are_named(files, words, says):
    with pytest.raises(lucid.LucidError, match=says):
        crops_of(one_dataset(files, **words))


def test_each_of_the_arrays_per_image_may_say_its_own(files):
    with h5py.File("each.h5", "w") as file:
        for image in range(5):
            file[f"{image}/head"] = files.features[image]
            file[f"{image}/im_info"] = [[192, 272, FACTORS[image]]]
            file[f"{image}/head"].attrs["stride"] = 16
    found, _ = crops_of("each.h5::{id}/head")
    np.testing.assert_allclose(found, wanted(files, 1 / 16), rtol=1e-5, atol=1e-5)


def test_rows_beside_arrays_per_image_need_an_order(files):
    with h5py.File("each.h5", "w") as file:
        for image in range(5):
            file[f"{image}_f"] = files.features[image]
        file["spatial_scale"] = FACTORS[::-1] / 16
        file["spatial_scale"][...] = FACTORS[::-1] / 16
    np.save("ids.npy", np.arange(5)[::-1])
    with pytest.raises(lucid.SourceError, match="order is not known; pass ids in its order"):
        crops_of("each.h5::{id}_f")
    rows = files.rois.copy()
    rows[:, 0] = 4 - rows[:, 0]
    np.save("r.npy", rows)
    found, _ = crops_of("each.h5::{id}_f", ids="ids.npy")
    np.testing.assert_allclose(found, wanted(files, 1 / 16), rtol=1e-5, atol=1e-5)


def test_a_word_that_some_images_lack_is_an_error(files):
    with h5py.File("each.h5", "w") as file:
        for image in range(5):
            file[f"{image}_f"] = files.features[image]
            if image:
                file[f"{image}_f"].attrs["spatial_scale"] = 0.5
    with pytest.raises(lucid.SourceError, match="4 of 5 images have spatial_scale"):
        crops_of("each.h5::{id}_f")


def test_a_file_per_image_with_im_info_and_boxes_of_the_pictures(files, rng):
    """As referring-expression projects keep them: head (1, C, h, w), im_info, boxes xywh."""
    Path("head").mkdir()
    boxes, rows, maps = [], [], []
    for image in range(3):
        height, width = (int(side) for side in rng.integers(300, 700, 2))
        scale = min(600 / min(height, width), 1000 / max(height, width))
        size = round(height * scale), round(width * scale)
        maps.append(rng.standard_normal((1, 8, -(-size[0] // 16), -(-size[1] // 16))))
        with h5py.File(f"head/{image:03}.h5", "w") as file:
            file["head"] = maps[-1]
            file["im_info"] = np.array([[*size, scale]])
        for _ in range(4):
            corner = rng.uniform(0, 0.5, 2) * (width, height)
            side = rng.uniform(0.1, 0.5, 2) * (width, height)
            boxes.append([image, *corner, *side])
            rows.append(np.r_[0, corner, corner + side] * [1, *[scale] * 4])
    np.save("r.npy", boxes)
    report = lucid.extract("head/{id}.h5::head", "r.npy", "c.h5", boxes="xywh", stride=16,
                           aligned=True)  # fmt: skip
    with h5py.File("c.h5") as file:
        crops = file["crops"][:]
    assert report.warnings == ()
    for row, (image, *_), found in zip(rows, boxes, crops, strict=True):
        expected = oracles.roi_align(maps[image], [row], (7, 7), 1 / 16, aligned=True)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_boxes_that_are_in_input_coordinates_already_are_warned_of(files, rng):
    corner = rng.uniform(100, 200, (60, 2))
    np.save("r.npy", np.c_[rng.integers(0, 5, 60), corner, corner + 40])
    features = one_dataset(files, im_info=np.array([192, 272, 2.0]), spatial_scale=1 / 16)
    with pytest.warns(lucid.FrameWarning, match="they would fit with frame none"):
        lucid.extract(features, "r.npy", "c.npy")
