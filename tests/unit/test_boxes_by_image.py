"""Boxes image by image, as torchvision takes them, instead of rows that name their image."""

import numpy as np
import pytest

import lucid
from lucid.models.utils import ROIAlign, roi_align


@pytest.fixture
def maps(rng):
    return rng.standard_normal((3, 4, 9, 11))


def boxes_of(rng, *counts):
    return [np.sort(rng.uniform(0, 9, (n, 2, 2)), axis=1).reshape(n, 4) for n in counts]


def rows_of(boxes):
    return np.concatenate([np.c_[np.full(len(one), k), one] for k, one in enumerate(boxes)])


@pytest.mark.parametrize("counts", [(2, 3, 1), (4, 4, 4), (0, 2, 0)])
def test_a_list_of_boxes_is_rows_in_order(maps, rng, counts):
    boxes = boxes_of(rng, *counts)
    expected = roi_align(maps, rows_of(boxes), 3)
    for given in (boxes, tuple(boxes), [lucid.Tensor(one).data for one in boxes]):
        np.testing.assert_array_equal(roi_align(maps, given, 3), expected)
    nested = [one.tolist() for one in boxes]
    np.testing.assert_array_equal(ROIAlign(3)(maps, nested), expected)


def test_one_image_needs_no_list(maps, rng):
    (boxes,) = boxes_of(rng, 5)
    expected = roi_align(maps[:1], rows_of([boxes]), 3)
    np.testing.assert_array_equal(roi_align(maps[:1], boxes, 3), expected)
    np.testing.assert_array_equal(roi_align(maps[:1], boxes.tolist(), 3), expected)
    with pytest.raises(lucid.ShapeError, match=r"rois must have shape \(K, 5\)"):
        roi_align(maps, boxes, 3)


def test_rows_that_name_their_image_stay_a_table(maps):
    np.testing.assert_array_equal(
        roi_align(maps, [[2, 1, 1, 5, 5]], 3), roi_align(maps, np.array([[2, 1, 1, 5, 5]]), 3)
    )


def test_gradients_reach_the_boxes_of_each_image(maps, rng):
    boxes = boxes_of(rng, 2, 0, 3)
    rows = lucid.Tensor(rows_of(boxes), requires_grad=True)
    weights = rng.standard_normal((5, 4, 3, 3))
    (roi_align(maps, rows, 3) * weights).sum().backward()
    apart = [lucid.Tensor(one, requires_grad=k != 1) for k, one in enumerate(boxes)]
    features = lucid.Tensor(maps, requires_grad=True)
    (roi_align(features, apart, 3) * weights).sum().backward()
    np.testing.assert_array_equal(apart[0].grad, rows.grad[:2, 1:])
    np.testing.assert_array_equal(apart[2].grad, rows.grad[2:, 1:])
    assert apart[1].grad is None
    assert features.grad.any()


@pytest.mark.parametrize(
    ("counts", "says"),
    [((2, 3), "for each of 3 images, got 2 of them"), ((1, 1, 1, 1), "got 4 of them")],
)
def test_another_number_of_images_is_named(maps, rng, counts, says):
    with pytest.raises(lucid.ShapeError, match=says):
        roi_align(maps, boxes_of(rng, *counts), 3)


def test_an_image_without_boxes_of_four_numbers_is_named(maps, rng):
    boxes = boxes_of(rng, 2, 3, 1)
    boxes[1] = boxes[1][:, :3]
    with pytest.raises(lucid.ShapeError, match=r"rois of image 1 must be boxes \(n, 4\)"):
        roi_align(maps, boxes, 3)
