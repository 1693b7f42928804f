"""Options from the environment and from a file: each as the command line would say it."""

import json
import math
import tomllib
from pathlib import Path

import pytest
from command import run_here
from lucid_cli import config
from lucid_cli.commands import commands
from lucid_cli.extract import extract
from lucid_cli.preview import preview

from lucid.stream.options import OPTIONS

INPUTS = ["--features", "f.npy", "--rois", "r.npy"]
SAID = [  # words of a command line, and the same as a table has it
    (["--stride", "1/16"], {"stride": "1/16"}),
    (["--stride", "16"], {"stride": 16}),
    (["--spatial-scale", "0.5,0.25"], {"spatial_scale": [0.5, 0.25]}),
    (["--output-size", "3x5"], {"output_size": [3, 5]}),
    (["--sampling-ratio", "inf"], {"sampling_ratio": math.inf}),
    (["--aligned"], {"aligned": True}),
    (["--no-aligned"], {"aligned": False}),
    (["--channels", ":8:2"], {"channels": ":8:2"}),
    (["--category", "person,dog"], {"category": ["person", "dog"]}),
    (["--image-size", "480x640"], {"image_size": [480, 640]}),
    (["--normalized", "--image-size", "s.npy"], {"normalized": True, "image_size": "s.npy"}),
    (["--canonical", "5,112"], {"canonical": [5, 112]}),
    (["--memory", "2G", "--jobs", "2"], {"memory": "2G", "jobs": 2}),
    (["--dtype", "float16", "--chunks", "8"], {"dtype": "float16", "chunks": 8}),
    (["--shard", "2/8", "-q"], {"shard": "2/8", "quiet": True}),
    (["--extrapolation-value", "-1.5"], {"extrapolation_value": -1.5}),
    (["--no-progress", "--json"], {"progress": False, "json": True}),
]
LISTS = {"category": "person,dog", "output_size": "3x5", "image_size": "480x640"}


def understood(*words):
    """Return what the command makes of its line, and of what else says its options."""
    return extract.make_context("extract", [*INPUTS, *words]).params


def understood_by_preview(*words):
    """Return the same of another command, which knows that there are several."""
    root = commands.make_context("lucid-roialign", ["preview"])
    return preview.make_context("preview", [*INPUTS, *words], parent=root).params


def toml(table, name="extract"):
    Path("job.toml").write_text(
        "\n".join([f"[{name}]", *(f"{key} = {_literal(value)}" for key, value in table.items())])
    )


def _literal(value):
    return "inf" if value == math.inf else json.dumps(value)


@pytest.mark.parametrize(("words", "table"), SAID)
def test_a_file_says_what_the_command_line_says(tmp_path, monkeypatch, words, table):
    monkeypatch.chdir(tmp_path)
    toml(table)
    assert understood("--config", "job.toml") == understood(*words)


@pytest.mark.parametrize(("words", "table"), SAID)
def test_variables_say_what_the_command_line_says(monkeypatch, words, table):
    for name, value in table.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        text = LISTS.get(name, text) if isinstance(value, list) else text
        monkeypatch.setenv(f"LUCID_ROIALIGN_{name.upper()}", text)
    assert understood() == understood(*words)


@pytest.mark.parametrize(("words", "table"), SAID)
def test_what_is_saved_is_read_as_what_was_said(tmp_path, monkeypatch, words, table):
    monkeypatch.chdir(tmp_path)
    with extract.make_context("extract", [*INPUTS, *words, "--save-config", "job.toml"]) as ctx:
        config.save()
    again = extract.make_context("extract", ["--config", "job.toml"]).params
    shown = {"quiet", "as_json", "progress"}  # are of a run, not of a job
    assert {**again, **{name: ctx.params[name] for name in shown}} == ctx.params


def test_every_option_has_a_variable_but_those_of_one_run(monkeypatch):
    refused = set()
    for name in OPTIONS:
        with monkeypatch.context() as patch:
            patch.setenv(f"LUCID_ROIALIGN_{name.upper()}", "")
            done = run_here("extract", text=True)
            refused |= {name} if "no option has a variable" in done.stderr else set()
    assert refused == {"features", "level", "rois", "output", "overwrite", "resume"}


def test_the_line_is_over_the_environment_and_that_over_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toml({"stride": 16, "aligned": True, "memory": "1G", "jobs": 3})
    monkeypatch.setenv("LUCID_ROIALIGN_SPATIAL_SCALE", "1/8")
    monkeypatch.setenv("LUCID_ROIALIGN_MEMORY", "2G")
    found = understood("--config", "job.toml", "--memory", "3G")
    assert found["spatial_scale"] == understood("--spatial-scale", "0.125")["spatial_scale"]
    assert found["stride"] is None
    assert (found["aligned"], found["memory"], found["jobs"]) == (True, 3 << 30, 3)
    assert understood("--stride", "4", "--config", "job.toml")["spatial_scale"] is None


def test_a_variable_names_the_file_and_another_commands_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toml({"stride": 16})
    monkeypatch.setenv("LUCID_ROIALIGN_CONFIG", "job.toml")
    monkeypatch.setenv("LUCID_ROIALIGN_COMPRESSION", "gzip")
    assert understood_by_preview()["stride"] is None
    toml({"stride": 16, "rows": [3, 17], "image": ["a", "b"]}, "preview")
    found = understood_by_preview()
    assert found["stride"] == understood_by_preview("--stride", "16")["stride"]
    assert found["rows"] == (slice(3, 4), slice(17, 18))
    assert found["image"] == (("a",), ("b",))


@pytest.mark.parametrize(
    ("text", "status", "fact"),
    [
        ("[extract]\nstrid = 16", 2, "extract has no option 'strid'; did you mean stride?"),
        ("stride = 16", 2, "must have only tables of commands, [extract], "),
        ("[extrac]\nstride = 16", 2, "must have only tables of commands, [extract], "),
        ("[preview]\noutput_siz = 7", 2, "preview has no option 'output_siz'"),
        ("[extract]\nstride = 'x'", 2, "job.toml: stride: must be a number such as 1/16"),
        ("[extract]\nstride = true", 2, "job.toml: stride must be a value, got true"),
        (
            "[extract]\naligned = 1",
            2,
            "aligned must be true or false (yes or no, on or off, 1 or 0), got 1",
        ),
        ("[extract]\naligned = 'si'", 2, "job.toml: aligned must be true or false"),
        ("[extract]\nconfig = 'more.toml'", 2, "extract has no option 'config'"),
        ("[extract\nstride = 16", 1, "job.toml cannot be read as TOML: "),
        (None, 1, "job.toml cannot be opened: No such file"),
    ],
)
def test_a_file_that_says_something_else_is_refused(files, text, status, fact):
    if text is not None:
        Path("job.toml").write_text(text)
    done = run_here("extract", *INPUTS, "--config", "job.toml", text=True)
    assert (done.returncode, done.stdout) == (status, "")
    assert fact in done.stderr
    assert not Path("crops.h5").exists()


@pytest.mark.parametrize(
    ("variable", "value", "fact"),
    [
        ("STRIDES", "16", "no option has a variable LUCID_ROIALIGN_STRIDES; did you mean LUCID_"),
        ("FEATURES", "f.npy", "no option has a variable LUCID_ROIALIGN_FEATURES"),
        ("STRIDE", "x", "LUCID_ROIALIGN_STRIDE: must be a number such as 1/16"),
        ("SYNC_SECONDS", "often", "LUCID_ROIALIGN_SYNC_SECONDS must be a number of seconds >= 0"),
        ("ENGINE", "fast", "LUCID_ROIALIGN_ENGINE must be one of auto, numpy, compiled, got fast"),
        ("ALIGNED", "maybe", "_ALIGNED must be true or false"),
    ],
)
def test_a_variable_that_says_something_else_is_refused(files, monkeypatch, variable, value, fact):
    monkeypatch.setenv(f"LUCID_ROIALIGN_{variable}", value)
    done = run_here("extract", *INPUTS, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert fact in done.stderr
    assert run_here("extract", "--help").returncode == 0


def test_a_run_saves_its_options_and_says_where_others_are_from(files):
    words = ["--stride", "16", "--aligned", "-o", "c.npy", "--save-config", "job.toml"]
    assert run_here("extract", *INPUTS, *words, "-q").returncode == 0
    assert tomllib.loads(Path("job.toml").read_text()) == {
        "extract": {
            "features": "f.npy", "rois": "r.npy", "output": "c.npy", "stride": 16, "aligned": True,
        }
    }  # fmt: skip
    first = Path("c.npy").read_bytes()
    done = run_here("extract", "--config", "job.toml", "--overwrite", text=True)
    assert done.stdout.startswith(
        "options   features, rois, stride, aligned, output as job.toml says\nfeatures  "
    )
    assert Path("c.npy").read_bytes() == first
    refused = run_here("extract", *INPUTS, "-o", "d.npy", "--save-config", "job.toml", text=True)
    assert refused.returncode == 1
    assert "job.toml exists; pass --overwrite to replace it" in refused.stderr
    assert not Path("d.npy").exists()
    dry = run_here("extract", *INPUTS, "-o", "d.npy", "--save-config", "d.toml", "--dry-run")
    assert (dry.returncode, Path("d.npy").exists(), Path("d.toml").exists()) == (0, False, True)


def test_nothing_is_saved_of_options_that_contradict_each_other(files):
    words = ["--stride", "16", "--spatial-scale", "1/16", "--save-config", "job.toml"]
    assert run_here("extract", *INPUTS, *words).returncode == 2
    assert not Path("job.toml").exists()
