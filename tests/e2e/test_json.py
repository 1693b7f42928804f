"""What is printed as JSON: numbers that a program can read, as the schema says."""

import json
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here
from schemas import SCHEMA, faults

import lucid
from lucid.stream.report import ExtractReport

INPUTS = ["--features", "f.h5", "--rois", "r.npy"]
ROOT = Path(__file__).parents[2]


def printed(*words, status=0):
    """Return the object that a command prints, which is as the schema says."""
    done = run_here(*words, "--json", text=True)
    assert done.returncode == status, done.stderr

    def refuse(text):
        raise AssertionError(f"{text} is no JSON")

    found = json.loads(done.stdout, parse_constant=refuse)
    assert found["schema"] == 1
    assert list(faults(found, SCHEMA)) == []
    return found


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--dry-run"],
        ["--sampling-ratio", "inf", "--reduce", "mean", "--dtype", "float64"],
        ["--operator", "roi-pool", "--channels", "1:3", "--expand", "1.5"],
        ["--operator", "crop-and-resize", "--extrapolation-value", "nan"],
        ["--rois", "invalid.npy", "--invalid", "zero", "-o", "{id}.npz"],
        ["--rois", "none.npy"],
        ["--shard", "1/2"],
    ],
)
def test_reports_are_as_the_schema_says(files, options):
    np.save("invalid.npy", [[0, 5, 5, 1, 1], [0, 0, 0, np.nan, 1], [9, 0, 0, 1, 1.0]])
    np.save("none.npy", np.empty((0, 5)))
    words = ["--features", "f.h5"] if "--rois" in options else INPUTS
    printed("extract", *words, *options)


def test_reports_of_manifests_pyramids_and_volumes_are(files, rng):
    Path("jobs.jsonl").write_text(
        "".join(
            json.dumps({"features": name, "rois": "r.npy", "output": f"{name}.out.npy"}) + "\n"
            for name in ("f.npy", "gone.npy")
        )
    )
    found = printed("extract", "--manifest", "jobs.jsonl", status=1)
    assert [run["status"] for run in found["runs"]] == ["done", "failed"]
    data = str(ROOT / "sample_data")
    levels = [f"--level={data}/pyramid.h5::p{level}" for level in (4, 5, 6)]
    found = printed("extract", *levels, "--rois", f"{data}/rois.npy", "-o", "p.h5")
    assert sum(level["rois"] for level in found["levels"]) == 12


def test_what_is_verified_is(files):
    lucid.extract("f.h5", "r.npy", "c.h5", checksum=True)
    assert printed("verify", "c.h5", "--all")["good"] is True
    with h5py.File("c.h5", "r+") as file:
        file["crops"][3] = 0
    found = printed("verify", "c.h5", "--rows", "2:5", status=1)
    assert [(one["row"], one["kind"]) for one in found["found"]] == [(3, "zeros")]


def test_frames_that_fit_are(files):
    np.save("t.npy", lucid.models.utils.roi_align(files.features, files.rois, 3, 1 / 16, 2))
    words = ["frame", "--features", "f.npy", "--rois", "r.npy", "--stride", "16"]
    assert printed(*words)["candidates"][0]["options"][0] == "--stride"
    best = printed(*words, "--boxes", "xyxy", "--reference", "t.npy")["candidates"][0]
    assert (best["sampling_ratio"], best["max_abs_error"]) == (2, 0)


def test_where_boxes_lie_is_said_in_numbers(files):
    found = printed("extract", *INPUTS, "--aligned")
    x, y = found["extents"]
    assert "frame" not in found
    assert x["axis"] == "x"
    assert x["boxes"] == [files.rois[:, 1].min(), files.rois[:, 3].max()]
    assert y["boxes"] == [files.rois[:, 2].min(), files.rois[:, 4].max()]
    np.testing.assert_allclose(y["cells"], np.array(y["boxes"]) / 16 - 0.5)
    assert (x["lengths"], y["lengths"]) == ([17, 17], [12, 12])


def test_what_a_file_holds_is(files):
    found = printed("info", "f.h5")
    assert {array["dataset"] for array in found["arrays"]} >= {"features", "deep/zipped"}
    assert found["shards"] is found["made_by"] is None
    features = next(array for array in found["arrays"] if array["dataset"] == "features")
    assert (features["says"], features["stats"]) == ({"spatial_scale": 1 / 16}, None)
    lucid.extract("f.h5", "r.npy", "c.h5", shard="2/3")
    found = printed("info", "c.h5.part")
    assert found["shards"] == {"shards": 3, "missing": [1, 3]}


def test_what_is_drawn_is_and_has_the_numbers_of_the_run(files):
    lucid.extract("f.h5", "r.npy", "c.npy", output_size=(2, 3))
    drawn = ["--rows", "3,5", "--output-size", "2x3", "--html", "page.html"]
    found = printed("preview", *INPUTS, *drawn)
    assert found["files"] == {"picture": None, "page": "page.html"}
    rois = {roi["row"]: roi for image in found["images"] for roi in image["rois"]}
    assert sorted(rois) == [3, 5]
    crops = np.load("c.npy")
    for row, roi in rois.items():
        np.testing.assert_allclose(roi["crop"], crops[row].mean(axis=0), rtol=1e-6)
        assert roi["box"] == files.rois[row, 1:].tolist()
        size = np.array([roi["grid"]["bin"]]) * [2, 3]
        top, left, bottom, right = roi["cells"]
        np.testing.assert_allclose(size[0], [bottom - top, right - left])


def test_what_is_drawn_of_invalid_rois_is(files):
    np.save("bad.npy", [[0, np.inf, 0, 1, 1], [9, 0, 0, 1, 1], [0, 5, 5, 1, 1.0], [0, 1, 1, 9, 9]])
    words = ["--features", "f.h5", "--rois", "bad.npy", "--worst", "--html", "page.html"]
    found = printed("preview", *words)
    rois = [roi for image in found["images"] for roi in image["rois"]] + found["strays"]
    assert {roi["row"]: roi["valid"] for roi in rois} == {0: False, 1: False, 2: False, 3: True}
    assert {roi["box"][0] for roi in rois} == {None, 0, 5, 1}


def test_the_schema_names_every_key_of_a_report_and_is_printed():
    names = {field.name for field in fields(ExtractReport)} - {"frame"}
    assert SCHEMA["$defs"]["report"]["properties"].keys() == names
    assert set(SCHEMA["$defs"]["report"]["required"]) == names
    done = run_here("--json-schema", text=True)
    assert (done.returncode, json.loads(done.stdout)) == (0, SCHEMA)


def test_the_validator_finds_what_is_wrong():
    good = {"schema": 1, "path": "f", "arrays": [], "table": None, "made_by": None, "shards": None}
    assert list(faults(good, SCHEMA)) == []
    for wrong in ({"schema": 2}, {"arrays": {}}, {"more": 1}, {"shards": {"shards": 1}}):
        assert list(faults(good | wrong, SCHEMA))


def test_others_read_the_schema_as_we_do():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    good = {"schema": 1, "path": "f", "arrays": [], "table": None, "made_by": None, "shards": None}
    assert validator.is_valid(good)
    for wrong in ({"schema": 2}, {"arrays": {}}, {"more": 1}, {"shards": {"shards": 1}}):
        assert not validator.is_valid(good | wrong)
    data = [str(ROOT / "sample_data" / name) for name in ("features.h5", "rois.npy")]
    words = ["--features", data[0], "--rois", data[1], "--dry-run", "--json", "-o", "x.h5"]
    assert validator.is_valid(json.loads(run_here("extract", *words).stdout))
