"""Interrupted, then finished: the output is absent or complete, and resumed runs lose nothing."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from resumed import (
    OUTPUTS,
    SLOW,
    bytes_of_an_undisturbed_run,
    leave_after,
    small_batches,  # noqa: F401 - of every test here
)

import lucid
from lucid import SinkError


@pytest.mark.parametrize(("output", "options"), OUTPUTS)
@pytest.mark.parametrize("rows", [pytest.param(1, marks=SLOW), 30, pytest.param(60, marks=SLOW)])
def test_a_resumed_run_gives_the_bytes_of_an_undisturbed_one(files, output, options, rows):
    expected = bytes_of_an_undisturbed_run(output, options)
    leave_after(rows, output, **options)
    assert not Path(output).exists()
    report = lucid.extract("f.h5", "r.npy", output, resume=True, **options)
    assert report.resumed >= rows
    assert Path(output).read_bytes() == expected
    assert not list(files.path.glob("c.*.*"))


def test_done_work_is_not_done_again(files):
    leave_after(30)
    told = []
    report = lucid.extract("f.h5", "r.npy", "c.h5", resume=True, on_progress=told.append)
    assert told[0] == report.resumed >= 30
    assert told[-1] == 60


@pytest.mark.parametrize(("output", "options"), OUTPUTS)
def test_resume_starts_where_there_is_nothing_and_rests_where_all_is_done(files, output, options):
    expected = bytes_of_an_undisturbed_run(output, options)
    lucid.extract("f.h5", "r.npy", output, resume=True, **options)
    assert Path(output).read_bytes() == expected
    before = os.stat(output)
    lucid.extract("f.h5", "r.npy", output, resume=True, **options)
    assert os.stat(output).st_mtime_ns == before.st_mtime_ns


def test_without_resume_an_unfinished_run_is_named_with_both_ways_out(files):
    leave_after(30)
    with pytest.raises(
        SinkError,
        match=r"c.h5 is unfinished \(\d+% is in c.h5.part\); pass "
        "resume=True to finish it or overwrite=True to start over",
    ):
        lucid.extract("f.h5", "r.npy", "c.h5")  # fmt: skip
    assert Path("c.h5.part").exists()
    assert lucid.extract("f.h5", "r.npy", "c.h5", overwrite=True).resumed == 0
    assert not list(files.path.glob("c.h5.*"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sampling_ratio": 2}, "c.h5 was begun with sampling_ratio -1, not 2; repeat the job"),
        ({"output_size": 3}, "c.h5 was begun with output_size 7 x 7, not 3 x 3"),
        ({"spatial_scale": 0.5}, "with spatial_scale 0.0625 x 0.0625, not 0.5 x 0.5"),
        ({"aligned": True}, "with aligned False, not True"),
        ({"dtype": "float64"}, "with dtype float32, not float64"),
        ({"invalid": "zero"}, "with invalid raise, not zero"),
        ({"compression": "gzip"}, "with compression none, not gzip"),
        ({"boxes": "xywh"}, "with boxes xyxy, not xywh"),
        ({"layout": "nhwc", "spatial_scale": 1 / 16}, "with .* not"),
        ({"normalized": True, "image_size": 9}, "with normalized False, not True"),
    ],
)
def test_a_resume_refuses_another_job(files, changed, message):
    leave_after(30)
    with pytest.raises(SinkError, match=message):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True, **changed)
    lucid.extract("f.h5", "r.npy", "c.h5", resume=True, memory="100M")


@pytest.mark.parametrize(
    "changed",
    [{"sampling_ratio": 2}, {"boxes": "xywh", "invalid": "zero"}, {"compression": "lzf"}],
)
def test_a_complete_output_is_not_taken_for_that_of_another_job(files, changed):
    lucid.extract("f.h5", "r.npy", "c.h5", invalid=changed.get("invalid", "raise"))
    with pytest.raises(SinkError, match="c.h5 is complete, but with (sampling|boxes|compression)"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True, **changed)


def test_nothing_is_left_in_the_way_of_later_runs(files):
    leave_after(30, compression="gzip")
    assert Path("c.h5.part.rows").exists()
    lucid.extract("f.h5", "r.npy", "c.h5", overwrite=True)
    assert [path.name for path in files.path.glob("c.h5*")] == ["c.h5"]
    lucid.extract("f.h5", "r.npy", "c.h5", overwrite=True, compression="gzip")
    assert [path.name for path in files.path.glob("c.h5*")] == ["c.h5"]


@pytest.mark.kill
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # pytest may have threads
@pytest.mark.parametrize("step", ["replace", "unlink"])
@pytest.mark.parametrize("number", range(4))
def test_a_kill_at_any_step_of_the_end_of_a_packed_run_is_mended(files, monkeypatch, step, number):
    """Each renaming and removal is where a kill may come; after it the process does nothing."""
    options = {"compression": "gzip"}
    expected = bytes_of_an_undisturbed_run("c.h5", options)
    calls, original = [], getattr(Path, step)

    def last(path, *arguments, **more):
        if "c.h5" in path.name and Path("c.h5.part.packed").exists() | bool(calls):
            calls.append(path)
        if len(calls) > number:
            os._exit(9)
        return original(path, *arguments, **more)

    child = os.fork()
    if not child:
        monkeypatch.setattr(Path, step, last)
        lucid.extract("f.h5", "r.npy", "c.h5", **options)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, 9}
    lucid.extract("f.h5", "r.npy", "c.h5", resume=True, **options)
    assert Path("c.h5").read_bytes() == expected
    assert [path.name for path in files.path.glob("c.h5*")] == ["c.h5"]


def test_a_complete_output_of_another_job_is_not_taken_for_this_one(files):
    lucid.extract("f.h5", "r.npy", "c.h5")
    with pytest.raises(SinkError, match="c.h5 is complete, but with aligned False, not True"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True, aligned=True)
    np.save("c.npy", np.zeros(3))
    with pytest.raises(SinkError, match=r"c.npy is complete, but with dtype float64, not float32"):
        lucid.extract("f.h5", "r.npy", "c.npy", resume=True)
    Path("text.npy").write_text("precious")
    h5py.File("other.h5", "w").close()
    with h5py.File("alike.h5", "w") as file:
        file["crops"] = np.zeros(3)
    for name in ("other.h5", "alike.h5", "text.npy"):
        with pytest.raises(SinkError, match=f"{name} exists and is no output of this tool"):
            lucid.extract("f.h5", "r.npy", name, resume=True)


def test_overwrite_and_resume_contradict_each_other(files):
    with pytest.raises(ValueError, match="overwrite and resume contradict"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True, overwrite=True)


def test_an_interrupted_overwriting_run_replaces_the_old_output_when_resumed(files):
    Path("c.h5").write_bytes(b"old")
    leave_after(30, overwrite=True)
    assert Path("c.h5").read_bytes() == b"old"
    lucid.extract("f.h5", "r.npy", "c.h5", resume=True)
    assert Path("c.h5").read_bytes() == bytes_of_an_undisturbed_run("c.h5", {})
