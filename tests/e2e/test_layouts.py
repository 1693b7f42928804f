"""The files that people have: each form of features and boxes gives the crops of the plain form."""

import h5py
import numpy as np
import pytest

import lucid
from lucid import DTypeError, RoiError, ShapeError, SourceError
from lucid.models.utils import roi_align


def crops_of(features="f.npy", rois="r.npy", **options):
    lucid.extract(features, rois, "crops.npy", overwrite=True, **options)
    return np.load("crops.npy")


@pytest.fixture
def boxes(files):
    """Boxes sorted by image, and the forms in which people store them."""
    order = np.argsort(files.rois[:, 0], kind="stable")
    files.rois = files.rois[order]
    files.index, files.boxes = files.rois[:, 0].astype(int), files.rois[:, 1:]
    files.expected = roi_align(files.features, files.rois, 7)
    np.save("b.npy", files.boxes)
    return files


def test_channels_last(files):
    last = np.ascontiguousarray(files.features.transpose(0, 2, 3, 1))
    np.save("last.npy", last)
    with h5py.File("last.h5", "w") as file:
        file["plain"] = last
        file.create_dataset("blocked", data=last, chunks=(2, 12, 17, 6), compression="gzip")
    expected = roi_align(files.features, files.rois, 7)
    for features in ("last.npy", "last.h5::plain", "last.h5::blocked"):
        np.testing.assert_array_equal(crops_of(features, layout="nhwc"), expected)


@pytest.mark.parametrize("dtype", ["i2", "i8", "f8"])
def test_boxes_with_a_list_of_their_images(boxes, dtype):
    np.save("index.npy", boxes.index.astype(dtype))
    np.testing.assert_array_equal(crops_of(rois="b.npy", batch_index="index.npy"), boxes.expected)


def test_boxes_with_ranges_per_image(boxes):
    """As in bottom-up-attention files: image_bb (total, 4) and pos_boxes (N, 2)."""
    counts = np.bincount(boxes.index, minlength=5)
    until = np.cumsum(counts)
    with h5py.File("bu.h5", "w") as file:
        file["image_bb"] = boxes.boxes
        file["pos_boxes"] = np.c_[until - counts, until]
    crops = crops_of(rois="bu.h5", box_ranges="bu.h5")
    np.testing.assert_array_equal(crops, boxes.expected)


def test_a_box_in_no_range_is_invalid(boxes):
    np.save("ranges.npy", [[0, 5], [5, 5], [7, 60], [5, 5], [0, 0]])
    with pytest.raises(RoiError, match=r"b.npy: batch_index must be in \[0, 5\), got -1 at row 5 "):
        crops_of(rois="b.npy", box_ranges="ranges.npy")
    crops = crops_of(rois="b.npy", box_ranges="ranges.npy", invalid="zero")
    assert not crops[5:7].any()
    moved = np.c_[np.full(53, 2), boxes.boxes[7:]]
    np.testing.assert_array_equal(crops[7:], roi_align(boxes.features, moved, 7))


def test_boxes_padded_to_a_number_per_image(boxes):
    """As in GQA shards: bboxes (N, 100, 4), of which some count."""
    counts = np.bincount(boxes.index, minlength=5)
    padded = np.full((5, counts.max() + 3, 4), np.nan)
    for image in range(5):
        padded[image, : counts[image]] = boxes.boxes[boxes.index == image]
    with h5py.File("gqa.h5", "w") as file:
        file["bboxes"] = padded
        file["num_boxes"] = counts
    np.testing.assert_array_equal(crops_of(rois="gqa.h5", box_counts="gqa.h5"), boxes.expected)
    np.save("full.npy", padded[:, : counts.min()])
    assert len(crops_of(rois="full.npy")) == 5 * counts.min()


def test_boxes_on_one_image_need_not_say_it(boxes):
    np.save("one.npy", boxes.features[:1])
    expected = roi_align(boxes.features[:1], np.c_[np.zeros(60), boxes.boxes], 7)
    np.testing.assert_array_equal(crops_of("one.npy", "b.npy"), expected)


@pytest.mark.parametrize("form", ["xywh", "cxcywh"])
def test_boxes_as_a_place_and_a_size(boxes, form):
    low, high = boxes.boxes[:, :2], boxes.boxes[:, 2:]
    place = low if form == "xywh" else (low + high) / 2
    np.save("sized.npy", np.c_[boxes.index, place, high - low])
    np.testing.assert_allclose(crops_of(rois="sized.npy", boxes=form), boxes.expected, atol=1e-5)


def test_boxes_with_y_first(boxes):
    np.save("yx.npy", np.c_[boxes.index, boxes.boxes[:, [1, 0, 3, 2]]])
    np.testing.assert_array_equal(crops_of(rois="yx.npy", boxes="yxyx"), boxes.expected)


def test_boxes_as_fractions_of_the_image(boxes):
    sizes = np.array([[100, 200], [300, 250], [80, 80], [120, 60], [77, 99]])
    np.save("sizes.npy", sizes)
    fractions = boxes.boxes / sizes[boxes.index][:, [1, 0, 1, 0]]
    np.save("fractions.npy", np.c_[boxes.index, fractions])
    crops = crops_of(rois="fractions.npy", normalized=True, image_size="sizes.npy")
    np.testing.assert_allclose(crops, boxes.expected, atol=1e-5)
    np.save("fractions.npy", np.c_[boxes.index, boxes.boxes / [200, 100, 200, 100]])
    for size in ((100, 200), "100x200"):
        crops = crops_of(rois="fractions.npy", normalized=True, image_size=size)
        np.testing.assert_allclose(crops, boxes.expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"b.npy \(60, 4\): boxes \(K, 4\) need batch_index, box_ranges or box_counts"),
        ({"batch_index": "short.npy"}, "short.npy must have an image for each of 60 boxes"),
        ({"batch_index": "b.npy"}, r"b.npy must be a list of numbers or texts \(K,\)"),
        ({"box_ranges": "short.npy"}, r"short.npy must be box_ranges \(N, 2\)"),
        ({"box_ranges": "few.npy"}, "few.npy must have a row for each of 5 images, got 2"),
        ({"box_ranges": "over.npy"}, "box_ranges must not overlap"),
        ({"box_ranges": "past.npy"}, "box_ranges must have rows start, end with .* <= 60"),
        ({"box_ranges": "half.npy"}, "half.npy must hold whole numbers >= 0"),
        ({"box_ranges": "endless.npy"}, "endless.npy must hold whole numbers >= 0"),
        ({"box_ranges": "wraps.npy"}, "wraps.npy must hold whole numbers >= 0"),
        ({"box_counts": "short.npy"}, "short.npy must have a row for each of 5 images, got 3"),
        ({"box_counts": "many.npy"}, "many.npy must sum to the number of boxes, 60, got 65"),
    ],
)
def test_what_does_not_fit_the_boxes_is_refused(boxes, options, message):
    np.save("short.npy", np.arange(3))
    np.save("many.npy", np.full(5, 13))
    np.save("few.npy", [[0, 30], [30, 60]])
    np.save("over.npy", [[0, 30], [20, 60], [0, 0], [0, 0], [0, 0]])
    np.save("past.npy", [[0, 30], [30, 61], [0, 0], [0, 0], [0, 0]])
    np.save("endless.npy", [[0, 30], [30, np.inf], [0, 0], [0, 0], [0, 0]])
    np.save("wraps.npy", np.array([[0, 2**64 - 1]] + [[0, 0]] * 4, np.uint64))
    np.save("half.npy", [[0, 30], [30, 59.5], [0, 0], [0, 0], [0, 0]])
    with pytest.raises((ShapeError, RoiError), match=message):
        crops_of(rois="b.npy", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_index": "a", "box_ranges": "b"}, "contradict each other; pass one of them"),
        ({"normalized": True}, "normalized needs image_size"),
        ({"normalized": True, "image_size": (0, 7)}, "image_size must be at least 1 by 1"),
        ({"boxes": "xxyy"}, "boxes must be one of xyxy, yxyx, xywh, cxcywh, .*got xxyy"),
        ({"layout": "nchx"}, "layout must have the letters n, c, h, w, or n, c, l for tokens"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(files, options, message):
    with pytest.raises(ValueError, match=message):
        crops_of(**options)


def test_a_first_column_that_cannot_be_an_image_is_refused_with_the_likely_cause(files):
    np.save("scored.npy", np.c_[files.rois[:, 1:] + 50.3, np.linspace(0, 1, 60)])
    for invalid in ("raise", "zero"):
        with pytest.raises(
            RoiError,
            match="scored.npy: the first column cannot be a batch_index: "
            ".* if they are x1, y1, x2, y2 and a score, pass columns='x1,y1,x2,y2' and",
        ):
            crops_of(rois="scored.npy", invalid=invalid)  # fmt: skip


def maps_of_differing_size(rng, name, pattern, ids, channels=3):
    maps = {}
    with h5py.File(name, "w") as file:
        for image in ids:
            height, width = rng.integers(4, 20, 2)
            maps[image] = rng.standard_normal((channels, height, width)).astype(np.float32)
            file[pattern.format(id=image)] = maps[image]
        file["unrelated"] = np.arange(4)
    return maps


@pytest.mark.parametrize("pattern", ["{id}/features", "{id}_features", "maps/{id}"])
def test_one_dataset_per_image(files, rng, pattern):
    """Without ids in natural order: image 0 is 'img9', image 1 'img10'."""
    ids = ["img10", "img9", "img200", "x"]
    maps = maps_of_differing_size(rng, "each.h5", pattern, ids)
    corner = rng.uniform(-3, 10, (40, 2))
    table = np.c_[rng.integers(0, 4, 40), corner, corner + rng.uniform(0, 12, (40, 2))]
    np.save("t.npy", table)
    np.save("ids.npy", np.array(ids))
    with h5py.File("ids.h5", "w") as file:
        file["ids"] = ids
    for given, order in (
        (None, ["img9", "img10", "img200", "x"]),
        ("ids.npy", ids),
        ("ids.h5", ids),
    ):
        crops = crops_of(f"each.h5::{pattern}", "t.npy", ids=given)
        for k, row in enumerate(table):
            alone = maps[order[int(row[0])]][None]
            expected = roi_align(alone, [[0, *row[1:]]], 7)[0]
            np.testing.assert_array_equal(crops[k], expected)


def test_links_count_as_images_too(files):
    """Image 1 is image 0 by another name, image 2 a soft link to it."""
    with h5py.File("linked.h5", "w") as file:
        file["0_f"] = files.features[0]
        file["1_f"] = file["0_f"]
        file["2_f"] = h5py.SoftLink("/0_f")
        file["3_f"], file["4_f"] = files.features[3], files.features[4]
    maps = files.features[[0, 0, 0, 3, 4]]
    np.testing.assert_array_equal(crops_of("linked.h5::{id}_f"), roi_align(maps, files.rois, 7))


def test_ids_sort_naturally_whatever_they_are(files):
    with h5py.File("odd.h5", "w") as file:
        for image, name in enumerate(["2", "10", "a", "a²", "b"]):
            file[f"{name}_f"] = files.features[image]
    expected = roi_align(files.features, files.rois, 7)
    np.testing.assert_array_equal(crops_of("odd.h5::{id}_f"), expected)


def test_one_dataset_per_image_in_other_layouts(files, rng):
    with h5py.File("each.h5", "w") as file:
        for image in range(5):
            file[f"{image}/features"] = files.features[image].transpose(1, 2, 0)
            file[f"{image}_batch"] = files.features[image : image + 1]
        file.attrs["spatial_scale"] = 0.5
    expected = roi_align(files.features, files.rois, 7, 0.5)
    crops = crops_of("each.h5::{id}/features", layout="nhwc")
    np.testing.assert_array_equal(crops, expected)
    np.testing.assert_array_equal(crops_of("each.h5::{id}_batch"), expected)


def test_ids_may_be_numbers(files):
    with h5py.File("coco.h5", "w") as file:
        for image, number in enumerate([139, 7, 42, 5, 1000]):
            file[f"{number}_features"] = files.features[image]
        file["ids"] = [139, 7, 42, 5, 1000]
    expected = roi_align(files.features, files.rois, 7)
    np.testing.assert_array_equal(crops_of("coco.h5::{id}_features", ids="coco.h5"), expected)


def test_what_does_not_fit_one_dataset_per_image_is_refused(files, rng):
    maps_of_differing_size(rng, "each.h5", "{id}_f", ["a", "b"])
    np.save("ids.npy", np.array(["a", "c"]))
    np.save("floats.npy", np.array([1.5]))
    with h5py.File("each.h5", "a") as file:
        file["z_f"] = np.zeros((4, 5, 5), np.float32)
        file["1_odd"] = np.zeros((4, 5), np.float32)
        file["1_complex"] = np.zeros((4, 5, 5), np.complex64)
    for features, ids, error, message in (
        ("each.h5::{id}_g", None, SourceError, "matches nothing"),
        ("each.h5::{id}_f", None, ShapeError, "each.h5::z_f must have 3 channels of float32"),
        ("each.h5::{id}_f", "ids.npy", SourceError, "each.h5 has no dataset 'c_f'"),
        ("each.h5::{id}_f", "floats.npy", ShapeError, "must have whole numbers or texts, got 1.5"),
        ("each.h5::{id}_odd", None, ShapeError, r"each.h5::1_odd must have shape \(C, H, W\)"),
        ("each.h5::{id}_complex", None, DTypeError, "each.h5::1_complex must hold real numbers"),
        ("each.h5::{id}_{id}", None, SourceError, "{id}_{id} matches nothing"),
    ):
        with pytest.raises(error, match=message):
            crops_of(features, ids=ids)


def test_files_laid_out_like_the_public_ones(files, rng):
    """CLEVR features; pytorch-vqa half floats beside their ids, in blocks of one image."""
    with h5py.File("clevr.h5", "w") as file:
        file["features"] = rng.standard_normal((5, 8, 14, 14)).astype(np.float32)
        expected = roi_align(file["features"][:], files.rois, 7, 1 / 16)
    np.testing.assert_array_equal(crops_of("clevr.h5", spatial_scale=1 / 16), expected)
    with h5py.File("vqa.h5", "w") as file:
        half = rng.standard_normal((5, 8, 14, 14)).astype(np.float16)
        file.create_dataset("features", data=half, chunks=(1, 8, 14, 14))
        file["ids"] = np.arange(5, dtype=np.int32) + 262144
    crops = crops_of("vqa.h5", spatial_scale=1 / 16)
    assert crops.dtype == np.float16
    np.testing.assert_array_equal(crops, roi_align(half, files.rois, 7, 1 / 16))


def test_the_options_are_recorded_where_they_are_not_as_usual(boxes):
    np.save("index.npy", boxes.index)
    lucid.extract("f.npy", "b.npy", "c.h5", batch_index="index.npy", boxes="xywh", invalid="zero")
    with h5py.File("c.h5") as file:
        noted = dict(file["crops"].attrs)
    assert noted["boxes"] == "xywh"
    assert noted["batch_index"] == "index.npy"
    assert "layout" not in noted
