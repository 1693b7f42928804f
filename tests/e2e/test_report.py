"""The report: what lies where, what is odd, and what a run would do."""

import numpy as np
import pytest

import lucid
from lucid.roi import as_rois
from lucid.stream.plan.coverage import Coverage


def dry(rois, **options):
    np.save("t.npy", rois)
    return lucid.extract("f.npy", "t.npy", "c.npy", dry_run=True, **options)


def test_rois_are_counted_by_what_they_are(files):
    """Maps are 12 rows of 17 columns."""
    report = dry(
        [
            [0, 1, 1, 5, 5],
            [0, 3, 3, 3, 8],  # a line
            [0, 3, 3, 3, 3],  # a point
            [0, -2, 1, 5, 5],  # across the left border
            [0, 1, 1, 5, 13],  # across the lower
            [0, 20, 1, 25, 5],  # to the right
            [0, 1, -9, 5, -5],  # above
            [7, 1, 1, 5, 5],
            [8, 1, 1, 5, 5],
            [0, 5, 1, 1, 5],
        ],
        invalid="zero",
    )
    assert (report.zero_area, report.partly_outside, report.outside) == (2, 2, 2)
    assert report.invalid_rois == 3
    assert report.invalid_kinds == (
        {
            "kind": "no such image",
            "count": 2,
            "rows": (7, 8),
            "first": "batch_index must be in [0, 5), got 7 at row 7",
        },
        {
            "kind": "x2 < x1",
            "count": 1,
            "rows": (9,),
            "first": "x2 must be at least x1, got x1 = 5, x2 = 1 at row 9",
        },
    )
    assert report.images == 1


def test_the_frame_is_said_in_words(files):
    report = dry([[0, 12, 8, 40, 30], [1, 100, 20, 271.5, 190]], spatial_scale=1 / 16)
    assert report.frame == (
        "boxes span 12..271.5 x 8..190; in cells they span "
        "0.75..16.97 of 17 columns and 0.5..11.88 of 12 rows"
    )
    assert report.warnings == ()
    assert dry(np.empty((0, 5))).frame == "there are no valid boxes"


def test_a_scale_that_is_hardly_right_is_warned_of(files):
    boxes = [[0, 100, 50, 200, 150], [1, 30, 40, 250, 190], [1, 1, 1, 8, 8]]
    (warning,) = dry(boxes).warnings
    assert warning.startswith("2 of 3 boxes lie outside their map; is the")
    fractions = np.array(boxes) / [1, 300, 200, 300, 200]
    (warning,) = dry(fractions).warnings
    assert warning.startswith(
        "3 of 3 boxes are no larger than one cell; is the spatial scale too s"
    )


def test_the_plan_is_said_before_it_is_carried_out(files):
    report = dry([[0, 1, 1, 5, 5], [3, 1, 1, 5, 5]], memory="64M")
    assert report.bytes_to_read == 2 * files.features[0].nbytes
    assert report.nbytes == 2 * 6 * 49 * 4
    assert report.memory == 64 << 20


@pytest.mark.parametrize("cut", range(5))
def test_the_coverage_of_slices_equals_that_of_the_whole(rng, cut):
    corner = rng.uniform(-9, 20, (4, 2))
    rows = np.c_[rng.integers(0, 3, 4), corner, corner + rng.uniform(0, 9, (4, 2))]
    sizes = np.array([[12, 17], [9, 9], [30, 4]])
    whole, pieces = Coverage(sizes, (0.5, 2.0)), Coverage(sizes, (0.5, 2.0))
    whole.add(as_rois(rows, 3))
    for part in (rows[:cut], rows[cut:]):
        pieces.add(as_rois(part, 3))
    assert whole.in_words() == pieces.in_words()
    assert (whole.boxes, whole.outside, whole.partly_outside) == (
        pieces.boxes, pieces.outside, pieces.partly_outside
    )  # fmt: skip
