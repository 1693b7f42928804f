"""COCO files: annotations, LVIS's, results, and what is not one."""

import json
from pathlib import Path

import numpy as np
import pytest

from lucid import SourceError
from lucid.stream.read.coco import read_coco, read_images

ANNOTATIONS = {
    "info": {"year": 2014},
    "annotations": [
        {"id": 11, "image_id": 9, "bbox": [1, 2, 3, 4], "category_id": 1, "iscrowd": 0},
        {"id": 12, "image_id": 5, "bbox": [10.5, 20, 30, 40], "category_id": 3, "iscrowd": 1},
        {"id": 13, "image_id": 9, "bbox": [0, 0, 7, 7], "category_id": 3},
    ],
    "images": [
        {"id": 5, "file_name": "a.jpg", "height": 480, "width": 640},
        {"id": 9, "file_name": "b.jpg", "height": 333, "width": 500},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
}


@pytest.fixture
def coco(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(document):
        Path("ann.json").write_text(json.dumps(document))
        return Path("ann.json")

    return write


def test_annotations_keep_their_order_and_say_sizes_and_names(coco):
    rows = read_coco(coco(ANNOTATIONS))
    assert rows.boxes.tolist() == [[1, 2, 3, 4], [10.5, 20, 30, 40], [0, 0, 7, 7]]
    assert [rows.keys.names[code] for code in rows.keys.codes] == [9, 5, 9]
    assert rows.form == "xywh"
    assert (rows.images.ids, rows.images.files) == ([5, 9], ["a.jpg", "b.jpg"])
    assert rows.images.sizes.tolist() == [[480, 640], [333, 500]]


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ({"category": ["car"]}, [12, 13]),
        ({"category": [1]}, [11]),
        ({"category": ["person", 3]}, [11, 12, 13]),
        ({"category": ["3"]}, [12, 13]),
        ({"keep_crowd": False}, [11, 13]),
        ({"category": ["car"], "keep_crowd": False}, [13]),
    ],
)
def test_categories_and_crowds_may_be_chosen(coco, options, own):
    rows = read_coco(coco(ANNOTATIONS), **options)
    every = read_coco(Path("ann.json")).boxes
    np.testing.assert_array_equal(rows.boxes, every[[one - 11 for one in own]])
    assert len(rows.keys.codes) == len(own)


def test_what_follows_images_is_not_read_for_their_names(coco):
    path = coco({"info": {}, "annotations": [{"id": 1}], "images": ANNOTATIONS["images"]})
    path.write_text(path.read_text()[:-1] + ', "annotations": [1, {"i')
    assert read_images(path).ids == [one["id"] for one in ANNOTATIONS["images"]]
    with pytest.raises(SourceError, match="must have images"):
        read_images(coco([{"image_id": 7, "bbox": [1, 2, 3, 4]}]))


def test_results_say_nothing_of_images(coco):
    rows = read_coco(coco([{"image_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5, "category_id": 1}]))
    assert (rows.keys.names, rows.images) == ([7], None)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"bbox": [1, 2, 3, 4]}], "annotation 0 is not one of COCO's, .* it has no 'image_id'"),
        ([{"image_id": 1}], "it has no 'bbox'"),
        ([{"image_id": 1, "bbox": [1, 2, 3]}], "a box has four numbers, got 3"),
        ([{"image_id": 1, "bbox": [1, 2, 3, "x"]}], "could not convert"),
        ([3], "annotation 0 is not"),
        ({"images": [3]}, "image 0 is not one of COCO's"),
        ({"shapes": []}, "neither annotations nor images"),
    ],
)
def test_what_is_not_a_coco_file_is_said(coco, document, message):
    with pytest.raises((SourceError, ValueError), match=f"ann.json.* {message}"):
        read_coco(coco(document))


def test_a_category_that_there_is_not_is_named_with_those_that_there_are(coco):
    with pytest.raises(SourceError, match="has no category 'dog'; it has car, person"):
        read_coco(coco(ANNOTATIONS), ["dog"])


def test_an_annotation_without_boxes_leaves_an_empty_table(coco):
    rows = read_coco(coco({"annotations": [], "images": ANNOTATIONS["images"]}))
    assert rows.boxes.shape == (0, 4)
    assert np.array_equal(rows.keys.codes, [])
