"""`verify`: a good file passes, and the command says it."""

import io
import json

import h5py
import numpy as np
import pytest
from command import bytes_of, run_here
from verified import FORMATS, made, opened, slow, with_rows

import lucid


def test_the_command_says_it_by_its_exit_status(files):
    made()
    before = bytes_of("c.h5")
    done = run_here("verify", "c.h5", text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{lucid.verify('c.h5')}\n"
    assert done.stdout.splitlines()[-1].startswith("good      60 rows")
    assert max(map(len, done.stdout.splitlines())) < 80
    assert bytes_of("c.h5") == before
    with_rows("c.h5", lambda rows: rows.__setitem__(17, 5))
    done = run_here("verify", "c.h5", "--json", text=True)
    said = json.load(io.StringIO(done.stdout), parse_constant=pytest.fail)
    assert done.returncode == 1
    assert (said["schema"], said["good"], said["faults"]) == (1, False, ["1 row differs"])
    assert said["found"][0]["row"] == 17
    done = run_here("verify", "c.h5", "-q", text=True)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_environment_replaces_nothing_that_the_file_says(files, monkeypatch):
    made()
    monkeypatch.setenv("LUCID_ROIALIGN_ALIGNED", "true")
    monkeypatch.setenv("LUCID_ROIALIGN_SEED", "8")
    assert run_here("verify", "c.h5", "--random", "0").returncode == 2
    done = run_here("verify", "c.h5", "--random", "7", text=True)
    assert "with seed 8" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["c.txt"],
        ["-"],
        ["c.h5", "--all", "--random", "5"],
        ["c.h5", "--resume"],
        ["c.h5", "--rows", "5:3"],
        ["c.h5", "--operator", "roi-pool", "--aligned"],
        ["c.h5", "--jobs", "2"],
        ["c.h5", "--rois", "-"],
    ],
)
def test_mistakes_are_usage_errors(files, arguments):
    made()
    assert run_here("verify", *arguments).returncode == 2


@pytest.mark.parametrize("output", FORMATS)
def test_a_good_file_passes_in_every_format(files, output, engine):
    report = lucid.verify(made(opened(output)), all=True)
    assert report.good
    assert (report.rows, report.tally.equal) == (60, 60)
    assert {one.state for one in report.inputs} == {"same"}
    assert {one.name: one.state for one in report.beside}["rois"] == "same"


@pytest.mark.parametrize(
    "options",
    [
        {"reduce": "mean"},
        pytest.param({"dtype": "float16"}, marks=slow),
        pytest.param({"operator": "prroi-pool"}, marks=slow),
        pytest.param({"operator": "roi-pool", "channels": slice(1, 4)}, marks=slow),
        {"mode": "max", "outside": "renormalize", "coverage": True},
        pytest.param({"sampling_ratio": float("inf"), "expand": 1.5, "aligned": True}, marks=slow),
        pytest.param({"boxes": "xywh", "invalid": "zero"}, marks=slow),
        pytest.param({"normalized": True, "image_size": (192, 272)}, marks=slow),
    ],
)
def test_all_that_determines_crops_is_taken_from_the_file(files, options):
    report = lucid.verify(made(**options))
    assert report.good, str(report)
    assert report.tally.equal == 60
    assert {one.state for one in report.beside} == {"same"}


def test_a_pyramid_passes_and_its_levels_are_compared(files, rng):
    for level in (4, 5):
        with h5py.File(f"p{level}.h5", "w") as file:
            size = 256 >> level
            file["x"] = rng.standard_normal((5, 3, size, size)).astype(np.float32)
            file["x"].attrs["stride"] = 2**level
    lucid.extract(None, "r.npy", "c.h5", level=["p4.h5::x", "p5.h5"])
    report = lucid.verify("c.h5")
    assert report.good, str(report)
    assert "levels" in {one.name for one in report.beside}
    with h5py.File("c.h5", "a") as file:
        file["levels"][7] = 1 - file["levels"][7]
    report = lucid.verify("c.h5")
    assert [one.fact for one in report.beside if not one.is_good] == ["row 7"]


def test_invalid_rows_are_zeros_and_must_be(files):
    rois = files.rois.copy()
    rois[[3, 40], 3] = np.nan
    np.save("r.npy", rois)
    made(invalid="zero")
    assert lucid.verify("c.h5").good
    with h5py.File("c.h5", "a") as file:
        file["crops"][3, 0, 0, 0] = 1
    report = lucid.verify("c.h5")
    assert [(found.row, found.kind) for found in report.tally.found] == [(3, "differs")]


@pytest.mark.slow
def test_ids_of_images_and_rois_are_compared(files):
    with h5py.File("f.h5", "a") as file:
        file["ids"] = ["a.jpg", "bé.jpg", "c.jpg", "d.jpg", "e.jpg"]
    for output in ("c.npz", "c.safetensors", "c.h5"):
        made(output, "f.h5::features")
        assert {one.state for one in lucid.verify(output).beside} == {"same"}
    with h5py.File("c.h5", "a") as file:
        file["ids"][1] = "x"
    faults = lucid.verify("c.h5").as_dict()["faults"]
    assert faults == ["ids differs"]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("rois", np.zeros((60, 4))),
        ("rois", np.zeros(60)),
        ("rois", np.float64(3)),
        ("rois", np.full((60, 5), b"x")),
        ("ids", np.zeros(5)),
        ("ids", np.full((5, 2), b"x")),
        ("coverage", np.zeros((60, 7))),
        ("coverage", np.float64(3)),
        ("coverage", np.full((60, 7, 7), b"x")),
    ],
)
def test_arrays_of_another_kind_or_shape_differ(files, name, array):
    with h5py.File("f.h5", "a") as file:
        file["ids"] = ["a", "b", "c", "d", "e"]
    made("c.h5", "f.h5::features", coverage=True)
    with h5py.File("c.h5", "a") as file:
        del file[name]
        file[name] = array
    assert lucid.verify("c.h5", rows="0:9").as_dict()["faults"] == [f"{name} differs"]


def test_what_stands_beside_and_cannot_be_opened_is_not_taken_for_missing(files):
    made()
    with h5py.File("c.h5", "a") as file:
        del file["rois"]
    assert {one.name: one.state for one in lucid.verify("c.h5").beside}["rois"] == "missing"
    with h5py.File("c.h5", "a") as file:
        file["rois"] = h5py.ExternalLink("elsewhere.h5", "rois")
    report = lucid.verify("c.h5")
    assert report.as_dict()["faults"] == ["rois unreadable"]
    assert "a link to another file" in str(report)


@pytest.mark.parametrize(
    "said",
    [
        {"features": 3},
        {"rois": [1, 2]},
        {"boxes": "nonsense"},
        {"output_size": "x"},
        {"spatial_scale": "abc"},
        {"level_scales": [0.5, 0.25]},
    ],
)
def test_files_that_say_what_no_run_does_are_refused(files, said):
    made("c.h5")
    with h5py.File("c.h5", "a") as file:
        file["crops"].attrs.update(said)
    with pytest.raises(lucid.SourceError, match="c.h5 "):
        lucid.verify("c.h5")
    for command in ("verify", "info"):
        done = run_here(command, "c.h5", text=True)
        assert done.returncode == (command == "verify")
        assert len(done.stderr.splitlines()) == done.returncode


@pytest.mark.parametrize("crops", ["none.h5", "none.npz"])
def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path, monkeypatch, crops):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"{crops} cannot be opened: No such file or dir"):
        lucid.verify(crops)
