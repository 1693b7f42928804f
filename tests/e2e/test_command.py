"""The command as users meet it: a process with arguments, streams, files and an exit code."""

import json
import os
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import PATIENCE, RUN, run, run_here

import lucid

ROOT = Path(__file__).parents[2]


def test_info_lists_the_arrays_of_a_file(files):
    done = info("f.h5")
    assert done.stdout == (
        "f.h5::by_two  (5, 2, 12, 17) float32, contiguous  usable as features\n"
        "f.h5::channels  (5, 6, 12, 17) float32, chunks (5, 1, 4, 4)  usable as features\n"
        "f.h5::deep/zipped  (5, 6, 12, 17) float32, chunks (2, 3, 12, 17) gzip  "
        "usable as features\n"
        "f.h5::features  (5, 6, 12, 17) float32, contiguous  usable as features\n"
        "          spatial_scale 0.0625\n"
    )
    assert info("r.npy").stdout == "r.npy  (60, 5) float64, contiguous  usable as rois\n"
    (described,) = json.loads(info("r.npy", "--json").stdout)["arrays"]
    assert described["roles"] == ["rois"]


def test_info_says_what_is_wrong_with_a_file(files):
    Path("note.md").write_text("hello")
    for name in ("gone.h5", "note.md"):
        done = info(name)
        assert done.returncode == 1
        assert re.fullmatch(f"Error: {name} .*\n", done.stderr)
    h5py.File("bare.h5", "w").close()
    assert info("bare.h5").stdout == "bare.h5 holds no arrays\n"


def test_the_version_is_the_library_s():
    assert (
        run_here("--version", text=True).stdout == f"lucid-roialign, version {lucid.__version__}\n"
    )


def info(*arguments):
    return run_here("info", *arguments, text=True)


def extract(*arguments, how=run_here):
    return how("extract", "--features", "f.h5", "--rois", "r.npy", *arguments, text=True)


def test_command_and_library_write_the_same_bytes(files):
    options = {"output_size": (3, 4), "spatial_scale": (0.5, 0.25), "sampling_ratio": 2}
    more = {"aligned": True, "invalid": "zero", "memory": "128M", "dtype": "float64"}
    lucid.extract("f.h5", "r.npy", "library.h5", **options, **more)
    done = extract(
        "-o", "command.h5", "--output-size", "3x4", "--spatial-scale", "0.5,0.25",
        "--sampling-ratio", 2, "--aligned", "--invalid", "zero", "--memory", "128M",
        "--dtype", "float64", how=run,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Error" not in done.stderr
    assert Path("command.h5").read_bytes() == Path("library.h5").read_bytes()


@pytest.mark.parametrize("text", ["1/16", "0.0625", "1/16,0.0625"])
def test_a_scale_may_be_a_fraction(files, text):
    assert extract("-o", "scaled.npy", "--spatial-scale", text).returncode == 0
    lucid.extract("f.h5", "r.npy", "library.npy", spatial_scale=1 / 16)
    assert Path("scaled.npy").read_bytes() == Path("library.npy").read_bytes()


def test_warnings_are_on_stderr_and_strict_makes_them_errors(files):
    options = "-q", "--spatial-scale", "1/2", "-o", "c.npy"
    warned = extract(*options)
    assert (warned.returncode, warned.stdout) == (0, "")
    assert re.fullmatch(
        r"Warning: \d+ of 60 boxes lie mostly .*--spatial-scale 1/32\n", warned.stderr
    )
    strict = extract(*options, "--overwrite", "--strict")
    assert strict.returncode == 1
    assert re.fullmatch(r"Error: \d+ of 60 boxes lie mostly .*\n", strict.stderr)


def test_the_report_is_brief_and_on_stdout(files):
    done = extract("--output-size", 5)
    assert done.stdout == (
        "features  f.h5::features  (5, 6, 12, 17) float32, "
        "spatial scale 0.0625 (from the dataset)\n"
        "ids       not known; images are numbered from 0 to 4\n"
        "rois      r.npy  (60, 5) on 5 images, all valid\n"
        "          xyxy in input coordinates; not aligned, sampling ratio adaptive\n"
        "          boxes span -39.07..283.4 x -39.54..316.8;\n"
        "          in cells they span -2.442..17.71 of 17 columns and -2.471..19.8 of 12 rows\n"
        "          8 wholly outside, 30 partly outside\n"
        "crops     crops.h5  (60, 6, 5, 5) float32, 36 kB\n"
    )
    assert done.stderr == ""


def test_the_report_counts_invalid_rois(files):
    files.rois[7, 0] = 5
    files.rois[9, 3] = -99
    np.save("r.npy", files.rois)
    done = extract("--invalid", "zero")
    assert "on 5 images, 2 invalid" in done.stdout
    assert "zeros: batch_index must be in [0, 5), got 5 at row 7" in done.stdout


def test_quiet_prints_nothing(files):
    done = extract("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Path("crops.h5").exists()


def test_json_is_the_library_s_report(files):
    done = extract("--json", "-o", "a.h5")
    report = json.loads(done.stdout)
    assert (report.pop("schema"), report.pop("dry_run")) == (1, False)
    expected = lucid.extract("f.h5", "r.npy", "a.h5", overwrite=True).as_dict()
    assert report == json.loads(json.dumps(expected))


def test_a_dry_run_writes_nothing(files):
    before = set(os.listdir())
    done = extract("--dry-run")
    assert done.returncode == 0
    assert "would write crops.h5" in done.stdout
    assert set(os.listdir()) == before


@pytest.mark.parametrize(("options", "packs"), [([], False), (["--compression", "gzip"], True)])
def test_progress_says_when_an_output_is_packed(files, options, packs):
    done = extract("--progress", "-q", *options)
    assert done.returncode == 0
    assert ("packing: 100%" in done.stderr) == packs


def test_progress_is_drawn_on_stderr_only_if_asked_without_a_terminal(files):
    done = extract("--progress", "--json")
    assert "100%" in done.stderr
    assert json.loads(done.stdout)
    assert extract("--overwrite").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--features", "gone.h5", "--rois", "r.npy"], 1, "gone.h5 cannot be opened: No such file"),
        (["--features", "f.h5::x", "--rois", "r.npy"], 1, "f.h5 has no dataset 'x'; it holds"),
        (["--features", "r.npy", "--rois", "r.npy"], 1, "r.npy must have shape (N, C, H, W)"),
        (["--features", "f.npy", "--rois", "bad.npy"], 1, "; --invalid zero makes"),
        (["--features", "f.npy", "--rois", "r.npy", "-o", "no/c.h5"], 1, "no directory no"),
        (["--features", "f.npy", "--rois", "r.npy", "--memory", "1M"], 1, "must be at least 43M"),
        (["--features", "f.npy", "--rois", "r.npy", "-o", "f.npy", "--overwrite"], 1, "an input"),
        (["--features", "f.npy"], 2, "Missing option '--rois'"),
        (["--features", "f.npy", "--rois", "r.npy", "--wrong"], 2, "No such option"),
        (["--features", "f.npy", "--rois", "r.npy", "--output-size", "7x"], 2, "be HxW"),
        (["--features", "f.npy", "--rois", "r.npy", "--output-size", "0"], 2, "at least 1 by 1"),
        (["--features", "f.npy", "--rois", "r.npy", "--output-size", "x"], 2, "must be HxW"),
        (["--features", "f.npy", "--rois", "r.npy", "--spatial-scale", "a"], 2, "must be a number"),
        (["--features", "f.npy", "--rois", "r.npy", "--spatial-scale", "0"], 2, "finite and > 0"),
        (["--features", "f.npy", "--rois", "r.npy", "--sampling-ratio", "2.5"], 2, "whole number"),
        (["--features", "f.npy", "--rois", "r.npy", "--sampling-ratio", "1025"], 2, "at most 1024"),
        (["--features", "f.npy", "--rois", "r.npy", "--invalid", "skip"], 2, "'raise' or 'zero'"),
        (["--features", "f.npy", "--rois", "r.npy", "--memory", "lots"], 2, "a size such as 512M"),
        (["--features", "f.npy", "--rois", "r.npy", "--dtype", "int8"], 2, "one of float16"),
        (["--features", "f.npy", "--rois", "r.npy", "-o", "c.txt"], 2, "output must end in"),
    ],
)  # fmt: skip
def test_a_mistake_ends_in_one_clear_line_and_leaves_no_output(files, arguments, code, message):
    np.save("bad.npy", [[0, 1, 1, 2, 2], [9, 1, 1, 2, 2]])
    before = {path: path.read_bytes() for path in files.path.iterdir()}
    done = run_here("extract", *arguments, text=True)
    assert done.returncode == code
    if code:
        assert done.stdout == ""
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("Error: ") == 1
        assert {path: path.read_bytes() for path in files.path.iterdir()} == before
    if code == 1:
        assert done.stderr.count("\n") == 1


def test_quiet_and_json_contradict_each_other(files):
    done = extract("--quiet", "--json")
    assert done.returncode == 2
    assert "--quiet and --json contradict each other" in done.stderr


@pytest.mark.slow
def test_what_is_printed_onto_a_full_disk_is_one_line(files):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*RUN, "info", "f.h5"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write what is printed: No space left on device")
    assert "Traceback" not in done.stderr


def test_an_existing_output_is_kept_unless_overwrite(files):
    assert extract().returncode == 0
    before = Path("crops.h5").read_bytes()
    done = extract("--output-size", 3)
    assert done.returncode == 1
    assert done.stderr == "Error: crops.h5 exists; pass --overwrite to replace it\n"
    assert Path("crops.h5").read_bytes() == before
    assert extract("--output-size", 3, "--overwrite").returncode == 0
    assert Path("crops.h5").read_bytes() != before
