"""The engine of a run: chosen, recorded, and the same when a run is gone on with."""

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid import SinkError
from lucid.roi.engines import selection

ENGINES = ["numpy", *([] if selection.why_not_compiled() else ["compiled"])]
needs_both = pytest.mark.skipif(len(ENGINES) < 2, reason="the compiled engine was not built")


def begin(output, engine):
    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract("f.h5", "r.npy", output, engine=engine, on_progress=stop)


def engine_in(output):
    with h5py.File(output) as file:
        return file["crops"].attrs["engine"]


@pytest.fixture(autouse=True)
def small_batches(tuned):
    tuned(crops_bytes=4000)


@pytest.mark.parametrize(
    ("engine", "jobs"),
    [
        *((engine, 1) for engine in ENGINES),
        (ENGINES[0], 2),
        *(pytest.param(engine, 2, marks=pytest.mark.slow) for engine in ENGINES[1:]),
    ],
)
def test_an_engine_that_is_asked_for_is_used_and_recorded(files, monkeypatch, engine, jobs):
    report = lucid.extract("f.h5", "r.npy", "c.h5", engine=engine, jobs=jobs)
    assert report.engine == engine_in("c.h5") == engine
    monkeypatch.setattr(selection._Setting, "name", engine)
    wanted = lucid.models.utils.roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["crops"], wanted)


@pytest.mark.slow
@needs_both
@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_is_gone_on_with_by_the_engine_that_it_was_begun_with(files, engine):
    lucid.extract("f.h5", "r.npy", "whole.h5", engine=engine)
    begin("c.h5", engine)
    other = next(one for one in ENGINES if one != engine)
    with pytest.raises(SinkError, match=f"c.h5 was begun with engine {engine}, not {other}"):
        lucid.extract("f.h5", "r.npy", "c.h5", engine=other, resume=True)
    report = lucid.extract("f.h5", "r.npy", "c.h5", resume=True)
    assert (report.engine, engine_in("c.h5")) == (engine, engine)
    assert report.resumed >= 30
    with h5py.File("c.h5") as file, h5py.File("whole.h5") as whole:
        np.testing.assert_array_equal(file["crops"], whole["crops"])
    assert lucid.extract("f.h5", "r.npy", "c.h5", resume=True).engine == engine


def test_an_engine_that_there_is_not_is_a_usage_error(files):
    with pytest.raises(ValueError, match="engine must be one of auto, numpy, compiled, got fast"):
        lucid.extract("f.h5", "r.npy", "c.h5", engine="fast")
    done = run_here(
        "extract", "--features", "f.h5", "--rois", "r.npy", "--engine", "fast", text=True
    )
    assert done.returncode == 2
    assert "engine must be one of auto, numpy, compiled" in done.stderr


def test_a_run_begun_with_an_engine_that_is_not_there_is_refused_by_name(files, monkeypatch):
    begin("c.h5", ENGINES[-1])
    from lucid.stream.write import complete

    def not_there(name):
        raise ValueError("engine is 'compiled', which was not built here")

    monkeypatch.setattr(complete, "as_engine", not_there)
    with pytest.raises(SinkError, match="c.h5 was begun with an engine that is not there: .*built"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True)
