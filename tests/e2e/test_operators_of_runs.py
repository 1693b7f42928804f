"""Runs of every operator: what files hold is what functions of arrays return, to the bit.

An operator more is one entry more in `RUNS`.
"""

import io
import math
from functools import partial

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid.models import utils
from lucid.roi.operators import OPERATORS, of_some
from lucid.stream.options import OPTIONS

SIZE, SCALE = (2, 3), 1 / 16
scaled = {"output_size": SIZE, "spatial_scale": SCALE}
align = partial(utils.roi_align, **scaled)
# Options, and the function that does the same.
RUNS = {
    "limit": ({"sampling_ratio": math.inf}, partial(align, sampling_ratio=math.inf)),
    "renormalize": ({"outside": "renormalize"}, partial(align, outside="renormalize")),
    "max": ({"mode": "max", "sampling_ratio": 2}, partial(align, mode="max", sampling_ratio=2)),
    "max, adaptive": ({"mode": "max"}, partial(align, mode="max")),
    "max_samples": ({"max_samples": 2}, partial(align, max_samples=2)),
    "roi-pool": ({"operator": "roi-pool"}, partial(utils.roi_pool, **scaled)),
    "ps-roi-align": (
        {"operator": "ps-roi-align", "sampling_ratio": 2},
        partial(utils.ps_roi_align, sampling_ratio=2, **scaled),
    ),
    "ps-roi-pool": ({"operator": "ps-roi-pool"}, partial(utils.ps_roi_pool, **scaled)),
    "crop-and-resize": (
        {"operator": "crop-and-resize", "extrapolation_value": 0.5},
        partial(utils.crop_and_resize, output_size=SIZE, extrapolation_value=0.5),
    ),
    "prroi-pool": ({"operator": "prroi-pool"}, partial(utils.prroi_pool, **scaled)),
}


@pytest.fixture(params=RUNS)
def run(request):
    return RUNS[request.param]


def extract(output, options, **more):
    said = options if options.get("operator") == "crop-and-resize" else options | scaled
    return lucid.extract("f.npy", "r.npy", output, **said | {"output_size": SIZE} | more)


class TestEveryRun:
    def test_gives_what_the_function_gives(self, files, run, helpers_are_threads):
        options, pool = run
        expected = pool(files.features, files.rois)
        extract("c.npy", options, memory="64M")
        np.testing.assert_array_equal(np.load("c.npy"), expected)
        extract("jobs.npy", options, jobs=2, memory="256M")
        np.testing.assert_array_equal(np.load("jobs.npy"), expected)

    def test_says_what_determines_it_and_resumes_as_that(self, files, run):
        options, _ = run
        extract("c.h5", options)
        with h5py.File("c.h5") as file:
            said = dict(file["crops"].attrs)
        expected = {name: "inf" if value == math.inf else value for name, value in options.items()}
        assert {name: said[name] for name in options} == expected
        assert extract("c.h5", options, resume=True).resumed == len(files.rois)
        with pytest.raises(lucid.SinkError, match=r"c.h5 is complete, but with"):
            extract("c.h5", options, expand=1.5, resume=True)

    def test_takes_expanded_boxes_and_some_channels(self, files, run):
        options, pool = run
        is_sensitive = options.get("operator", "").startswith("ps-")
        channels = slice(0, 6) if is_sensitive else slice(1, None, 2)  # of those, six are a crop
        extract("c.npy", options, expand=1.5, channels=channels)
        expected = pool(files.features, files.rois, expand=1.5, channels=channels)
        np.testing.assert_array_equal(np.load("c.npy"), expected)


def test_the_command_takes_operators_and_their_options_from_pipe_to_pipe(files):
    order = np.argsort(files.rois[:, 0], kind="stable")
    np.save("sorted.npy", files.rois[order])
    done = run_here(
        "extract", "--features", "-", "--rois", "sorted.npy", "-o", "-", "--operator",
        "prroi-pool", "--spatial-scale", "1/16", "--channels", "0:4:3", "--expand", 1.2,
        stdin=(files.path / "f.npy").read_bytes(),
    )  # fmt: skip
    assert done.returncode == 0
    assert b"prroi-pool" in done.stderr
    expected = utils.prroi_pool(
        files.features, files.rois[order], 7, SCALE, expand=1.2, channels=slice(0, 4, 3)
    )
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), expected)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_option_that_means_nothing_to_an_operator_is_refused_before_files_are_opened(name):
    values = {
        "sampling_ratio": 2, "aligned": False, "mode": "max", "outside": "zero", "max_samples": 3,
        "spatial_scale": 0.5, "method": "nearest", "extrapolation_value": 1, "coverage": True,
        "angle": "radians", "clockwise": True,
    }  # fmt: skip
    for option in sorted((of_some() & OPTIONS.keys()) - OPERATORS[name].takes - {"level"}):
        with pytest.raises(ValueError, match=f"{option} means nothing to operator {name}"):
            lucid.extract("nosuch.h5", "nosuch.npy", operator=name, **{option: values[option]})


@pytest.mark.parametrize("output", ["c.h5", "c.npz"])
def test_coverage_stands_beside_the_crops(files, output):
    rois = files.rois.copy()
    rois[7, 1] = np.nan
    np.save("r.npy", rois)
    options = scaled | {"coverage": True, "sampling_ratio": 2, "invalid": "zero"}
    lucid.extract("f.npy", "r.npy", output, **options)
    found = h5py.File(output)["coverage"][()] if output == "c.h5" else np.load(output)["coverage"]
    expected = utils.coverage(files.rois, (12, 17), SIZE, SCALE, 2)
    expected[7] = 0
    np.testing.assert_array_equal(found, expected)
    assert lucid.extract("f.npy", "r.npy", output, **options, resume=True).resumed == 59
    with pytest.raises(lucid.SinkError, match="but with coverage"):
        lucid.extract("f.npy", "r.npy", output, **options | {"coverage": False}, resume=True)


def test_coverage_is_that_of_the_map_that_a_roi_is_cropped_from(files):
    with h5py.File("pyramid.h5", "w") as file:
        for name, stride in (("fine", 16), ("coarse", 32)):
            file[name] = files.features[:, :, : 192 // stride, : 272 // stride]
            file[name].attrs["spatial_scale"] = 1 / stride
    levels = [(None, "pyramid.h5::fine"), (None, "pyramid.h5::coarse")]
    lucid.extract(None, "r.npy", "c.h5", level=levels, canonical=(5, 112), coverage=True,
                  output_size=SIZE)  # fmt: skip
    with h5py.File("c.h5") as file:
        found, chosen = file["coverage"][()], file["levels"][()]
    assert set(chosen) == {0, 1}
    for level, (size, scale) in enumerate([((12, 17), 1 / 16), ((6, 8), 1 / 32)]):
        expected = utils.coverage(files.rois, size, SIZE, scale)
        np.testing.assert_allclose(found[chosen == level], expected[chosen == level], atol=1e-12)


@pytest.mark.parametrize("output", ["c.npy", "-", "{id}.npz"])
def test_coverage_needs_a_file_that_has_what_stands_beside(files, output):
    with pytest.raises(ValueError, match="coverage stands beside the crops"):
        lucid.extract("f.npy", "r.npy", output, coverage=True)


def test_boxes_of_crop_and_resize_are_fractions_whatever_files_say(files):
    with h5py.File("f.h5", "a") as file:
        file["features"].attrs["im_info"] = [[100, 200, 2.0]] * 5
    options = {"operator": "crop-and-resize", "output_size": SIZE}
    report = lucid.extract("f.h5::features", "r.npy", "c.npy", **options)
    assert report.spatial_scale_from == "fractions"
    expected = utils.crop_and_resize(files.features, files.rois, SIZE)
    np.testing.assert_array_equal(np.load("c.npy"), expected)
    with pytest.raises(ValueError, match="image_size means nothing to operator crop-and-resize"):
        lucid.extract("f.h5", "r.npy", "c.npy", image_size=9, **options)


def test_channels_must_be_shared_among_position_sensitive_bins(files):
    with pytest.raises(lucid.ShapeError, match="a multiple of 4 channels"):
        lucid.extract("f.npy", "r.npy", "c.npy", operator="ps-roi-pool", output_size=2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [(slice(6, 9), "6:9"), (slice(7, None), "7:"), (slice(4, 2, 2), "4:2:2")],
)
def test_channels_that_there_are_not_are_an_error(files, asked, said):
    with pytest.raises(lucid.ShapeError, match=f"f.npy has 6 channels, and none in {said}$"):
        lucid.extract("f.npy", "r.npy", "c.npy", channels=asked)


def turned(files):
    """Return rows of turned boxes for the maps of `files`."""
    rois = files.rois.astype(np.float64)
    centre, sides = (rois[:, 3:] + rois[:, 1:3]) / 2, abs(rois[:, 3:] - rois[:, 1:3])
    return np.column_stack([rois[:, 0], centre, sides, np.linspace(-200, 200, len(rois))])


ROTATED = {"operator": "roi-align-rotated"} | scaled


def test_rotated_rois_of_runs_are_those_of_the_function(files, helpers_are_threads):
    rows = turned(files)
    np.save("t.npy", rows)
    for options in (
        {},
        {"clockwise": True, "sampling_ratio": 2},
        {"angle": "radians"},
        {"mode": "max"},
        {"outside": "renormalize", "max_samples": 2},
    ):
        expected = utils.roi_align_rotated(files.features, rows, SIZE, SCALE, **options)
        more = {name: options[name] for name in options if name != "sampling_ratio"}
        report = lucid.extract("f.npy", "t.npy", "t.h5", **ROTATED, **options, overwrite=True)
        with h5py.File("t.h5") as file:
            np.testing.assert_array_equal(file["crops"][:], expected)
            np.testing.assert_array_equal(file["rois"][:], rows)
            said = file["crops"].attrs
            assert (said["operator"], said["aligned"]) == ("roi-align-rotated", True)
            assert {name: said[name] for name in more} == more
        assert report.shape[0] == len(rows)
    lucid.extract("f.npy", "t.npy", "jobs.npy", **ROTATED, jobs=2, memory="256M")
    np.testing.assert_array_equal(
        np.load("jobs.npy"), utils.roi_align_rotated(files.features, rows, SIZE, SCALE)
    )
    lucid.extract(
        "f.npy", rows[:, 1:], "b.npy", **ROTATED, batch_index=rows[:, 0].astype(int), jobs=1
    )
    np.testing.assert_array_equal(np.load("b.npy"), np.load("jobs.npy"))


def test_coverage_of_rotated_rois_is_the_crop_of_a_map_of_ones(files):
    rows = turned(files)
    lucid.extract("f.npy", rows, "c.npz", **ROTATED, coverage=True)
    ones = np.ones((len(files.features), 1, *files.features.shape[2:]))
    expected = utils.roi_align_rotated(ones, rows, SIZE, SCALE)[:, 0]
    np.testing.assert_allclose(np.load("c.npz")["coverage"], expected, atol=1e-12)
    assert 0 < expected.mean() < 1


def test_frames_move_rotated_boxes_and_do_not_shear_them(files):
    rows = turned(files)
    moved = rows * [1, 0.5, 0.5, 0.5, 0.5, 1] + [0, 3, 2, 0, 0, 0]
    frame = np.tile([0.5, 0.5, 2, 3], (len(files.features), 1))
    lucid.extract("f.npy", rows, "framed.npy", frame=frame, **ROTATED)
    lucid.extract("f.npy", moved, "moved.npy", **ROTATED)
    np.testing.assert_array_equal(np.load("framed.npy"), np.load("moved.npy"))
    with pytest.raises(lucid.ShapeError, match="sy = sx for rotated boxes, got 0.5, 0.75"):
        lucid.extract("f.npy", rows, "c.npy", frame=frame * [1, 1.5, 1, 1], **ROTATED)


def test_rotated_rois_that_mean_nothing_are_refused(files):
    rows = turned(files)
    with pytest.raises(lucid.ShapeError, match=r"shape \(K, 6\) with columns \(batch_index, cx"):
        lucid.extract("f.npy", rows[:, [0, 1, 2, 3, 4, 5, 5]], "c.npy", **ROTATED)
    with pytest.raises(
        ValueError, match="spatial_scale must be one number for operator roi-align-rotated"
    ):
        lucid.extract("f.npy", rows, "c.npy", **ROTATED | {"spatial_scale": (0.5, 0.25)})
    for option in ({"boxes": "xywh"}, {"normalized": True, "image_size": 64}):
        with pytest.raises(ValueError, match="takes boxes of cx, cy, w, h, angle;"):
            lucid.extract("f.npy", rows, "c.npy", **ROTATED, **option)
    rows[5, 3] = -1
    with pytest.raises(lucid.RoiError, match="w must be at least 0, got -1 at row 5"):
        lucid.extract("f.npy", rows, "c.npy", **ROTATED)


def test_the_report_says_which_operator_it_is_and_its_parameters(files):
    more = ("--mode", "max", "--expand", "1.5", "--channels", "0:4")
    done = run_here(
        "extract", "--features", "f.npy", "--rois", "r.npy", *more, "--dry-run", text=True
    )
    assert "sampling ratio adaptive, mode max, expand 1.5, channels 0:4" in done.stdout
    report = lucid.extract("f.npy", "r.npy", dry_run=True, outside="renormalize")
    assert report.parameters == {"outside": "renormalize"}


def test_rotated_boxes_are_called_by_their_columns(files):
    rotated = {"operator": "roi-align-rotated", "dry_run": True}
    np.save("turned.npy", np.array([[0, 9, 8, 7, 6, 30.0]]))
    assert lucid.extract("f.npy", "turned.npy", **rotated).boxes == "cx, cy, w, h, angle"
    with pytest.raises(lucid.ShapeError, match=r"must have shape \(K, 6\) with columns \(batch_in"):
        lucid.extract("f.npy", "r.npy", **rotated)
