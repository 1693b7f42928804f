"""Interrupted, then finished: the output is absent or complete, and resumed runs lose nothing."""

import errno
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from command import PATIENCE, RUN_OF_MANY, but_for_frames

import lucid
from lucid import SinkError
from lucid.stream import Settings, prepare
from lucid.stream.row_set import RowSet
from lucid.stream.write import disk, journal, journal_file, unfinished
from lucid.stream.write.rows import Place

OUTPUTS = [
    ("c.h5", {}),
    ("c.npy", {}),
    ("c.h5", {"compression": "gzip"}),
    ("c.h5", {"chunks": 7, "checksum": True}),
]

SLOW = pytest.mark.slow


def restart(monkeypatch, name="another start"):
    """Let the machine have been started once more."""
    Path("boot_id").write_text(name)
    monkeypatch.setattr(journal_file, "BOOT_ID", Path("boot_id"))


class Stopped(Exception):
    """What ends a run in these tests."""


def leave_after(rows, output="c.h5", **options):
    """Run and stop as soon as so many rows are done."""

    def stop(rows_done):
        if rows_done >= rows:
            raise Stopped

    with pytest.raises(Stopped):
        lucid.extract("f.h5", "r.npy", output, on_progress=stop, **options)


@pytest.fixture(autouse=True)
def small_batches(tuned, monkeypatch):
    """Let a run of sixty rows have many batches, and nobody wait for a lock that is not let go."""
    tuned(crops_bytes=4000)
    monkeypatch.setattr(disk, "LOCK_WAIT", 0)


def bytes_of_an_undisturbed_run(output, options):
    name = f"whole{Path(output).suffix}"
    lucid.extract("f.h5", "r.npy", name, overwrite=True, **options)
    return Path(name).read_bytes()


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


def test_two_runs_do_not_write_one_output(files):
    def another(rows_done):
        for way in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(SinkError, match="is in use: another run is writing this output"):
                lucid.extract("f.h5", "r.npy", "c.h5", **way)

    seen = []

    def disturb(rows_done):
        seen.append(rows_done)
        if rows_done and len(seen) in (2, 5):
            another(rows_done)

    lucid.extract("f.h5", "r.npy", "c.h5", on_progress=disturb)
    assert len(seen) > 5
    assert Path("c.h5").read_bytes() == bytes_of_an_undisturbed_run("c.h5", {})


def prepared(**more):
    """Return a run that is planned but has not begun."""
    return prepare(Settings(features="f.h5", rois="r.npy", output="c.h5", **more))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, pytest.param({"compression": "gzip"}, marks=SLOW)])
@pytest.mark.parametrize("second", [{}, {"overwrite": True}, {"resume": True}])
@pytest.mark.parametrize("unfinished_before", [False, True])
def test_of_two_runs_planned_at_once_only_the_first_begins(
    files, options, second, unfinished_before
):
    """The second was planned when the first had not begun, and begins while it writes."""
    expected = bytes_of_an_undisturbed_run("c.h5", options)
    if unfinished_before:
        leave_after(30, **options)
    begins = {"resume": True} if unfinished_before else {}
    if unfinished_before and not second:
        second = {"resume": True}
    with prepared(**options, **begins) as one, prepared(**options, **second) as other:

        def disturb(rows_done):
            if rows_done > 40:
                with pytest.raises(SinkError, match="in use: another run is writing this output"):
                    other.run()

        one.run(disturb)
    assert Path("c.h5").read_bytes() == expected
    assert [path.name for path in files.path.glob("c.h5*")] == ["c.h5"]


def test_marks_are_written_every_half_second_and_synced_every_half_minute(files, monkeypatch):
    """With a clock of its own: what the file says after so much time."""
    now = [0.0]
    monkeypatch.setattr(journal.time, "monotonic", lambda: now[0])
    path = Path("x.npy.part.journal")
    running = journal.Journal(path, journal_file.JournalState({"job": 1}, False, RowSet(9)))
    running.start()
    running.trust()

    def said(restarted=False):
        with monkeypatch.context() as patch:
            patch.setattr(disk, "lock", lambda file, path, shared: True)
            if restarted:
                restart(patch)
            return np.flatnonzero(journal_file.read_journal(path).done[0:9]).tolist()

    Path("data").touch()
    with Place(Path("data")).open() as data:
        running.mark(np.array([0]), data)
        assert said() == []
        now[0] += 0.6
        running.mark(np.array([4]), data)
        assert said() == [0, 4]
        assert said(restarted=True) == []
        now[0] += 30
        running.mark(np.array([8]), data)
        assert said() == said(restarted=True) == [0, 4, 8]
    running.close()


@pytest.mark.parametrize(("said", "synced"), [("0", True), ("inf", False)])
def test_the_environment_says_how_often_to_sync(files, monkeypatch, said, synced):
    monkeypatch.setenv("LUCID_ROIALIGN_SYNC_SECONDS", said)
    leave_after(30)
    restart(monkeypatch)
    report = lucid.extract("f.h5", "r.npy", "c.h5", resume=True, dry_run=True)
    assert (report.resumed > 0) == synced


def test_what_is_no_time_to_sync_is_refused(files, monkeypatch):
    monkeypatch.setenv("LUCID_ROIALIGN_SYNC_SECONDS", "often")
    with pytest.raises(ValueError, match="LUCID_ROIALIGN_SYNC_SECONDS must be a number of seconds"):
        lucid.extract("f.h5", "r.npy", "c.h5")


def test_a_journal_that_cannot_be_read_is_named(files):
    leave_after(30)
    Path("c.h5.part.journal").write_text("hello")
    with pytest.raises(SinkError, match="c.h5.part.journal is no journal of an unfinished run"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True)


def test_after_a_restart_of_the_machine_only_what_reached_the_disk_counts(
    files, monkeypatch, tuned
):
    leave_after(30)
    restart(monkeypatch)
    assert lucid.extract("f.h5", "r.npy", "c.h5", resume=True, dry_run=True).resumed == 0
    lucid.extract("f.h5", "r.npy", "c.h5", resume=True)
    assert Path("c.h5").read_bytes() == bytes_of_an_undisturbed_run("c.h5", {})
    tuned(sync_seconds=0)
    leave_after(30, "d.h5")
    restart(monkeypatch, "yet another")
    assert lucid.extract("f.h5", "r.npy", "d.h5", resume=True, dry_run=True).resumed >= 30


def test_rows_are_on_the_disk_before_a_resumed_run_says_so(files, monkeypatch):
    """Until they are synced, the journal claims none of those that were not."""
    leave_after(30)
    seen = []

    def noting(file):
        name = Path(os.readlink(f"/proc/self/fd/{file}")).name
        with Path("c.h5.part.journal").open("rb") as stream:
            seen.append((name, journal_file._said(stream.fileno()).done.any()))

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(os, "fdatasync", noting)
    lucid.extract("f.h5", "r.npy", "c.h5", resume=True)
    part, marks = "c.h5.part", "c.h5.part.journal"
    assert seen[:3] == [(marks, False), (part, False), (marks, True)]


@pytest.mark.parametrize(
    ("free", "jobs", "needed"), [(1000, 1, r"0\.073\d*"), (74_000, 2, r"0\.0759\d*")]
)
def test_a_full_disk_is_seen_before_the_run_starts(files, monkeypatch, free, jobs, needed):
    """On several processes, RoIs stand beside the output while they are done."""
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(unfinished.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(SinkError, match=f"c.h5 cannot be written: it needs {needed} MB more"):
        lucid.extract("f.h5", "r.npy", "c.h5", jobs=jobs)
    assert not list(files.path.glob("c.h5*"))


@pytest.mark.slow
@pytest.mark.parametrize(("output", "options"), OUTPUTS)
def test_a_disk_that_fills_up_in_the_middle_costs_nothing(files, monkeypatch, output, options):
    expected = bytes_of_an_undisturbed_run(output, options)
    writes, original = [], os.pwrite

    def pwrite(file, data, position):
        writes.append(position)
        if len(writes) == 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(file, data, position)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(SinkError, match=f"{output} cannot be written: No space left on device"):
            lucid.extract("f.h5", "r.npy", output, **options)
    assert not Path(output).exists()
    assert lucid.extract("f.h5", "r.npy", output, resume=True, **options).resumed > 0
    assert Path(output).read_bytes() == expected


def test_an_input_that_vanishes_while_it_is_read_is_still_there_for_the_run(files):
    expected = bytes_of_an_undisturbed_run("c.h5", {})
    lucid.extract(
        "f.h5", "r.npy", "c.h5",
        on_progress=lambda done: [Path(name).unlink(missing_ok=True) for name in ("f.h5", "r.npy")],
    )  # fmt: skip
    assert Path("c.h5").read_bytes() == expected


def begun(*arguments, features="f.h5", **more):
    """Return a command that has written some of the crops of many RoIs."""
    corner = np.random.default_rng(0).uniform(0, 100, (300_000, 2))
    np.save("many.npy", np.c_[np.zeros(len(corner)), corner, corner + 40])
    process = subprocess.Popen(
        [*RUN_OF_MANY, "--features", features, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    until = time.monotonic() + PATIENCE
    marks = Path(f"{arguments[1]}.part.journal")
    while not marks.exists() or not any(marks.read_bytes()[-75_000:]):  # of which half are marks
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("more", [pytest.param([], marks=SLOW), ["--overwrite"]])
def test_ctrl_c_leaves_with_one_line_that_says_how_to_go_on(files, more):
    process = begun("-o", "c.h5", *more)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    instead = " instead of --overwrite" if more else ""
    assert re.fullmatch(
        rf"Interrupted with \d+ of 300000 crops done; "
        rf"the same command with --resume{instead} finishes c.h5\n\n?",
        stderr,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gap", "second"), [(0, signal.SIGINT), (0.005, signal.SIGTERM), (0.05, signal.SIGINT)]
)
def test_a_second_signal_while_the_run_tidies_up_changes_nothing(files, gap, second):
    """A terminal and a wrapper may both send it."""
    process = begun("-o", "c.h5")
    process.send_signal(signal.SIGINT)
    time.sleep(gap)
    process.send_signal(second)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert re.fullmatch(r"Interrupted with .* --resume finishes c.h5\n\n?", stderr)


@pytest.mark.slow
def test_nothing_is_advised_where_nothing_was_kept(files):
    """Features that come through a pipe cannot be read again."""
    with open("f.npy", "rb") as features:
        process = begun("-o", "c.npy", "--spatial-scale", "1/16", features="-", stdin=features)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert re.fullmatch(r"Interrupted with \d+ of 300000 crops done\n\n?", but_for_frames(stderr))
    assert not list(files.path.glob("c.npy*"))
