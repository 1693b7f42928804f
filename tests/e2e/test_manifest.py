"""`extract --manifest`: each line of a table is the run that its own command line would be."""

import csv
import json
import os
import re
from pathlib import Path

import click
import numpy as np
import pytest
from command import run_here

import lucid
from lucid.stream.extraction import Extraction


@pytest.fixture
def folder(files):
    Path("out").mkdir()
    return files


def write_csv(rows, name="jobs.csv"):
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with open(name, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)
    return name


def write_jsonl(rows, name="jobs.jsonl"):
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def extract(manifest, *options):
    return run_here("extract", "--manifest", manifest, *options, text=True)


def errors(done):
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


def written():
    return {path.name: path.read_bytes() for path in Path("out").iterdir()}


JOBS = [
    {"features": "f.npy", "rois": "r.npy", "output": "out/a.h5", "stride": 16},
    {"features": "f.h5::by_two", "rois": "r.h5", "output": "out/b.npy", "aligned": True},
    {"features": "f.h5::channels", "rois": "r.npy", "output": "out/c.npz", "aligned": False},
]


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_each_line_is_the_run_of_its_own_options_and_of_those_for_all(folder, write):
    done = extract(write(JOBS), "--spatial-scale", "1/8", "--aligned", "--output-size", "3x2")
    assert (done.returncode, errors(done)) == (0, [])
    assert done.stdout == (
        f"runs      3 in {'jobs.csv' if write is write_csv else 'jobs.jsonl'}: 3 done\n"
        "crops     180, 20.2 kB\n"
    )
    found = written()
    for job, scale in zip(JOBS, (1 / 16, 1 / 8, 1 / 8), strict=True):
        options = {"aligned": True, "output_size": (3, 2)} | job
        options.pop("stride", None)
        lucid.extract(**options, spatial_scale=scale, overwrite=True)
    assert written() == found


def test_lists_may_have_the_semicolons_of_spreadsheets(folder):
    names = ("features", "rois", "output")
    rows = [names, *([job[name] for name in names] for job in JOBS)]
    Path("jobs.csv").write_text("".join(f"{';'.join(row)}\n" for row in rows))
    assert "runs      3 in jobs.csv: 3 planned\n" in extract("jobs.csv", "--dry-run").stdout


def test_a_second_run_does_what_is_missing_and_nothing_else(folder):
    jobs = write_csv([*JOBS, JOBS[0] | {"features": "late.npy", "output": "out/d.npy"}])
    first = extract(jobs)
    assert first.returncode == 1
    assert "runs      4 in jobs.csv: 3 done, 1 failed\n" in first.stdout
    assert errors(first) == [
        "Error: jobs.csv line 5: late.npy cannot be opened: No such file or directory",
        "Error: 1 of 4 runs of jobs.csv failed",
    ]
    before = {path: os.stat(path).st_mtime_ns for path in Path("out").iterdir()}
    np.save("late.npy", folder.features)
    second = extract(jobs)
    assert second.returncode == 0
    assert "runs      4 in jobs.csv: 3 done before, 1 done\n" in second.stdout
    assert {path: os.stat(path).st_mtime_ns for path in before} == before
    assert "4 done\n" in extract(jobs, "--overwrite").stdout


def test_another_job_under_the_name_of_an_output_fails_alone(folder):
    extract(write_csv(JOBS[:2]))
    before = written()
    done = extract(write_csv(JOBS), "--output-size", "2")
    assert done.returncode == 1
    assert "1 done, 2 failed" in done.stdout or "2 failed, 1 done" in done.stdout
    assert "jobs.csv line 2: " in done.stderr
    assert {name: written()[name] for name in before} == before


@pytest.mark.parametrize(
    ("rows", "fact"),
    [
        ([{**JOBS[0], "strid": 8}], "no option 'strid'; did you mean stride?"),
        ([{**JOBS[0], "json": "true"}], "no option 'json'"),
        ([JOBS[0], {**JOBS[1], "output": "out/../out/a.h5"}], "line 3 has the output of line 2"),
        ([JOBS[0], {**JOBS[1], "stride": "x"}], "line 3: stride: must be a number such as 1/16"),
        ([JOBS[0], {**JOBS[1], "aligned": "si"}], "line 3: aligned must be true or false"),
        ([JOBS[0], {"features": "f.npy"}], "line 3: pass rois, and no pipes"),
        ([JOBS[0], {**JOBS[1], "output": "-"}], "line 3: pass rois, and no pipes"),
        (
            [JOBS[0], {**JOBS[1], "stride": 8, "spatial_scale": 8}],
            "line 3: --spatial-scale and --stride contradict each other",
        ),
    ],
)
def test_nothing_runs_if_a_line_cannot(folder, rows, fact):
    done = extract(write_csv(rows))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(f"jobs.csv.*{re.escape(fact)}", done.stderr)
    assert written() == {}


@pytest.mark.parametrize(
    ("name", "text", "status", "fact"),
    [
        ("jobs.csv", "", 1, "jobs.csv has no jobs"),
        ("jobs.csv", "rois,rois\na,b\n", 1, "its header has 'rois' more than once"),
        ("jobs.csv", "rois,output\na,b.npy,c\n", 1, "line 2 has more cells than the header"),
        ("jobs.jsonl", '{"rois": "r.npy"}\n[1]\n', 1, "line 2 is no object"),
        ("jobs.jsonl", '\n{"rois": r}\n', 1, "jobs.jsonl cannot be read: line 2: Expecting value"),
        ("jobs.jsonl", None, 1, "jobs.jsonl cannot be opened: No such file"),
        ("jobs.txt", "", 2, "--manifest must end in .csv or .jsonl, got jobs.txt"),
    ],
)
def test_a_manifest_that_is_none_is_refused(folder, name, text, status, fact):
    if text is not None:
        Path(name).write_text(text)
    done = extract(name)
    assert (done.returncode, done.stdout) == (status, "")
    assert fact in done.stderr


def test_a_dry_run_writes_nothing_and_json_has_a_report_for_each(folder):
    jobs = write_csv([*JOBS, JOBS[0] | {"features": "nix.npy", "output": "out/d.npy"}])
    planned = json.loads(extract(jobs, "--dry-run", "--json").stdout)["runs"]
    assert [run["status"] for run in planned] == ["planned"] * 3 + ["failed"]
    assert written() == {}
    runs = json.loads(extract(jobs, "--json").stdout)["runs"]
    assert [(run["line"], run["status"]) for run in runs] == [
        (2, "done"), (3, "done"), (4, "done"), (5, "failed"),
    ]  # fmt: skip
    assert [run["report"]["output"] for run in runs[:3]] == [job["output"] for job in JOBS]
    assert runs[3]["report"] is None
    assert "nix.npy cannot be opened" in runs[3]["error"]


def test_one_bar_is_of_all_runs(folder):
    drawn = extract(write_csv(JOBS), "--progress", "-q").stderr
    assert "3.00/3.00" in drawn
    assert "60" not in drawn.split("\r")[-1]


def test_warnings_begin_a_line_of_their_own_where_a_bar_is_drawn(folder):
    rows = [{**job, "features": "f.npy", "rois": "r.npy", "stride": 1} for job in JOBS[:2]]
    drawn = extract(write_csv(rows), "--progress", "-q").stderr
    said = [line for line in re.split("[\r\n]", drawn) if "Warning" in line]
    assert [line[:25] for line in said] == [
        f"Warning: jobs.csv line {line}:" for line in (2, 3)
    ]  # fmt: skip


def test_an_interrupted_run_says_where_it_was(folder, monkeypatch):
    run, done = Extraction.run, []

    def once(self, *on_progress):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return run(self, *on_progress)

    monkeypatch.setattr(Extraction, "run", once)
    with pytest.raises(click.Abort):
        extract(write_csv(JOBS))
    monkeypatch.setattr(Extraction, "run", run)
    assert "1 done before, 2 done\n" in extract("jobs.csv").stdout


def test_a_saved_config_names_the_manifest(folder):
    write_csv(JOBS)
    assert extract("jobs.csv", "--dtype", "float64", "--save-config", "all.toml").returncode == 0
    done = run_here("extract", "--config", "all.toml", text=True)
    assert "runs      3 in jobs.csv: 3 done before\n" in done.stdout
