"""What .json files say about images, in the forms of several data sets: sizes, counts, ids."""

import json
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import ShapeError, SourceError
from lucid.models.utils import roi_align

IDS = ["2354786", "1592904", "7"]
SIZES = [[30, 40], [20, 80], [60, 10]]
ABOUT = {one: {"height": h, "width": w} for one, (h, w) in zip(IDS, SIZES, strict=True)}


@pytest.fixture
def maps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).standard_normal((3, 2, 10, 10)).astype(np.float32)
    np.save("f.npy", values)
    return values


def written(value):
    Path("about.json").write_text(json.dumps(value))
    return "about.json"


@pytest.mark.parametrize(
    "value",
    [
        {one: ABOUT[one] | {"objects": {}} for one in sorted(IDS)},
        [{"image_id": int(one), "url": "x", **about} for one, about in reversed(ABOUT.items())],
        [{"id": one, **about} for one, about in ABOUT.items()],
        [{"id": k, "file_name": f"{one}.jpg", **ABOUT[one]} for k, one in enumerate(IDS)],
        {"height": [30, 20, 60], "width": [40, 80, 10]},
        {"images": [{"id": int(one), **about} for one, about in ABOUT.items()]},
    ],
)
def test_sizes(maps, value):
    boxes = np.array([[2, 1, 6, 9, 48], [0, 4, 3, 36, 24], [1, 8, 2, 16, 18]], float)
    lucid.extract("f.npy", boxes, "c.npy", ids=np.array(IDS), image_size=written(value),
                  resize="stretch:10x10", index_by="position")  # fmt: skip
    heights, widths = np.array(SIZES)[boxes[:, 0].astype(int)].T
    boxes[:, [1, 3]] *= 10 / widths[:, None]
    boxes[:, [2, 4]] *= 10 / heights[:, None]
    np.testing.assert_allclose(np.load("c.npy"), roi_align(maps, boxes, 7), atol=1e-5)


def test_one_size_of_all(maps):
    boxes = np.array([[1, 4, 2, 16, 18]], float)
    about = written({"height": 20, "width": 40})
    lucid.extract("f.npy", boxes, "c.npy", image_size=about, resize="stretch:10x10")
    boxes[:, 1:] *= [1 / 4, 1 / 2, 1 / 4, 1 / 2]
    np.testing.assert_allclose(np.load("c.npy"), roi_align(maps, boxes, 7), atol=1e-5)


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        ({"height": [3], "width": [4, 5]}, ShapeError, "as many heights as widths, got 1 and 2"),
        ({"7": {"height": "x", "width": 4}}, SourceError, "the size of image '7' is no number"),
        ([{"height": 3, "width": 4}], SourceError, "image 0 must be an object of an image"),
        ({"height": [3, 3], "width": [4, 4]}, ShapeError, "a size for each of 3 images"),
    ],
)
def test_sizes_that_are_none(maps, value, error, says):
    with pytest.raises(error, match=says):
        lucid.extract("f.npy", np.zeros((1, 5)), "c.npy", ids=np.array(IDS), index_by="position",
                      image_size=written(value), resize="stretch:10x10")  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "option"),
    [
        ({one: {"file": 0, "idx": k, "objectsNum": k} for k, one in enumerate(IDS)}, {}),
        ({one: k for k, one in reversed(list(enumerate(IDS)))}, {"ids": IDS}),
        ([{"num_boxes": k} for k in range(3)], {}),
        ([0, 1, 2], {}),
    ],
)
def test_counts_of_padded_boxes(maps, counts, option):
    boxes = np.random.default_rng(1).random((3, 4, 2)) * 4
    boxes = np.concatenate([boxes, boxes + 4], axis=2)
    np.save("b.npy", boxes)
    about = written(counts)
    ids = about if isinstance(counts, dict) and not option else None
    option = {name: np.array(value) for name, value in option.items()}
    lucid.extract("f.npy", "b.npy", "c.npy", box_counts=about, **({"ids": ids} | option))
    rows = np.array([[1, *boxes[1, 0]], [2, *boxes[2, 0]], [2, *boxes[2, 1]]])
    np.testing.assert_allclose(np.load("c.npy"), roi_align(maps, rows, 7), atol=1e-6)


@pytest.mark.parametrize(
    ("counts", "ids", "says"),
    [
        ({"7": 1}, None, "has the boxes of images by id; pass ids"),
        ({"7": 1}, IDS, "has no number of image '2354786'"),
        ([1, 2], None, "must have a number for each of 3 images, got 2"),
        (["x", 1, 2], None, "must have a number of boxes for each image"),
        ([1, 2, -1], None, "must hold whole numbers >= 0, got -1 at row 2"),
    ],
)
def test_counts_that_are_none(maps, counts, ids, says):
    with pytest.raises((ShapeError, SourceError), match=says):
        lucid.extract("f.npy", np.zeros((3, 4, 4)), "c.npy", box_counts=written(counts),
                      ids=None if ids is None else np.array(ids))  # fmt: skip
