"""The report: what lies where, what is odd, and what a run would do."""

import json
import re
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here, run_on_terminal

import lucid
from lucid.roi import as_rois
from lucid.stream.plan.coverage import Coverage, Placement


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


def test_the_plan_is_said_before_it_is_carried_out(files):
    report = dry([[0, 1, 1, 5, 5], [3, 1, 1, 5, 5]], memory="64M")
    assert report.bytes_to_read == 2 * files.features[0].nbytes
    assert report.nbytes == 2 * 6 * 49 * 4
    assert report.memory == 64 << 20


@pytest.mark.parametrize("cut", range(5))
def test_the_coverage_of_slices_equals_that_of_the_whole(rng, cut):
    corner = rng.uniform(-9, 20, (4, 2))
    rows = np.c_[rng.integers(0, 3, 4), corner, corner + rng.uniform(0, 9, (4, 2))]
    placement = Placement(np.array([[12, 17], [9, 9], [30, 4]]), (0.5, 2.0))
    whole, slices = Coverage(placement), Coverage(placement)
    whole.add(as_rois(rows, 3), rows)
    for part in (rows[:cut], rows[cut:]):
        slices.add(as_rois(part, 3), part)
    assert whole.in_words() == slices.in_words()
    assert (whole.boxes, whole.outside, whole.partly_outside, *whole.beyond) == (
        slices.boxes, slices.outside, slices.partly_outside, *slices.beyond
    )  # fmt: skip


def test_the_span_in_cells_is_that_of_the_crops_half_cell_included(files):
    report = dry([[0, 16, 32, 160, 96]], spatial_scale=1 / 16, aligned=True)
    assert report.frame.endswith("0.5..9.5 of 17 columns and 1.5..5.5 of 12 rows")


def boxes_within(rng, width, height, count=40):
    """Rows on five images of so many pixels."""
    ends = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1).reshape(count, 4)
    return np.c_[rng.integers(0, 5, count), ends * [width, height, width, height]]


@pytest.fixture
def pictures(files, rng):
    """Boxes on pictures of 272 x 192 pixels, whose maps at stride 16 are 12 x 17."""
    return boxes_within(rng, 272, 192)


@pytest.mark.filterwarnings("always::lucid.FrameWarning")
@pytest.mark.parametrize(
    ("mistake", "options", "message"),
    [
        (lambda boxes: boxes, {"spatial_scale": 1 / 4}, "their map; .* spatial_scale 1/16"),
        (
            lambda boxes: np.r_[boxes, [[0, 400, 300, 600, 500]]],  # one lies far outside
            {"spatial_scale": 1 / 4},
            "their map; .* spatial_scale 1/16",
        ),
        (lambda boxes: boxes / [1, 272, 192, 272, 192], {}, "pass normalized and image_size"),
        (
            lambda boxes: boxes,
            {"normalized": True, "image_size": (192, 272)},
            "would fit without normalized$",
        ),
        (
            lambda boxes: boxes,
            {"operator": "crop-and-resize", "spatial_scale": None},
            "divide pixels by the sizes",
        ),
        (
            lambda boxes: np.c_[boxes[:, :3], boxes[:, 3:] - boxes[:, 1:3]],
            {"invalid": "zero"},
            "corners out of order; .* pass boxes xywh",
        ),
    ],
)
def test_a_wrong_frame_is_warned_of_with_the_option_that_mends_it(
    pictures, mistake, options, message
):
    with pytest.warns(lucid.FrameWarning, match=message):
        report = dry(mistake(pictures), **{"spatial_scale": 1 / 16} | options)
    assert re.search(message, report.warnings[0])
    with pytest.raises(lucid.FrameError, match=message):
        dry(mistake(pictures), strict=True, **{"spatial_scale": 1 / 16} | options)
    assert issubclass(lucid.FrameError, ValueError)


@pytest.mark.filterwarnings("always::lucid.FrameWarning")
def test_maps_with_channels_last_are_told_by_their_boxes(files, rng):
    np.save("last.npy", np.ones((5, 40, 56, 24), np.float32))
    np.save("t.npy", boxes_within(rng, 448, 320))
    with pytest.warns(lucid.FrameWarning, match="they would fit with layout nhwc"):
        lucid.extract("last.npy", "t.npy", "c.npy", spatial_scale=1 / 8, dry_run=True)


@pytest.mark.filterwarnings("always::lucid.FrameWarning")
def test_boxes_with_y_first_are_told_by_their_maps(files, rng):
    np.save("wide.npy", np.ones((5, 2, 10, 60), np.float32))
    np.save("t.npy", boxes_within(rng, 960, 160)[:, [0, 2, 1, 4, 3]])
    with pytest.warns(lucid.FrameWarning, match="above or below .* fit with boxes yxyx"):
        lucid.extract("wide.npy", "t.npy", "c.npy", spatial_scale=1 / 16, dry_run=True)


@pytest.mark.filterwarnings("error::lucid.FrameWarning")
@pytest.mark.parametrize(
    "rows",
    [
        [[0, 500, 500, 600, 600]] * 3,
        [[0, -9, -9, 100, 90], [0, 200, 100, 290, 199]] * 8,
        [[0, 0, 0, 1, 1], [0, 0.5, 0.5, 1.2, 1]],
        [[0, 3, 3, 9, 9]] * 40,
        [],
    ],
)
def test_what_may_well_be_right_is_not_warned_of(files, rows):
    """Few boxes, boxes that stick out, tiny ones, none; any warning would be an error here."""
    assert dry(np.reshape(rows, (-1, 5)), spatial_scale=1 / 16).warnings == ()


def test_rows_whose_corners_are_out_of_order_say_what_they_could_be(pictures):
    boxes = np.c_[pictures[:, :3], pictures[:, 3:] - pictures[:, 1:3]]
    with pytest.raises(lucid.RoiError, match="if boxes are xywh, pass boxes='xywh'"):
        dry(boxes, spatial_scale=1 / 16)


def test_lines_of_the_report_end_where_a_part_does(files):
    ids = [f"COCO_val2014_{k:012}" for k in range(5)]
    Path("maps").mkdir()
    for one, features in zip(ids, files.features, strict=True):
        np.save(f"maps/{one}.npy", features[:, : 12 - int(one[-1]) % 2, :])
    named = {"images": [{"id": k, "height": 90, "width": 120} for k in range(5)]}
    boxes = [{"image_id": k % 5, "bbox": [400, 300, 80, 90]} for k in range(9)]
    Path("ann.json").write_text(json.dumps(named | {"annotations": boxes}))
    done = run_here("extract", "--features", "maps/{id}.npy", "--rois", "ann.json", text=True)
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "features  maps/{id}.npy  (5, 6, 11..12, 17) float32, spatial scale 1" in done.stdout
    assert (
        "          in cells they span 400..480 of 17 columns and 300..390 of 11..12 rows\n"
        in done.stdout
    )
    assert "if the network saw the pictures resized, --resize" in done.stderr


def test_what_is_no_image_of_a_single_map_is_explained(files):
    with pytest.raises(lucid.RoiError, match="there is one map, which is image 0: images are num"):
        lucid.extract(files.features[:1], [[1, 0, 0, 8, 8]], "c.npy")
    with h5py.File("t.h5", "w") as file:
        file["table"], file["list"] = np.zeros((3, 2)), np.zeros(3)
    with pytest.raises(lucid.SourceError, match=r"usable as features; it holds 'list' .* float64$"):
        lucid.extract("t.h5", files.rois, "c.npy")


@pytest.mark.parametrize("columns", [60, pytest.param(250, marks=pytest.mark.slow)])
def test_lines_are_as_wide_as_the_terminal(files, columns):
    header = ["image", "x1", "y1", "x2", "y2", *(f"column_{k}" for k in range(20))]
    Path("wide.csv").write_text(",".join(header) + "\n")
    apart = run_here("info", "wide.csv", text=True).stdout
    assert apart.count("\n") == 1
    shown = run_on_terminal("info", "wide.csv", columns=columns)
    assert max(map(len, shown)) <= columns
    assert " ".join(line.strip() for line in shown) == apart.strip()
    report = dry([[0, 12, 8, 40, 30]], spatial_scale=1 / 16)
    for lines in (report.input_lines, partial(report.output_lines, True)):
        assert (len([*lines(columns)]) > len([*lines(100)])) is (columns < 100)
