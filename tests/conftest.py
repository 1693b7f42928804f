import os
import shutil
import sys
import threading
from types import SimpleNamespace

# Modules are compiled once, not by each of the many processes that tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

collect_ignore = ["data"]  # what writes it needs other libraries

WHOLE = 20  # files: of more, a run is one of the whole suite

# `pytest --hypothesis-profile=ci -m hypothesis` draws more, and the same each time.
settings.register_profile(
    "quick",
    deadline=None,
    max_examples=5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=bool(os.environ.get("CI")),
)
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True, max_examples=200)
settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(request, monkeypatch):
    """Sync nothing in this process: what that guarantees, only a power cut would show.

    Processes that a test starts do sync.
    """
    if not request.node.get_closest_marker("slow"):
        for name in {"fsync", "fdatasync"} & set(dir(os)):
            monkeypatch.setattr(os, name, lambda file: os.fstat(file) and None)


def pytest_ignore_collect(collection_path, config):
    """Do not even read the files of tests whose mark is not asked for."""
    marks = config.getoption("markexpr")
    if collection_path.name in {"fuzz", "kill"} and f"not {collection_path.name}" in marks:
        return True
    return None


def pytest_collection_modifyitems(items):
    """Leave cases to the slow tests: what the NumPy engine repeats, and all but one of many."""
    _leave(_repeated(items))
    if len({item.path for item in items}) > WHOLE:
        _leave(_all_but_the_first(items))


def _leave(items):
    for item in items:
        item.add_marker(pytest.mark.slow)


def _repeated(items):
    """Yield, of a test of both engines, the cases of the NumPy engine but the first."""
    from lucid.roi.engines.selection import why_not_compiled

    seen = set()
    for item in items if not why_not_compiled() else ():
        given = [mark for mark in item.iter_markers("parametrize") if "engine" in mark.args[0]]
        cases = getattr(item, "callspec", None)
        if cases and cases.params.get("engine") == "numpy" and not given:
            if item.function in seen:
                yield item
            seen.add(item.function)


def _all_but_the_first(items):
    """Yield, of the cases of a test, all but the first, or the first of each engine."""
    seen = set()
    for item in items:
        if not item.get_closest_marker("slow"):
            cases = getattr(item, "callspec", None)
            test = getattr(item, "function", item), cases and cases.params.get("engine")
            if test in seen:
                yield item
            seen.add(test)


@pytest.fixture(params=["numpy", "compiled"])
def engine(request, monkeypatch):
    """Have each engine compute in turn."""
    from lucid.roi.engines import selection

    if request.param == "compiled" and selection.why_not_compiled():
        pytest.skip("there is no compiled engine here")
    monkeypatch.setattr(selection._Setting, "name", request.param)
    return request.param


@pytest.fixture
def tuned(monkeypatch):
    """Return what changes some of the numbers that decide how a run is cut, for this test."""
    from lucid.stream import tuning

    def change(**numbers):
        monkeypatch.setattr(tuning, "current", tuning.current._replace(**numbers))

    return change


class Helper(threading.Thread):
    """A thread that does what a process of a run does: the same, but for its start and its end."""

    pid = os.getpid()

    def __init__(self, channel):
        from lucid.stream.run.worker import serve

        super().__init__(target=serve, args=[os.dup(channel)])
        self.start()

    def kill(self):
        """Nothing, as it ends by itself when its channel is closed."""

    wait = threading.Thread.join


@pytest.fixture
def helpers_are_threads(monkeypatch, tuned):
    """Start no processes for runs on several: each takes longer than most runs."""
    from lucid.stream.run import processes, worker

    tuned(look_seconds=1e6)
    monkeypatch.setattr(processes, "_started", Helper)
    monkeypatch.setattr(worker.signal, "signal", lambda number, handler: None)


@pytest.fixture
def rng():
    return np.random.default_rng(2017)


@pytest.fixture
def a5():
    """The 5 by 5 ramp of the published cases: 0 1 2 3 4 / 5 6 .. / .. 24."""
    return np.arange(25.0).reshape(1, 1, 5, 5)


@pytest.fixture(scope="session")
def written_files(tmp_path_factory):
    """Features and RoIs as people have them, in a folder that no test changes."""
    path = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(2017)
    features = rng.standard_normal((5, 6, 12, 17)).astype(np.float32)
    corner = rng.uniform(-40, 200, (60, 2))
    rois = np.c_[rng.integers(0, 5, 60), corner, corner + rng.uniform(0, 150, (60, 2))]
    np.save(path / "f.npy", features)
    np.save(path / "r.npy", rois)
    with h5py.File(path / "f.h5", "w") as file:
        file["features"] = features
        file["features"].attrs["spatial_scale"] = 1 / 16
        file["by_two"] = features[:, :2]
        options = {"chunks": (2, 3, 12, 17), "compression": "gzip"}
        file.create_dataset("deep/zipped", data=features, **options)
        file.create_dataset("channels", data=features, chunks=(5, 1, 4, 4))
    with h5py.File(path / "r.h5", "w") as file:
        file["rois"] = rois
    return SimpleNamespace(path=path, features=features, rois=rois)


@pytest.fixture
def files(tmp_path, monkeypatch, written_files):
    """A folder with features and RoIs of the test's own; it runs inside."""
    for file in written_files.path.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(
        path=tmp_path, features=written_files.features.copy(), rois=written_files.rois.copy()
    )
