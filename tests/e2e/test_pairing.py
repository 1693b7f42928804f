"""Whose a box, a size and a frame is where several files say it, each in its way."""

import json
import os

import h5py
import numpy as np
import pytest

import lucid
from lucid import FrameWarning, RoiError, ShapeError, SourceError

IMAGES = 4


@pytest.fixture
def maps(tmp_path, monkeypatch):
    """Map i is i everywhere, so that a crop says whose it is; boxes are small."""
    monkeypatch.chdir(tmp_path)
    values = np.arange(IMAGES, dtype=np.float32)[:, None, None, None] + np.zeros((1, 2, 8, 8), "f4")
    np.save("m.npy", values)
    return values


def extracted(rois, features="m.npy", **options):
    """Return the image of each crop, by its values, and the boxes beside."""
    lucid.extract(features, rois, "c.h5", output_size=1, overwrite=True, **options)
    with h5py.File("c.h5") as file:
        return file["crops"][:, 0, 0, 0].tolist(), file["rois"][:, 1:].tolist()


def write_coco(path, pictures, images=(), size=8):
    """Write a COCO file of pictures, id and file_name, and a box in some of them."""
    named = [
        {"id": one, "file_name": file, "height": size + k, "width": size + k}
        for k, (one, file) in enumerate(pictures)
    ]
    boxes = [{"image_id": one, "bbox": [0, 0, 4, 4]} for one in images]
    with open(path, "w") as stream:
        json.dump({"images": named, "annotations": boxes}, stream)


def write_frames(maps):
    os.mkdir("f")
    for k, one in enumerate(maps):
        np.save(f"f/frame_{k:06}.npy", one)


FRAMES = [(k + 1, f"frame_{k:06}.PNG") for k in range(IMAGES)]  # as CVAT numbers frames of videos


@pytest.mark.parametrize("images", [[1, 2], [1, 2, 4], [3]])
def test_names_of_files_go_before_numbers_in_names_of_others(maps, images):
    write_frames(maps)
    write_coco("r.json", FRAMES, images)
    found, _ = extracted("r.json", "f/{id}.npy")
    assert found == [one - 1 for one in images]
    with pytest.warns(FrameWarning, match="by its file"):  # both are numbers, but one is of all
        found, _ = extracted("r.json", "f/frame_{id}.npy")
    assert found == [one - 1 for one in images]


def test_sizes_are_those_of_the_same_images(maps):
    write_frames(maps)
    write_coco("r.json", FRAMES, [1, 2])
    lucid.extract("f/{id}.npy", "r.json", "out_{id}.npz", output_size=1)
    with np.load("out_frame_000001.npz") as one:
        assert (one["features"][0, 0], one["image_h"]) == (1, 9)


def test_numbers_that_are_ids_and_files_of_two_images_are_warned_of(maps):
    names = ["1", "10", "2", "3"]
    write_coco("r.json", [(k + 1, f"{one}.jpg") for k, one in enumerate(names)], [2])
    with pytest.warns(FrameWarning, match=r"image 2 is '2' by its id, and '10' by its file"):
        found, _ = extracted("r.json", ids=np.array(names))
    assert found == [2]


def test_names_of_files_that_two_folders_share_say_nothing(maps):
    pictures = [(k, f"{'ab'[k % 2]}/1.jpg") for k in range(IMAGES)]
    write_coco("r.json", pictures, [2, 3])
    found, _ = extracted("r.json", ids=np.arange(IMAGES), resize="stretch:16x16")
    assert found == [2, 3]


def test_a_size_table_may_name_images_by_position(maps):
    lines = ["batch_index,height,width", *(f"{k},{k + 5},{k + 5}" for k in (2, 0, 1, 3))]
    with open("sizes.csv", "w") as file:
        file.write("\n".join(lines))
    rois = np.array([[k, 0, 0, 0.5, 0.5] for k in range(IMAGES)])
    options = {"normalized": True, "image_size": "sizes.csv"}
    for ids in (None, np.array([1, 2, 3, 4])):
        with pytest.warns(FrameWarning, match="would have a map"):
            found, boxes = extracted(rois, ids=ids, **options)
        assert found == [0, 1, 2, 3]
        assert [box[3] for box in boxes] == [2.5, 3, 3.5, 4]


def test_pictures_of_a_coco_file_may_be_positions(maps):
    write_coco("r.json", [(k, "") for k in range(IMAGES)], [3, 1])
    found, _ = extracted("r.json", index_by="position", resize="stretch:8x8")
    assert found == [3, 1]
    lucid.extract("m.npy", "r.json", "{id}.npz", output_size=1, index_by="position")
    with np.load("3.npz") as one:
        assert (one["features"][0, 0], one["image_h"]) == (3, 11)


def test_maps_and_pictures_without_names_are_not_the_same(maps):
    info = {one: {"file": 0, "idx": k} for one, k in (("a", 0), ("c", 2))}
    with open("info.json", "w") as file:
        json.dump(info, file)
    write_coco("sizes.json", [(one, "") for one in "abc"])
    with open("r.csv", "w") as file:
        file.write("image_id,x1,y1,x2,y2\nc,0,0,.5,.5\na,0,0,.5,.5\n")
    options = {"ids": "info.json", "image_size": "sizes.json", "normalized": True}
    found, boxes = extracted("r.csv", **options)
    assert found == [2, 0]
    assert [box[3] for box in boxes] == [5, 4]


@pytest.mark.parametrize("cuts", [[2, 2, 0, 0], [0, 4], [0, 2, 0, 2], [4, 0], [1, 0, 2, 1]])
def test_files_without_maps_are_passed_over(maps, cuts):
    ends = np.cumsum(cuts)
    for k, (end, count) in enumerate(zip(ends, cuts, strict=True)):
        np.save(f"s{k}.npy", maps[end - count : end])
    rois = np.array([[k, 0, 0, 4, 4] for k in range(IMAGES)])
    found, _ = extracted(rois, "s*.npy")
    assert found == [0, 1, 2, 3]


def write_tables(**tables):
    os.mkdir("b")
    for name, text in tables.items():
        with open(f"b/{name[1:]}.csv", "w") as file:
            file.write(text)


def of_tables(**options):
    return extracted("b/{id}.csv", ids=np.arange(IMAGES), **options)


def test_tables_of_images_say_what_boxes_are_called(maps):
    header = "id,x1,y1,x2,y2\n"
    write_tables(_0=header + "7,0,0,4,4\n", _1=header, _2=header + "q,0,0,4,4\n8,0,0,4,4\n")
    assert of_tables()[0] == [0, 2, 2]
    with h5py.File("c.h5") as file:
        assert file["roi_ids"].asstr()[:].tolist() == ["7", "q", "8"]
    with open("b/3.csv", "w") as file:
        file.write("x1,y1,x2,y2\n0,0,4,4\n")
    assert of_tables()[0] == [0, 2, 2, 3]
    with h5py.File("c.h5") as file:
        assert "roi_ids" not in file


def test_tables_of_images_have_boxes_of_one_form(maps):
    write_tables(_0="x1,y1,x2,y2\n1,1,4,4\n", _2="x,y,w,h\n1,1,4,4\n")
    with pytest.raises(ShapeError, match=r"b/2.csv says .* xywh, and b/0.csv that its are xyxy"):
        of_tables()


def test_the_other_image_in_a_table_of_one_is_named(maps):
    write_tables(_2="image_id,x1,y1,x2,y2\n2,0,0,4,4\n3,0,0,4,4\n")
    with pytest.raises(RoiError, match=r"boxes of image '2' and no other, got 3;"):
        of_tables()


@pytest.mark.parametrize("missing", [0, 2])
def test_an_image_without_a_frame_is_named(maps, missing):
    for k in {0, 1, 2, 3} - {missing}:
        np.save(f"frame{k}.npy", np.ones(2))
    with pytest.raises(SourceError, match=f"none of image '{missing}'"):
        extracted(np.zeros((1, 5)), ids=np.arange(IMAGES), frame="frame{id}.npy")


@pytest.mark.parametrize(
    "option",
    [
        {"batch_index": np.array([2, 0, 3])},
        {"batch_index": np.array(["c", "a", "d"]), "ids": np.array([*"abcd"])},
        {"box_ranges": np.array([[1, 2], [0, 0], [0, 1], [2, 3]])},
    ],
)
def test_an_option_says_the_images_of_a_table_of_text(maps, option):
    with open("r.csv", "w") as file:
        file.write("id,x1,y1,x2,y2\n7,0,0,4,4\n9,1,1,5,5\n8,1,1,5,6\n")
    lucid.extract("m.npy", "r.csv", "c.h5", **option)
    boxes = np.array([[2, 0, 0, 4, 4], [0, 1, 1, 5, 5], [3, 1, 1, 5, 6]])
    lucid.extract("m.npy", boxes, "c.npy")
    with h5py.File("c.h5") as file:
        assert np.array_equal(file["crops"], np.load("c.npy"))
        assert file["roi_ids"][:].tolist() == [7, 9, 8]
        assert file["rois"][:].tolist() == boxes.tolist()


def test_a_table_of_text_says_its_images_once(maps):
    with open("r.csv", "w") as file:
        file.write("image_index,x1,y1,x2,y2\n0,0,0,4,4\n")
    with pytest.raises(ShapeError, match="says the image of each box; drop"):
        extracted("r.csv", batch_index=np.zeros(1, int))
    with open("r.csv", "w") as file:
        file.write("x1,y1,x2,y2\n0,0,4,4\n")
    with pytest.raises(ShapeError, match="has no column that names the image of a box, of 4"):
        extracted("r.csv")


@pytest.mark.filterwarnings("ignore::lucid.FrameWarning")
def test_words_that_are_not_clear_do_not_matter_where_an_option_is_given(maps):
    for k, scale in enumerate((0.5, None)):
        with h5py.File(f"s{k}.h5", "w") as file:
            file["features"] = maps[2 * k : 2 * k + 2]
            if scale:
                file["features"].attrs["spatial_scale"] = scale
                file["im_info"] = np.array([[8, 8, scale]] * 2)
    rois = np.array([[3, 0, 0, 4, 4]])
    with pytest.raises(SourceError, match="1 of 2 files have spatial_scale.*or spatial_scale"):
        extracted(rois, "s*.h5")
    with pytest.raises(SourceError, match="1 of 2 files have im_info.*or frame"):
        extracted(rois, "s*.h5", spatial_scale=1)
    assert extracted(rois, "s*.h5", spatial_scale=1, frame="none")[0] == [3]


@pytest.mark.parametrize("path", ["r.csv", "r.json"])
def test_no_boxes_need_no_ids(maps, path):
    write_coco("r.json", FRAMES)
    with open("r.csv", "w") as file:
        file.write("image_id,x1,y1,x2,y2\n")
    assert extracted(path) == ([], [])


def test_boxes_of_no_image_have_no_pixels_beside_the_crops(maps):
    rois = np.array([[7, 0, 0, 0.5, 0.5], [2, 0, 0, 0.5, 0.5]])
    sizes = np.array([[8, 6]] * 3 + [[8, 8]])
    _, boxes = extracted(rois, normalized=True, image_size=sizes, invalid="zero")
    assert np.isnan(boxes[0]).all()
    assert boxes[1] == [0, 0, 3, 4]


def test_positions_of_boxes_are_not_those_of_another_file(maps):
    write_coco("sizes.json", [(k, "") for k in (2, 0, 3, 1)])
    rois = np.array([[0, 0, 0, 0.5, 0.5], [3, 0, 0, 0.5, 0.5]])
    options = {"ids": np.arange(IMAGES), "image_size": "sizes.json", "normalized": True}
    _, boxes = extracted(rois, index_by="position", **options)
    assert [box[3] for box in boxes] == [4.5, 5]


def test_two_names_that_are_taken_for_one_image_are_warned_of(maps):
    with open("r.csv", "w") as file:
        file.write("filename,x1,y1,x2,y2\ntrain/1.jpg,0,0,4,4\nval/1.jpg,0,0,4,4\n")
    with pytest.warns(FrameWarning, match=r"'train/1.jpg' and 'val/1.jpg' are both .* image '1'"):
        found, _ = extracted("r.csv", ids=np.arange(IMAGES))
    assert found == [1, 1]
    write_coco("r.json", [(101, "train/1.jpg"), (102, "val/1.jpg"), (103, "2.jpg")], [101, 102])
    with pytest.warns(FrameWarning, match=r"'train/1.jpg' and 'val/1.jpg' are both .* image '1'"):
        extracted("r.json", ids=np.arange(IMAGES))
