"""Which image an id means: found where that is unambiguous, refused where it is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucid.errors import RoiError
from lucid.stream.read.ids import as_id, match

SPELLINGS = [
    37209,
    "37209",
    "000000037209",
    "COCO_val2014_000000037209.jpg",
    "val/000000037209.npy",
]
OTHERS = ["COCO_val2014_000000000005.jpg", "7", "note"]


@pytest.mark.parametrize("image", SPELLINGS)
@pytest.mark.parametrize("key", SPELLINGS)
def test_spellings_of_one_number_find_each_other(key, image):
    a_number = any(str(one).isdecimal() for one in (key, image))
    found = match([key], [*OTHERS, image]).images[0]
    same_stem = {str(one).split("/")[-1].split(".")[0] for one in (key, image)}
    assert found == (3 if a_number or len(same_stem) == 1 or "val/" in f"{key}{image}" else -1)


@pytest.mark.parametrize(
    ("keys", "ids", "index", "reading"),
    [
        (["b", "a"], ["a", "b"], [1, 0], "as they are"),
        (
            ["a.jpg", "b.jpg"],
            ["feats/b.npy", "feats/a.npy"],
            [1, 0],
            "without folder and extension",
        ),
        ([5, 5, 9], ["val_9", "val_5"], [1, 1, 0], "as numbers"),
        (["train_5"], ["val_5"], [-1], "as they are"),
        ([0, 1], [1, 0], [1, 0], "as they are"),
        ([], ["a"], [], "as they are"),
        ([3], [], [-1], "as they are"),
        (["img.v1.2"], ["img.v1.2"], [0], "as they are"),
        (["b/1", "a/1", "c/1"], ["a/1", "b/1"], [1, 0, -1], "as they are"),
        (["b/1", "a/1"], ["a/1.npy", "b/1.npy"], [1, 0], "without folder and extension"),
        (["data/b/1", "a/1"], ["a/1", "b/1"], [1, 0], "without folder and extension"),
        (["b/01", "a/01"], ["a/1", "b/1"], [1, 0], "as numbers"),
        (["5", 7], ["5", "a_5", "c_7"], [0, 2], "as numbers"),
    ],
)
def test_the_first_reading_that_finds_the_most_holds_for_all(keys, ids, index, reading):
    found = match(keys, ids)
    assert found.images.tolist() == index
    assert found.reading == reading


def test_a_reading_that_finds_some_does_not_hold_for_others():
    """Two keys are equal to ids, the third would only be found as a number."""
    found = match(["a1", "b2", 3], ["a1", "b2", "c_3"])
    assert found.images.tolist() in ([0, 1, -1], [-1, -1, 2])
    assert found.missing.tolist() == np.flatnonzero(found.images < 0).tolist()


def test_an_id_that_two_images_share_is_an_error_that_names_both():
    with pytest.raises(RoiError, match="rois: image 5 could be 'train_5' or 'val_5'"):
        match([5], ["train_5", "val_5", "val_6"])
    assert match([6], ["train_5", "val_5", "val_6"]).images.tolist() == [2]
    with pytest.raises(RoiError, match="rois: image '1' could be 'a/1' or 'b/1'"):
        match(["1"], ["a/1", "b/1"])


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=30))
def test_padded_names_and_numbers_agree_in_any_order(order, keys):
    ids = [f"COCO_{number:012}.jpg" for number in order]
    assert match(keys, ids).images.tolist() == [order.index(key) for key in keys]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"cat", "cat"),
        (np.int32(7), 7),
        (37209.0, 37209),
        (np.float32(8), 8),
        ("7", "7"),
        (1.5, "1.5"),
    ],
)
def test_ids_are_whole_numbers_or_texts(value, expected):
    assert as_id(value) == expected
    assert type(as_id(value)) is type(expected)
