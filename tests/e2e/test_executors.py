"""Runs on executors: the same bytes, whatever an executor does with its calls."""

import os
import pickle
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run

import lucid
from lucid import SinkError, SourceError
from lucid.stream.run import task as run_task
from lucid.stream.write.sinks import PlacedRows


def extract(output="c.npy", features="f.npy", rois="r.npy", **options):
    lucid.extract(features, rois, output, spatial_scale=1 / 16, **options)
    return bytes_of(Path(output))


def bytes_of(path):
    files = {each.name: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    return files or path.read_bytes()


@pytest.fixture
def expected(files, tuned):
    """Return the bytes of a run without executor; runs on executors have some ten tasks."""
    tuned(task_bytes=8000)
    return lambda *arguments, **options: extract("whole" + arguments[0], *arguments[1:], **options)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads


class AtOnce(Executor):
    """Does each call when it is submitted, or what the test does in its place."""

    def __init__(self, call=lambda call, setup, task: call(setup, task)):
        self.call, self.calls = call, []

    def submit(self, call, /, *arguments):
        self.calls.append((call, arguments))
        future = Future()
        try:
            future.set_result(self.call(call, *arguments))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("c.npy", {}),
        ("c.h5", {}),
        ("c.h5", {"compression": "gzip", "checksum": True}),
        ("c.zarr", {"chunks": 7}),
    ],
)
def test_threads_give_the_same_bytes_and_progress_counts_rows_once(
    files, expected, pool, output, options
):
    told = []
    whole = expected(output, **options)
    assert extract(output, executor=pool, on_progress=told.append, **options) == whole
    assert told == sorted(set(told))
    assert told[-1] == 60
    assert sorted(path.name for path in Path().glob("*c.*")) == [output, "whole" + output]


def test_boxes_may_be_in_memory_and_shuffled_and_of_one_image(files, expected, pool, rng):
    rois = np.concatenate([files.rois] * 4)
    rois[:, 0] = rng.integers(0, 5, len(rois))
    assert extract(rois=rois, executor=pool) == expected("c.npy", rois=rois)
    rois[:, 0] = 3
    assert extract(rois=rois, executor=pool, overwrite=True) == expected(
        "c.npy", rois=rois, overwrite=True
    )


@pytest.mark.parametrize("output", ["c.npy", "c.h5", "c.zarr"])
def test_tasks_on_sorted_rois_part_at_pages_of_the_output(files, tuned, rng, output):
    """Rows are of 1024 bytes; nine of them were invalid, and some are done already."""
    tuned(task_bytes=30 << 10)
    features = rng.standard_normal((5, 64, 6, 6), np.float32)
    rois = np.tile(np.float32([0, 0, 0, 60, 60]), (300, 1))
    rois[:, 0] = np.sort(rng.integers(0, 5, 300))
    rois[20:29, 1] = np.nan
    np.save("g.npy", features)
    options = {"features": "g.npy", "rois": rois, "invalid": "zero", "output_size": 2}
    options |= {"chunks": 16} if output.endswith("zarr") else {}
    whole = extract("whole" + output, **options)
    firsts, rows = [], []

    def noted(call, setup, task):
        own = np.concatenate(list(setup.rois.rows(task)))
        at = setup.place.begin + own[0] * 1024
        firsts.append(
            own[0] % 16 if setup.place.chunk_rows else at % 4096 - setup.place.begin % 1024
        )
        rows.extend(own.tolist())
        return call(setup, task)

    assert extract(output, executor=AtOnce(noted), jobs=1, **options) == whole
    assert rows == [*range(20), *range(29, 300)]
    assert len(firsts) > 8
    assert not any(firsts[1:])


class Capricious(Executor):
    """Does each call twice, in any order, from time to time of no use; answers as it likes.

    It loses the answer to every fifth task, and one of its workers stalls.
    """

    def __init__(self, rng):
        self.rng, self.waiting, self.sent, self.late = rng, [], 0, []

    def submit(self, call, /, *arguments):
        future = Future()
        self.sent += 1
        self.waiting.append((self.sent, future, call, arguments))
        if len(self.waiting) == 5 or self.sent > 10:
            threading.Thread(target=self.work).start()
        return future

    def work(self):
        waiting, self.waiting = self.waiting, []
        self.rng.shuffle(waiting)
        for number, future, call, arguments in waiting:
            if number == 7:  # a worker that stalls: it does its task after the run
                self.late.append((call, arguments))
                continue
            call(*arguments)
            answer = call(*arguments)
            self.late.append((call, arguments))
            if number % 5 and future.set_running_or_notify_cancel():
                future.set_result(answer)


def test_whatever_an_executor_does_the_bytes_are_the_same(files, expected, rng):
    whole = expected("c.npy")
    capricious = Capricious(rng)
    told = []
    with pytest.warns(UserWarning, match="no worker has answered for .* are sent once more"):
        found = extract(executor=capricious, patience=0.2, jobs=3, on_progress=told.append)
    assert found == whole
    assert told == sorted(set(told))
    assert capricious.sent > 12
    before = Path("c.npy").stat()
    for call, arguments in capricious.late:
        with pytest.raises(SinkError):
            call(*arguments)
    assert Path("c.npy").read_bytes() == whole
    assert Path("c.npy").stat().st_mtime_ns == before.st_mtime_ns
    assert not list(Path().glob("c.npy.*"))


def interrupt(rows_done):
    if rows_done > 20:
        raise KeyboardInterrupt


def aborted(**options):
    """Return the calls of a run that was aborted when it had some of its rows."""
    executor = AtOnce()
    with pytest.raises(KeyboardInterrupt):
        extract(executor=executor, jobs=1, on_progress=interrupt, **options)
    return executor.calls


def test_late_tasks_of_an_aborted_run_write_nothing_into_the_next_one(files, expected):
    """The next run is of other features, so that any row of the run before would be wrong."""
    late = aborted()
    np.save("g.npy", files.features + 1)
    whole = expected("c.npy", "g.npy")
    refused = []

    def between(rows_done):
        for call, arguments in late:
            with pytest.raises(SinkError, match="the run that this task is of has ended"):
                call(*arguments)
            refused.append(rows_done)

    assert extract(features="g.npy", overwrite=True, on_progress=between) == whole
    assert len(set(refused)) > 1


def test_a_task_that_was_begun_before_its_run_was_aborted_writes_nothing_more(files, expected):
    """It has the file of that run open when another one lays out its own."""
    expected("c.npy")
    np.save("g.npy", files.features + 1)
    other = expected("c.npy", "g.npy", overwrite=True)
    late = []

    def begun(call, setup, task):
        if not late:
            file = PlacedRows(setup.place)
            file.require_run()
            late.append((file, setup.place))
        return call(setup, task)

    with pytest.raises(KeyboardInterrupt):
        extract(executor=AtOnce(begun), on_progress=interrupt)
    ((file, _),) = late
    rows = [np.arange(3), np.ones((3, 6, 7, 7), np.float32)]
    with file:
        with pytest.raises(SinkError, match="has ended"):
            file.write(*rows)
        assert extract(features="g.npy", overwrite=True) == other
        with pytest.raises(SinkError, match="has ended"):
            file.write(*rows)
    assert Path("c.npy").read_bytes() == other


def test_calls_that_cannot_be_called_off_are_no_error(files, expected, monkeypatch):
    def refuse(future):
        raise NotImplementedError("Cancel not implemented")

    whole = expected("c.npy")
    monkeypatch.setattr(Future, "cancel", refuse)
    assert extract(executor=AtOnce()) == whole
    aborted(overwrite=True)


def test_a_resumed_run_goes_on_and_refuses_tasks_of_the_run_before(files, expected, pool):
    whole = expected("c.npy")
    late = aborted()
    told = []
    assert extract(executor=pool, resume=True, on_progress=told.append) == whole
    assert told[0] > 20
    for call, arguments in late:
        with pytest.raises(SinkError):
            call(*arguments)


def test_an_engine_that_answers_equal_calls_from_a_cache_is_never_asked_one_twice(files, expected):
    """The run before was the same, and all of its rows are gone."""
    answers = {}

    def cached(call, setup, task):
        key = pickle.dumps((setup, task))
        if key not in answers:
            answers[key] = call(setup, task)
        return answers[key]

    whole = expected("c.npy")
    for _ in range(2):
        assert extract(executor=AtOnce(cached), overwrite=True) == whole


def test_rows_are_on_the_disk_before_a_task_answers(files, expected, monkeypatch):
    expected("c.npy")
    events = []
    monkeypatch.setattr(os, "fdatasync", lambda file: events.append(os.fstat(file).st_ino))
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: (
        events.append("w" if os.readlink(f"/proc/self/fd/{file}").endswith(".part") else "-"),
        pwrite(file, data, at))[1])  # fmt: skip

    def watched(call, setup, task):
        events.clear()
        answer = call(setup, task)
        assert events.count("w") > 0
        assert events[-1] == os.stat(setup.place.path).st_ino
        return answer

    executor = AtOnce(watched)
    extract(executor=executor)
    assert len(executor.calls) > 4


def test_a_broken_executor_ends_in_one_line_that_says_how_to_go_on(files, expected, pool):
    whole = expected("c.npy")

    def breaks(call, setup, task):
        if task.number == 5:
            raise BrokenProcessPool("a worker\nis gone")
        return call(setup, task)

    with pytest.raises(SinkError, match="resume=True finishes the run") as caught:
        extract(executor=AtOnce(breaks), jobs=1)
    assert isinstance(caught.value.__cause__, BrokenProcessPool)
    assert "BrokenProcessPool: a worker is gone" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert extract(executor=pool, resume=True) == whole
    pool.submit(int).result()  # it is not shut down
    pool.shutdown()
    with pytest.raises(SinkError, match="cannot schedule new futures after shutdown") as caught:
        extract(executor=pool, overwrite=True)


def changed(call, setup, task):
    if task.number == 1:
        os.utime("f.npy", ns=(0, 0))
        run_task.kept.close(setup.run.number)
    return call(setup, task)


def other_version(call, setup, task):
    maker = setup.maker._replace(version="0")
    run_task.kept.close(setup.run.number)
    return call(replace(setup, maker=maker), task)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (changed, SourceError, "f.npy on .* differs by its time from what the run was planned"),
        (other_version, SinkError, "has lucid-roialign .* planned with 0 .* must have the same"),
    ],
)
def test_a_worker_that_sees_other_files_or_another_version_is_refused(
    files, expected, call, kind, message
):
    expected("c.npy")
    with pytest.raises(kind, match=message):
        extract(executor=AtOnce(call))


def test_what_cannot_be_shared_or_is_no_executor_is_refused(files):
    with pytest.raises(ValueError, match="workers elsewhere need files: features and"):
        extract(features=files.features, executor=AtOnce())
    with pytest.raises(TypeError, match="executor must be a concurrent.futures.Executor, got 3"):
        extract(executor=3)
    with pytest.raises(ValueError, match="patience must be a number of seconds > 0, got 0"):
        extract(patience=0)


def test_workers_and_memory_are_what_is_said_and_maps_are_closed(files, pool):
    options = {"executor": pool, "memory": "100M", "spatial_scale": 1 / 16}
    report = lucid.extract("f.h5", "r.npy", "c.h5", **options)
    assert (report.jobs, report.memory) == (2, 100 << 20)
    assert lucid.extract("f.h5", "r.npy", "d.h5", jobs=7, **options).jobs == 7
    with h5py.File("f.h5", "w"):  # which HDF5 refuses while the process has it open
        pass


@pytest.mark.parametrize(
    ("images", "count", "most"),
    [(100, 5000, 8 << 10), pytest.param(10**5, 10**6, 64 << 10, marks=pytest.mark.slow)],
)
def test_tasks_are_small_however_many_rois_and_maps(
    tmp_path, monkeypatch, rng, images, count, most
):
    monkeypatch.chdir(tmp_path)
    np.save("f.npy", np.zeros((images, 1, 1, 1), np.float16))
    rois = np.zeros((count, 5), np.float32)
    rois[:, 0] = rng.integers(0, images, count)
    sizes = []

    def measured(call, setup, task):
        sizes.append(len(pickle.dumps((call, setup, task))))
        raise BrokenProcessPool

    with pytest.raises(SinkError):
        lucid.extract("f.npy", rois, "c.npy", output_size=1, executor=AtOnce(measured), jobs=64)
    assert max(sizes) < most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheduler", "kind", "message"),
    [
        ("somewhere", ValueError, "scheduler must be tcp://HOST:PORT, FILE.json or local, got som"),
        ("none.json", SinkError, "none.json is no scheduler that answers: there is no such file"),
    ],
)
def test_where_there_is_no_scheduler(files, scheduler, kind, message):
    pytest.importorskip("distributed")
    with pytest.raises(kind, match=message):
        extract(scheduler=scheduler)


def test_without_dask_the_error_says_what_to_install(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="scheduler needs dask: pip install 'lucid-roia"):
        extract(scheduler="local")
    with pytest.raises(ValueError, match="executor and scheduler contradict each other"):
        extract(scheduler="local", executor=AtOnce())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of distributed
def test_the_command_runs_on_a_scheduler_of_dask(files, expected):
    pytest.importorskip("distributed")
    whole = expected("c.h5")
    command = ["extract", "--features", "f.npy", "--rois", "r.npy", "--spatial-scale", "0.0625"]
    done = run(*command, "-o", "c.h5", "--scheduler", "local", "--jobs", "2", text=True)
    assert done.returncode == 0, done.stderr
    assert bytes_of(Path("c.h5")) == whole
