"""`verify`: which rows are looked at, by which engine, and against which files."""

import os
from pathlib import Path

import numpy as np
import pytest
from verified import OPTIONS, made, needs_compiled, slow, with_rows

import lucid
from lucid.errors import RoiError, SinkError, SourceError
from lucid.verifier import tally
from lucid.verifier.verification import Verification


def test_the_same_seed_draws_the_same_rows(files, monkeypatch):
    made()
    drawn = []
    monkeypatch.setattr(Verification, "_plan", lambda self: drawn.append(self._rows) or 1 / 0)
    for options in ({"random": 9}, {"random": 9}, {"random": 9, "seed": 1}, {"rows": "0:12"}, {}):
        with pytest.raises(ZeroDivisionError):
            lucid.verify("c.h5", **options)
    one, same, other, named, default = drawn
    np.testing.assert_array_equal(one, same)
    assert len(set(one)) == 9
    assert set(one) != set(other)
    assert named.tolist() == list(range(12))
    assert default.tolist() == list(range(60))
    with pytest.raises(ZeroDivisionError):
        lucid.verify("c.h5", rows="3,17,50:90", random=4)
    assert set(drawn[-1]) <= {3, 17, *range(50, 60)}


def test_only_chosen_rows_are_looked_at(files):
    made()
    with_rows("c.h5", lambda rows: rows.__setitem__(17, 5))
    assert lucid.verify("c.h5", rows=[16, 18]).good
    assert not lucid.verify("c.h5", rows=17).good
    with pytest.raises(RoiError, match="60 crops and no row 60"):
        lucid.verify("c.h5", rows=60)


def test_all_goes_on_where_it_was_interrupted(files, tuned):
    tuned(crops_bytes=4000)
    made()
    with_rows("c.h5", lambda rows: rows.__setitem__(slice(None), rows + 1))
    told = []

    def stop(rows_done):
        told.append(rows_done)
        if rows_done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.verify("c.h5", all=True, on_progress=stop)
    assert Path("c.h5.verify").exists()
    after = []
    report = lucid.verify("c.h5", all=True, resume=True, on_progress=after.append)
    assert after[0] == told[-1]
    assert report.tally.differing == 60
    assert sorted(found.row for found in report.tally.found) == list(range(60))
    assert not Path("c.h5.verify").exists()
    with pytest.raises(KeyboardInterrupt):
        lucid.verify("c.h5", all=True, on_progress=stop)
    with_rows("c.h5", lambda rows: rows.__setitem__(slice(None), rows - 1))
    with pytest.raises(SinkError, match="drop resume to begin"):
        lucid.verify("c.h5", all=True, resume=True)


def test_no_row_is_counted_twice_where_a_signal_comes_within_a_batch(files, tuned, monkeypatch):
    tuned(crops_bytes=4000)
    made()
    take, batches = tally.Comparison._compare, []

    def stop(comparison, *batch):
        take(comparison, *batch)
        batches.append(batch)
        if len(batches) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tally.Comparison, "_compare", stop)
        with pytest.raises(KeyboardInterrupt):
            lucid.verify("c.h5", all=True)
    report = lucid.verify("c.h5", all=True, resume=True)
    assert report.tally.rows == report.tally.equal == 60


@needs_compiled
def test_another_engine_is_given_a_tolerance(files):
    made(engine="compiled")
    report = lucid.verify("c.h5", engine="numpy")
    assert report.good
    assert report.tally.rounded
    assert report.tally.max_rounding < report.tolerance.value < 1e-4
    with_rows("c.h5", lambda rows: rows.__setitem__((4, 0, 0, 0), rows[4, 0, 0, 0] + 1e-3))
    report = lucid.verify("c.h5", engine="numpy")
    assert [(found.row, found.values) for found in report.tally.found] == [(4, 1)]
    assert lucid.verify(made("half.h5", dtype="float16"), engine="numpy").good


@pytest.mark.parametrize(
    "output",
    [
        "c.npy",
        "i/{id}.npz",
        *(pytest.param(one, marks=slow) for one in ("i/{id}.npy", "i/{id}.h5", "g.h5::{id}")),
    ],
)
def test_files_that_say_nothing_are_held_against_what_is_given(files, output):
    os.mkdir("i")
    made(output)
    given = {"features": "f.npy", "rois": "r.npy", **OPTIONS}
    assert lucid.verify(output, **given).good
    assert not lucid.verify(output, **given | {"aligned": True}).good
    if "::" in output:
        assert lucid.verify(output).good
        assert lucid.verify(output.removesuffix("::{id}"), all=True).tally.equal == 60
    else:
        with pytest.raises(SourceError, match="pass features and rois"):
            lucid.verify(output)


@pytest.mark.slow
def test_a_file_of_an_image_that_is_gone_costs_its_rows(files):
    os.mkdir("i")
    made("i/{id}.npz")
    os.remove("i/3.npz")
    report = lucid.verify("i/{id}.npz", "f.npy", "r.npy", **OPTIONS)
    assert {found.row for found in report.tally.found} == set(np.flatnonzero(files.rois[:, 0] == 3))
    assert report.tally.unreadable == report.tally.bad
