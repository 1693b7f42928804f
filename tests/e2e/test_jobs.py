"""A run on several processes: the same bytes, the same errors, and nothing lost."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from command import PATIENCE, run_here

import lucid
from lucid import MemoryLimitError, SinkError, SourceError
from lucid.stream import tuning
from lucid.stream.plan import plan
from lucid.stream.plan.partition import cuts
from lucid.stream.read.rois import RoiSource

COMMAND = [str(Path(sys.executable).parent / "lucid-roialign"), "extract"]


def run(output, jobs, features="f.h5", rois="r.npy", **options):
    lucid.extract(features, rois, output, spatial_scale=1 / 16, jobs=jobs, overwrite=True,
                  **options)  # fmt: skip
    return Path(output).read_bytes()


@pytest.mark.parametrize("jobs", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_any_number_of_processes_gives_the_same_bytes(files, jobs):
    """The contract says so of other files."""
    assert run("c.npy", jobs, "f.h5::channels") == run("c.npy", 1, "f.h5::channels")


@pytest.mark.usefixtures("helpers_are_threads")
def test_the_rois_of_one_image_are_shared_and_invalid_rows_are_zeros(files, rng):
    rois = np.concatenate([files.rois] * 20)
    rois[:, 0] = 3
    rois[[5, 700], 1:3] = np.nan
    np.save("one.npy", rois)
    one = run("c.npy", 1, rois="one.npy", invalid="zero")
    told = []
    assert run("c.npy", 3, rois="one.npy", invalid="zero", on_progress=told.append) == one
    assert told == sorted(told)
    assert told[-1] == len(rois)
    assert not np.load("c.npy")[[5, 700]].any()


def plan_of(counts, jobs, images=1, row_bytes=1):
    survey, job = (
        SimpleNamespace(counts=np.array(counts, int)),
        SimpleNamespace(row_bytes=row_bytes),
    )
    return SimpleNamespace(survey=survey, job=job, jobs=jobs, images=images)


@pytest.mark.parametrize("images", [1, 4])
@pytest.mark.parametrize("jobs", [2, 3, 8])
def test_tasks_cover_every_roi_once_and_leave_chunks_whole(rng, jobs, images):
    for counts in ([], [0, 0], [5], [10**6], [0, 3, 10**5, 0, 7], rng.poisson(3, 1000)):
        done = np.zeros(len(counts))
        for images_of, part, parts in cuts(plan_of(counts, jobs, images)):
            assert 0 <= part < parts
            done[images_of.start : images_of.stop] += 1 / parts
            assert images_of.start % images == 0 or not np.any(counts[: images_of.start])
        np.testing.assert_allclose(done[np.array(counts, int) > 0], 1)


def test_a_task_has_a_bounded_size(rng, tuned):
    tuned(task_bytes=1 << 20)
    counts = np.r_[rng.integers(0, 100, 500), 5000]
    for images, _, parts in cuts(plan_of(counts, 1, row_bytes=1 << 12)):
        assert counts[images.start : images.stop].sum() <= 256 * parts


def test_a_process_that_meets_an_error_says_it_and_nothing_is_left(files):
    with h5py.File("f.h5", "a") as file:
        place = file["deep/zipped"].id.get_chunk_info(1)
    with open("f.h5", "r+b") as stream:
        stream.seek(place.byte_offset)
        stream.write(b"\xff" * place.size)
    with pytest.raises(SourceError, match=r"f\.h5::deep/zipped cannot be read"):
        run("c.npy", 2, "f.h5::deep/zipped")
    assert not Path("c.npy").exists()


def test_memory_is_that_of_all_processes_together(files):
    with pytest.raises(MemoryLimitError, match=r"at least \d+M for this job on 3 processes"):
        run("c.npy", 3, memory="60M")
    assert lucid.extract("f.npy", "r.npy", "c.npy", dry_run=True).jobs == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rois", "r.npy", "--jobs", "0"], "jobs must be at least 1, got 0"),
        (["--rois", "r.npy", "--jobs", "some"], "jobs must be a whole number or 'auto', got some"),
        (["--rois", "-", "--jobs", "2"], "pipes and maps in memory use one process; drop --jobs"),
    ],
)
def test_usage_errors(files, arguments, message):
    done = run_here("extract", "--features", "f.h5", *arguments, text=True)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.fixture
def long_run(tmp_path, rng, monkeypatch):
    """A run of a few seconds, and the bytes that it ends in."""
    monkeypatch.chdir(tmp_path)
    np.save("f.npy", rng.standard_normal((40, 4, 32, 32), np.float32))
    corner = rng.uniform(0, 16, (12_000, 2))
    np.save("r.npy", np.c_[rng.integers(0, 40, 12_000), corner, corner + 12].astype(np.float32))
    lucid.extract("f.npy", "r.npy", "whole.npy", jobs=1, sampling_ratio=24)
    return [*COMMAND, "--features", "f.npy", "--rois", "r.npy", "--sampling-ratio", "24",
            "--jobs", "2", "-q", "-o", "c.npy"]  # fmt: skip


def begun(command):
    """Start a run and wait until its processes are at work: both have opened the features."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while sum(map(has_features, children(process))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    return process


def has_features(pid):
    try:
        return "f.npy" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def children(process):
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in listed]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def finish(command):
    subprocess.run([*command, "--resume"], check=True)
    assert Path("c.npy").read_bytes() == Path("whole.npy").read_bytes()
    assert not list(Path().glob("c.npy.*"))


@pytest.mark.kill
def test_a_process_that_is_killed_ends_the_run_which_can_be_resumed(long_run):
    process = begun(long_run)
    os.kill(children(process)[0], signal.SIGKILL)
    _, message = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "a process of the run was ended (SIGKILL); --resume finishes it" in message
    assert "Traceback" not in message
    finish(long_run)


@pytest.mark.kill
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_run_that_is_ended_and_it_can_be_resumed(long_run, number):
    process = begun(long_run)
    helpers = children(process)
    assert len(helpers) == 2
    process.send_signal(number)
    _, message = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert "Traceback" not in message
    deadline = time.monotonic() + PATIENCE
    while any(map(is_running, helpers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    finish(long_run)


def test_what_a_process_raises_arrives_as_it_is():
    """The errors of the library can be sent from process to process."""
    import pickle

    for error in (SinkError("no room"), SourceError("no file"), MemoryLimitError("too little")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert type(error).__new__(type(error)).args == ()  # as dask makes them anew


@pytest.mark.parametrize(("features", "jobs"), [("f.h5", 1), ("f.h5::deep/zipped", 3)])
def test_auto_starts_processes_from_less_on_if_maps_are_packed(
    files, monkeypatch, tuned, features, jobs
):
    monkeypatch.setattr(plan, "cores", lambda: 3)
    tuned(parallel_packed_bytes=1)
    assert lucid.extract(features, "r.npy", "c.npy", dry_run=True).jobs == jobs
    tuned(parallel_bytes=1)
    assert lucid.extract(features, "r.npy", "c.npy", dry_run=True).jobs == 3


@pytest.mark.usefixtures("helpers_are_threads")
def test_an_image_is_shared_by_more_processes_than_its_last_piece_has_rois(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    count = tuning.current.slice_rows + 1
    np.save("f.npy", np.ones((1, 2, 32, 32), np.float32))
    np.save("r.npy", np.tile(np.array([0, 3, 4, 8, 9], np.float32), (count, 1)))
    lucid.extract("f.npy", "r.npy", "c.npy", output_size=2, jobs=2)
    np.testing.assert_array_equal(np.load("c.npy"), np.ones((count, 2, 2, 2), np.float32))


SITE = """
import sys
if sys.argv[0] == "-c":  # in a process that works for another
    {}
"""


@pytest.fixture
def at_start(files, monkeypatch):
    """Return what puts a line of Python into the start of each process that works for another."""
    Path("site").mkdir()
    monkeypatch.setenv("PYTHONPATH", "site")
    return lambda line: Path("site/sitecustomize.py").write_text(SITE.format(line))


@pytest.mark.slow
def test_what_processes_print_or_read_is_not_the_word_of_the_run(at_start, capfd):
    at_start("sys.stdin.read(), print('hello'), sys.stdout.write('I')")
    run("c.npy", 2)
    out, err = capfd.readouterr()
    assert "hello" not in out
    assert "hello" in err


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_processes_need_no_standard_streams(at_start, closed):
    at_start("print('hello', flush=True)")
    expected = run("whole.npy", 1, "f.npy")
    command = " ".join([*COMMAND, "--features f.npy --rois r.npy -o c.npy --jobs 2",
                        "--spatial-scale 0.0625", closed])  # fmt: skip
    done = subprocess.run(command, shell=True, timeout=PATIENCE)
    assert done.returncode == 0
    assert Path("c.npy").read_bytes() == expected


@pytest.mark.slow
def test_a_path_that_is_no_text_does_not_stop_processes(files, monkeypatch):
    monkeypatch.syspath_prepend(Path())
    sys.path.insert(0, Path())  # Python skips it
    run("c.npy", 2)


@pytest.mark.slow
def test_ctrl_c_while_processes_start_prints_nothing_of_theirs(at_start):
    at_start("import pathlib, time; pathlib.Path('starting').touch(); time.sleep(60)")
    process = subprocess.Popen(
        [*COMMAND, "--features", "f.npy", "--rois", "r.npy", "-o", "c.npy", "--jobs", "2"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not Path("starting").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, message = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in message


@pytest.mark.slow
def test_a_process_that_is_stopped_ends_the_run(files, tuned):
    tuned(look_seconds=0.05, crops_bytes=1)

    def stop(rows_done):
        if rows_done:
            me = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
            os.kill(int(me[0]), signal.SIGSTOP)

    with pytest.raises(SinkError, match=r"process \d+ of the run was stopped \(SIGSTOP\)"):
        lucid.extract("f.npy", "r.npy", "c.npy", jobs=2, on_progress=stop)


@pytest.mark.slow
def test_processes_that_are_silent_for_long_are_named_and_waited_for(at_start, tuned):
    at_start("import time; time.sleep(0.5)")
    tuned(look_seconds=0.05)
    with pytest.warns(UserWarning, match=r"no process of the run has answered .* at work are \d+"):
        run("c.npy", 2, patience=0.1)


def test_a_process_that_cannot_be_started_is_an_error_that_says_so(files, monkeypatch):
    def refuse(*arguments, **options):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(SinkError, match="no process can be started .* unavailable; pass jobs=1"):
        lucid.extract("f.npy", "r.npy", "c.npy", jobs=2)
    assert not list(Path().glob("c.npy*"))


@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.parametrize(("jobs", "output"), [(1, "c.npy"), (2, "c.npy"), (1, "-")])
def test_a_shuffled_table_is_read_three_times_however_many_maps_it_is_of(
    tmp_path, monkeypatch, rng, tuned, jobs, output
):
    """To survey it, to find the largest box perhaps, and to put its RoIs together once."""
    monkeypatch.chdir(tmp_path)
    features, rois = rng.standard_normal((200, 1, 4, 4)), np.zeros((4000, 5))
    rois[:, 0], rois[:, 3:] = rng.integers(0, 200, 4000), 2
    rois[[7, 70], 1] = np.nan
    np.save("f.npy", features)
    options = {"output_size": 1, "memory": "128M", "invalid": "zero"}
    lucid.extract("f.npy", rois, "whole.npy", **options, jobs=1)
    tuned(slice_rows=100, selected_row_bytes=1 << 16)
    read, examined = [], RoiSource.examined

    def counted(source, start, stop, images):
        read.append(stop - start)
        return examined(source, start, stop, images)

    monkeypatch.setattr(RoiSource, "examined", counted)
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream))
    lucid.extract("f.npy", rois, output, **options, jobs=jobs)
    assert sum(read) <= 3 * len(rois)
    crops = stream.getvalue() if output == "-" else Path(output).read_bytes()
    assert crops == Path("whole.npy").read_bytes()
    assert not list(Path().glob("c.npy.*"))
