"""Boxes, sizes and frames that images have in files or datasets of their own."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid import FrameWarning, RoiError, ShapeError, SinkError, SourceError
from lucid.models.utils import roi_align

IDS = ["9", "10", "35368", "img.v1", "b"]  # in natural order the last two change places
COUNTS = [3, 0, 1, 0, 6]


@pytest.fixture
def each(files, rng):
    """Maps, boxes, sizes and frames of each image; the second has no boxes, the fourth no file."""
    for folder in ("feats", "labels", "yolo"):
        os.mkdir(folder)
    files.boxes = [
        np.sort(rng.uniform(0, 180, (count, 2, 2)), axis=1).reshape(count, 4) for count in COUNTS
    ]
    with h5py.File("m.h5", "w") as file:
        for k, one in enumerate(IDS):
            np.save(f"feats/{one}.npy", files.features[k])
            file[f"{one}_features"] = files.features[k]
            file[f"{one}_size"] = np.array([[192, 272]])
            file[f"frames/{one}"] = np.array([2.0, 2.0, k, 0.0])
            if k != 3:
                file[f"{one}_boxes"] = files.boxes[k]
                np.save(f"labels/{one}.npy", files.boxes[k])
                _write_yolo(f"yolo/{one}.txt", files.boxes[k])
    np.save("ids.npy", np.array(IDS))
    files.rois = np.concatenate(
        [np.c_[np.full(len(boxes), k), boxes] for k, boxes in enumerate(files.boxes)]
    )
    return files


def _write_yolo(path, boxes):
    x1, y1, x2, y2 = (boxes / [272, 192, 272, 192]).T
    rows = np.c_[np.zeros(len(boxes)), (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    np.savetxt(path, rows, fmt="%.17g")


def extracted(rois, output="c.npy", features="feats/{id}.npy", **options):
    options = {"ids": "ids.npy", "spatial_scale": 1 / 16, "overwrite": True} | options
    report = lucid.extract(features, rois, output, **options)
    if output.endswith(".h5"):
        with h5py.File(output) as file:
            return file["crops"][()], report
    return np.load(output), report


def expected(each):
    return roi_align(each.features, each.rois, 7, spatial_scale=1 / 16)


@pytest.mark.parametrize("rois", ["m.h5::{id}_boxes", "labels/{id}.npy"])
@pytest.mark.parametrize("features", ["feats/{id}.npy", "m.h5::{id}_features"])
def test_boxes_of_each_image_give_the_crops_of_one_table(each, rois, features):
    crops, report = extracted(rois, features=features)
    np.testing.assert_array_equal(crops, expected(each))
    assert (report.rois_shape, report.images, report.without_boxes) == ((10, 4), 3, 1)


@pytest.mark.slow
def test_two_processes_and_small_slices_give_the_same(each, tuned):
    tuned(slice_rows=4, batch_rois=2)
    for jobs in (1, 2):
        np.testing.assert_array_equal(extracted("labels/{id}.npy", jobs=jobs)[0], expected(each))


def test_yolo_labels_are_read_by_columns(each):
    options = {"columns": "-,cx,cy,w,h", "normalized": True}
    for size in ((192, 272), "m.h5::{id}_size"):
        crops, report = extracted("yolo/{id}.txt", image_size=size, **options)
        np.testing.assert_allclose(crops, expected(each), atol=1e-5)
        assert (report.boxes, report.without_boxes) == ("cxcywh", 1)


@pytest.fixture
def tables(each):
    """Tables of images: of numbers, of records, and of pandas; the fourth image has none."""
    os.mkdir("tables")
    with h5py.File("t.h5", "w") as file:
        for k, (one, boxes) in enumerate(zip(IDS, each.boxes, strict=True)):
            if k != 3:
                sizes = boxes[:, 2:] - boxes[:, :2]
                rows = np.c_[np.full(len(boxes), 0.9), boxes[:, :2], sizes, np.full(len(boxes), 3)]
                np.save(f"tables/{one}.npy", rows[None])
                records = [(one, 10 * k + i, *row) for i, row in enumerate(boxes.tolist())]
                fields = [("image_id", "S8"), ("roi_id", "i4"), *((c, "f8") for c in CORNERS)]
                file[f"{one}_t"] = np.array(records, fields)
    return each


CORNERS = ("x1", "y1", "x2", "y2")


@pytest.mark.parametrize(
    ("rois", "columns"),
    [
        ("tables/{id}.npy", "-,x,y,w,h"),
        ("t.h5::{id}_t", None),
        ("t.h5::{id}_t", "id=roi_id,x1=x1,y1=y1,x2=x2,y2=y2"),
    ],
)
def test_tables_in_arrays_are_read_by_columns(tables, rois, columns):
    crops, report = extracted(rois, "c.h5", columns=columns)
    np.testing.assert_allclose(crops, expected(tables), atol=1e-5)
    assert (report.rois_shape, report.images, report.without_boxes) == ((10, 4), 3, 1)
    assert report.boxes == ("xyxy" if "t.h5" in rois else "xywh")
    if "t.h5" in rois:
        with h5py.File("c.h5") as file:
            assert file["roi_ids"][()].tolist() == [0, 1, 2, 20, 40, 41, 42, 43, 44, 45]


def test_a_table_of_another_image_is_refused(tables):
    with h5py.File("t.h5", "a") as file:
        file.move("9_t", "35368_u")
        file.move("35368_t", "9_t")
    with pytest.raises(RoiError, match=r"t.h5::9_t must have boxes of image '9' and no other, got"):
        extracted("t.h5::{id}_t")
    with pytest.raises(ShapeError, match=r"t.h5::9_t has no column 'left'; it has image_id, roi_i"):
        extracted("t.h5::{id}_t", columns="x1=left,y1=y1,x2=x2,y2=y2")
    with pytest.raises(ShapeError, match=r"tables/9.npy must have 8 columns, as columns says"):
        extracted("tables/{id}.npy", columns="-,-,-,-,x1,y1,x2,y2")


def test_a_frame_of_each_image_moves_its_boxes(each):
    moved = each.rois.copy()
    moved[:, 1:] *= 2
    moved[:, [2, 4]] += moved[:, :1]
    crops, report = extracted("labels/{id}.npy", frame="m.h5::frames/{id}", spatial_scale=1 / 32)
    np.testing.assert_allclose(
        crops, roi_align(each.features, moved, 7, spatial_scale=1 / 32), atol=1e-6
    )
    assert report.coordinates == "frame"


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        (lambda k: np.array([[2.0, 2.0]]), 2),
        (lambda k: np.array([[2.0, 2.0, 0, 0]]), 2),
        (lambda k: np.array(2.0), 2),
        (lambda k: np.array([2]), 2),
    ],
)
def test_frames_of_images_come_in_several_shapes(each, values, rows):
    os.mkdir("frames")
    for k, one in enumerate(IDS):
        np.save(f"frames/{one}.npy", values(k))
    crops, _ = extracted("labels/{id}.npy", frame="frames/{id}.npy", spatial_scale=1 / 32)
    np.testing.assert_allclose(crops, expected(each), atol=1e-6)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (1, 0, 4), (0, 5), (0, 0)])
def test_zero_boxes_of_any_shape_are_zero_boxes(each, shape):
    np.save("labels/10.npy", np.empty(shape))
    np.save("labels/b.npy", each.boxes[4][None])  # and an axis of length 1 before others is none
    np.testing.assert_array_equal(extracted("labels/{id}.npy")[0], expected(each))


def test_boxes_in_chunks_and_in_another_order_of_bytes(each):
    with h5py.File("zipped.h5", "w") as file:
        for one, boxes in zip(IDS, each.boxes, strict=True):
            file.create_dataset(f"{one}/boxes", data=boxes.astype(">f8"), chunks=(2, 4),
                                maxshape=(None, 4), compression="gzip")  # fmt: skip
    crops, report = extracted("zipped.h5::{id}/boxes")
    np.testing.assert_array_equal(crops, expected(each))
    assert (report.without_boxes, report.rois_dtype) == (0, ">f8")


@pytest.mark.parametrize(
    ("rois", "options", "error", "message"),
    [
        ("gone/{id}.npy", {}, SourceError, r"gone/\{id\}.npy matches nothing, as for '9'"),
        ("m.h5::{id}_none", {}, SourceError, r"m.h5::\{id\}_none matches nothing, as for '9'"),
        ("labels/{id}.npy", {"features": "f.h5", "ids": None}, ShapeError, "pass ids, one per"),
        ("labels/{id}.npy", {"batch_index": "r.npy"}, ShapeError, "drop batch_index"),
        ("labels/{id}.npy", {"frame": "labels/{id}.npy"}, ShapeError, r"1 or 2 or 4 numbers of on"),
        ("labels/{id}.npy", {"image_size": "m.h5::frames/{id}"}, ShapeError, "must have 2 numbers"),
        (
            "labels/{id}.npy",
            {"frame": "m.h5::{id}_boxes"},
            ShapeError,
            r"numbers of one image, got",
        ),
        (
            "feats/{id}.npy",
            {},
            ShapeError,
            r"feats/9.npy must have the boxes \(n, 4\) of one image",
        ),
        ("yolo/{id}.txt", {"columns": "image,cx,cy,w,h"}, RoiError, "must have boxes of image '9'"),
    ],
)
def test_what_does_not_fit_is_named(each, rois, options, error, message):
    with pytest.raises(error, match=message):
        extracted(rois, **options)
    assert not Path("c.npy").exists()


def test_rows_that_say_their_image_are_refused(each):
    np.save("labels/9.npy", np.zeros((2, 5)))
    with pytest.raises(ShapeError, match=r"labels/9.npy must have the boxes \(n, 4\) of one image"):
        extracted("labels/{id}.npy")


def test_a_resumed_run_notices_that_boxes_have_changed(each, tuned):
    tuned(crops_bytes=4000)
    run = {"ids": "ids.npy", "spatial_scale": 1 / 16, "output": "c.h5"}
    job = ("feats/{id}.npy", "labels/{id}.npy")

    def stop(rows_done):
        if rows_done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract(*job, on_progress=stop, **run)
    np.save("labels/img.v1.npy", np.empty((0, 4)))  # no box more, but another file
    with pytest.raises(SinkError, match="c.h5 was begun with other contents of rois"):
        lucid.extract(*job, resume=True, **run)
    os.remove("labels/img.v1.npy")
    assert lucid.extract(*job, resume=True, **run).resumed >= 3
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["crops"], expected(each))
        assert file["crops"].attrs["rois"] == "labels/{id}.npy"


def test_the_report_counts_images_without_boxes(each):
    done = run_here("extract", "--features", "m.h5::{id}_features", "--rois", "m.h5::{id}_boxes",
                    "--spatial-scale", "1/16", text=True)  # fmt: skip
    assert (
        "image 0 is '9', the last one 'img.v1' (names that match, in natural order)" in done.stdout
    )
    assert "rois      m.h5::{id}_boxes  (10, 4) on 3 of 5 images, all valid" in done.stdout
    assert "1 image without a file or dataset of boxes, taken to have none" in done.stdout


@pytest.mark.filterwarnings("default::lucid.errors.FrameWarning")
def test_sizes_of_images_are_checked_without_being_used(each):
    with h5py.File("m.h5", "a") as file:
        file["9_size"][...] = 640
    with pytest.warns(FrameWarning):
        extracted("labels/{id}.npy", image_size="m.h5::{id}_size")


def test_the_size_of_an_image_without_boxes_may_be_missing(each):
    with h5py.File("m.h5", "a") as file:
        del file["10_size"]
    options = {"columns": "-,cx,cy,w,h", "normalized": True, "image_size": "m.h5::{id}_size"}
    np.testing.assert_allclose(extracted("yolo/{id}.txt", **options)[0], expected(each), atol=1e-5)
    with h5py.File("m.h5", "a") as file:
        del file["9_size"]
    with pytest.raises(ShapeError, match="no size of image '9'"):
        extracted("yolo/{id}.txt", **options)
