"""Frames: the crop of a box is what lies in it on the picture, however that was resized."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from frameworks import FRAMEWORKS

import lucid
from lucid import ShapeError
from lucid.models.utils import roi_align

STRIDE = 16
SIZES = [(480, 640), (333, 500), (700, 620)]  # of pictures


def map_of(size, frame):
    """Return a map whose cells hold the place of their centre on the picture, x and then y."""
    sy, sx, oy, ox = frame
    high, wide = (math.ceil((side * s + max(o, 0) * 2) / STRIDE)
                  for side, s, o in zip(size, (sy, sx), (oy, ox), strict=True))  # fmt: skip
    x, y = (STRIDE * (np.arange(cells) + 0.5) for cells in (wide, high))
    return np.stack(np.broadcast_arrays((x[None] - ox) / sx, (y[:, None] - oy) / sy))


@pytest.fixture
def pictures(tmp_path, monkeypatch, rng):
    """Boxes in the middle of pictures of three sizes, and what makes their maps by a rule."""
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    np.save("sizes.npy", SIZES)
    np.save("ids.npy", ["a", "b", "c"])
    boxes = np.sort(rng.uniform(0.3, 0.7, (30, 2, 2)), axis=1).reshape(30, 4)
    index = np.arange(30) % 3
    boxes *= np.array(SIZES)[index][:, [1, 0, 1, 0]]
    np.save("boxes.npy", np.c_[index, boxes])

    def draw(frames):
        for one, size, frame in zip("abc", SIZES, frames, strict=True):
            np.save(f"maps/{one}.npy", map_of(size, frame))

    return draw, index, boxes


def centres(**options):
    """Return the mean place, x and y, of each crop."""
    defaults = {"ids": "ids.npy", "spatial_scale": 1 / STRIDE, "aligned": True, "output_size": 3}
    lucid.extract("maps/{id}.npy", "boxes.npy", "c.npy", overwrite=True, **defaults | options)
    return np.load("c.npy").mean(axis=(2, 3))


def middle(boxes):
    return (boxes[:, :2] + boxes[:, 2:]) / 2


@pytest.mark.parametrize(("rule", "framework"), FRAMEWORKS)
def test_a_box_of_the_picture_gets_the_crop_of_its_place(pictures, rule, framework):
    draw, _, boxes = pictures
    draw([framework(*size) for size in SIZES])
    found = centres(resize=rule, image_size="sizes.npy")
    np.testing.assert_allclose(found, middle(boxes), atol=1e-6)


@pytest.mark.parametrize("form", ["four", "two", "one"])
def test_frames_may_be_given_as_an_array(pictures, form):
    draw, _, boxes = pictures
    frames = {
        "four": np.array([[1.5, 2, 8, 16], [0.5, 1, 0, 32], [1, 1, 0, 0]]),
        "two": np.array([[1.5, 2], [0.5, 1], [1, 1]]),
        "one": np.array([1.5, 0.5, 2]),
    }[form]
    np.save("frame.npy", frames)
    whole = np.zeros((3, 4))
    whole[:, :2] = np.reshape(frames, (3, -1))[:, :2]
    if form == "four":
        whole = frames
    draw(whole)
    np.testing.assert_allclose(centres(frame="frame.npy"), middle(boxes), atol=1e-6)


def test_sizes_may_come_from_a_coco_file_by_the_names_of_pictures(pictures):
    draw, _, boxes = pictures
    draw([FRAMEWORKS[2][1](*size) for size in SIZES])
    images = [
        {"id": k, "file_name": f"{one}.jpg", "height": size[0], "width": size[1]}
        for k, one, size in zip((9, 4, 7), "abc", SIZES, strict=True)
    ]
    Path("ann.json").write_text(json.dumps({"images": images[::-1], "annotations": []}))
    found = centres(resize="short:800,1333", image_size="ann.json")
    np.testing.assert_allclose(found, middle(boxes), atol=1e-6)


def test_a_picture_without_a_size_is_named(pictures):
    draw, *_ = pictures
    draw([FRAMEWORKS[2][1](*size) for size in SIZES])
    images = [
        {"id": k, "file_name": f"{one}.jpg", "height": size[0], "width": size[1]}
        for k, (one, size) in enumerate(zip("abc", SIZES, strict=True))
    ]
    del images[1]["width"]
    Path("ann.json").write_text(json.dumps({"images": images, "annotations": []}))
    with pytest.raises(lucid.ShapeError, match=r"ann\.json has no size of image 'b'"):
        centres(resize="short:800,1333", image_size="ann.json")


def test_annotations_of_pictures_of_any_size_in_one_command(pictures):
    """A COCO file and a map for each picture: nothing else but the rule needs to be said."""
    draw, index, boxes = pictures
    draw([FRAMEWORKS[7][1](*size) for size in SIZES])
    assert FRAMEWORKS[7][0] == "letterbox:640"
    write_coco(index, boxes)
    lucid.extract("maps/{id}.npy", "ann.json", "c.npy", resize="letterbox:640", stride=STRIDE,
                  aligned=True, output_size=3)  # fmt: skip
    found = np.load("c.npy").mean(axis=(2, 3))
    np.testing.assert_allclose(found, middle(boxes), atol=1e-6)


def write_coco(index, boxes):
    images = [
        {"id": k, "file_name": f"{one}.jpg", "height": size[0], "width": size[1]}
        for k, (one, size) in enumerate(zip("abc", SIZES, strict=True))
    ]
    annotations = [
        {"image_id": int(k), "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for k, (x1, y1, x2, y2) in zip(index, boxes.tolist(), strict=True)
    ]
    document = {"images": images, "annotations": annotations}
    Path("ann.json").write_text(json.dumps(document))


def test_sizes_in_the_file_of_boxes_show_that_pictures_were_resized(pictures):
    """Without a rule, boxes of the pictures are not where they belong on larger maps."""
    draw, index, boxes = pictures
    draw([(2.0, 2.0, 0, 0) for _ in SIZES])
    write_coco(index, boxes)
    how = {"stride": STRIDE, "dry_run": True}
    with pytest.warns(lucid.FrameWarning, match="480 x 640 would have a map of 30 x 40 cells"):
        lucid.extract("maps/{id}.npy", "ann.json", "c.npy", **how)
    for options in ({"frame": "none"}, {"stride": STRIDE / 2}):
        lucid.extract("maps/{id}.npy", "ann.json", "c.npy", **how | options)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"image_id": 0, "bbox": [1, 1, 9, 9]}], "ann.json does not say the sizes of its images"),
        (
            {"images": [{"id": 0, "file_name": "a"}, {"id": 1, "file_name": "b"}],
             "annotations": [{"image_id": 0, "bbox": [1, 1, 9, 9]}]},
            "ann.json has no size of image 'a'",
        ),
    ],
)  # fmt: skip
def test_a_rule_without_sizes_is_an_error_and_no_other_frame(pictures, document, message):
    draw, _, _ = pictures
    draw([(1, 1, 0, 0)] * 3)
    Path("ann.json").write_text(json.dumps(document))
    np.save("numbers.npy", [0, 1, 2])
    ids = "numbers.npy" if isinstance(document, list) else "ids.npy"
    for number, one in enumerate("abc"):
        Path(f"maps/{number}.npy").write_bytes(Path(f"maps/{one}.npy").read_bytes())
    with pytest.raises(ShapeError, match=message):
        lucid.extract("maps/{id}.npy", "ann.json", "c.npy", ids=ids, resize="long:1024")


def test_a_stride_is_one_over_the_scale(files):
    lucid.extract("f.npy", "r.npy", "stride.npy", stride=(8, 16))
    wanted = roi_align(files.features, files.rois, 7, spatial_scale=(1 / 8, 1 / 16))
    np.testing.assert_array_equal(np.load("stride.npy"), wanted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_scale": 1 / 8}, "an input of 800 x 1067 would have a map of 100 x 133.4 cells"),
        ({"image_size": "swapped.npy"}, "it would fit if sizes were height before width"),
        ({"resize": "short:400,1333"}, r"and that of image 0 has 50 x 67 \(3 images"),
    ],
)
def test_maps_that_cannot_be_of_such_pictures_are_warned_of(pictures, options, message):
    draw, _, _ = pictures
    draw([FRAMEWORKS[2][1](*size) for size in SIZES])
    np.save("swapped.npy", np.array(SIZES)[:, ::-1])
    with pytest.warns(lucid.FrameWarning, match=message):  # and perhaps of boxes
        centres(**{"resize": "short:800,1333", "image_size": "sizes.npy"} | options)


def test_maps_of_one_size_and_one_size_of_pictures_are_all_alike(files):
    with pytest.warns(lucid.FrameWarning, match=r"of image 0 has \d+ x \d+ \(all images are like"):
        lucid.extract(
            "f.npy", "r.npy", "c.npy", resize="stretch:512x640", image_size=(512, 640), dry_run=True
        )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"resize": "short:800,1333"}, ValueError, "resize needs image_size"),
        ({"resize": "shrt:8"}, ValueError, "resize must be stretch:HxW, short:A,B"),
        (
            {"frame": "boxes.npy"},
            ShapeError,
            r"boxes.npy must have rows sy, .* got \(30, 5",
        ),
        ({"frame": "zero.npy"}, ShapeError, "factors above 0, got .* at row 1"),
        ({"frame": "f.npy", "resize": "long:9", "image_size": 9}, ValueError, "contradict"),
        ({"stride": 16}, ValueError, "spatial_scale and stride contradict each other"),
    ],
)
def test_what_is_no_frame_is_refused(pictures, options, error, message):
    draw, _, _ = pictures
    draw([(1, 1, 0, 0)] * 3)
    np.save("zero.npy", [1.0, 0, 2])
    with pytest.raises(error, match=message):
        centres(**options)
