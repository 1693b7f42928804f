"""What a run writes down of its progress, and when that reaches the disk."""

import os
from pathlib import Path

import numpy as np
import pytest
from resumed import (
    SLOW,
    bytes_of_an_undisturbed_run,
    leave_after,
    restart,
    small_batches,  # noqa: F401 - of every test here
)

import lucid
from lucid import SinkError
from lucid.stream import Settings, prepare
from lucid.stream.row_set import RowSet
from lucid.stream.write import disk, journal, journal_file
from lucid.stream.write.rows import Place


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


def test_a_journal_that_was_removed_before_it_was_locked_is_made_anew(files, monkeypatch):
    """Otherwise other runs would see no lock."""
    lock, seen = disk.lock, []

    def removed_first(file, path, **how):
        monkeypatch.setattr(disk, "lock", lock)
        path.unlink()  # by a run that has ended meanwhile
        return lock(file, path, **how)

    def begin_another(rows_done):
        if rows_done:
            with pytest.raises(SinkError, match="is in use: another run"):
                lucid.extract("f.npy", "r.npy", "c.npy", resume=True)
            seen.append(rows_done)

    monkeypatch.setattr(disk, "lock", removed_first)
    lucid.extract("f.npy", "r.npy", "c.npy", on_progress=begin_another)
    assert seen


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
