"""File systems that cannot do all that others can: runs do without, and say so if it matters."""

import errno
import fcntl
import os
import stat
from pathlib import Path

import command
import pytest
from command import but_for_frames
from preload import answering

import lucid

EXTRACT = [
    "extract", "--features", "f.npy", "--rois", "r.npy", "-q", "--jobs", "1",
    "--spatial-scale", "0.0625",
]  # fmt: skip


class Answers:
    """What is answered in the place of calls that the library makes itself, see preload.py."""

    def __init__(self, FLOCK=0, FLOCK_READ_ONLY=0, FSYNC_FOLDER=0):
        self.flock_fails, self.read_only_fails = FLOCK, FLOCK_READ_ONLY
        self.folder_fails = FSYNC_FOLDER
        self.real_flock = fcntl.flock

    def flock(self, file, how):
        reads = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        fail(self.flock_fails or (reads and how & fcntl.LOCK_EX and self.read_only_fails))
        self.real_flock(file, how)

    def fsync(self, file):
        fail(stat.S_ISDIR(os.fstat(file).st_mode) and self.folder_fails)


def fail(number):
    if number:
        raise OSError(number, os.strerror(number))


@pytest.fixture(params=["here", pytest.param("preloaded", marks=pytest.mark.slow)])
def run_on(files, monkeypatch, request):
    """Return what runs the command on a file system that answers some calls with an error."""

    def here(*arguments, **numbers):
        answers = Answers(**numbers)
        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "flock", answers.flock)
            patch.setattr(os, "fsync", answers.fsync)
            return command.run_here(*EXTRACT, *arguments, text=True)

    def preloaded(*arguments, **numbers):
        return command.run(*EXTRACT, *arguments, env=answering(**numbers), text=True)

    def run(*arguments, **numbers):
        done = {"here": here, "preloaded": preloaded}[request.param](*arguments, **numbers)
        done.stderr = but_for_frames(done.stderr)
        return done

    return run


@pytest.mark.parametrize("way", ["--resume", "--overwrite"])
def test_a_journal_is_locked_as_network_file_systems_want_it(files, run_on, tuned, way):
    """NFS locks a file for one alone only through what is open for writing."""
    tuned(crops_bytes=4000)

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract("f.npy", "r.npy", "c.npy", spatial_scale=1 / 16, on_progress=stop)
    done = run_on("-o", "c.npy", way, FLOCK_READ_ONLY=errno.EBADF)
    assert (done.returncode, done.stderr) == (0, "")
    lucid.extract("f.npy", "r.npy", "whole.npy", spatial_scale=1 / 16)
    assert Path("c.npy").read_bytes() == Path("whole.npy").read_bytes()


def test_journals_of_shards_are_locked_as_network_file_systems_want_it(files, run_on):
    for shard in ("1/2", "2/2"):
        done = run_on("-o", "c.npy", "--shard", shard, FLOCK_READ_ONLY=errno.EBADF)
        assert (done.returncode, done.stderr) == (0, "")
    lucid.extract("f.npy", "r.npy", "whole.npy", spatial_scale=1 / 16)
    assert Path("c.npy").read_bytes() == Path("whole.npy").read_bytes()


@pytest.mark.filterwarnings("always:the file system of .* has no locks")
@pytest.mark.parametrize(
    ("output", "number"),
    [("c.npy", errno.ENOSYS), ("c.h5", errno.ENOLCK), ("c.npy", errno.EOPNOTSUPP)],
)
def test_without_locks_a_run_goes_on_and_says_so_in_one_line(files, run_on, output, number):
    done = run_on("-o", output, "--resume", FLOCK=number)
    folder = files.path.resolve()
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        f"Warning: the file system of {folder} has no locks: "
        "nothing keeps two runs from writing one output at once\n"
    )
    lucid.extract("f.npy", "r.npy", f"whole{output}", spatial_scale=1 / 16)
    assert Path(output).read_bytes() == Path(f"whole{output}").read_bytes()
    assert [path.name for path in files.path.glob("c.*")] == [output]


def test_without_locks_an_unfinished_run_is_gone_on_with_and_a_library_warns(
    files, tuned, monkeypatch
):
    from lucid.stream.write import disk

    def flock(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    tuned(crops_bytes=4000)
    monkeypatch.setattr(disk.fcntl, "flock", flock)

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="has no locks"), pytest.raises(KeyboardInterrupt):
        lucid.extract("f.npy", "r.npy", "c.npy", on_progress=stop)
    with pytest.warns(UserWarning, match="has no locks"):
        assert lucid.extract("f.npy", "r.npy", "c.npy", resume=True).resumed >= 30


@pytest.mark.parametrize(
    ("output", "number"), [("c.npy", errno.EINVAL), ("c.h5", errno.EOPNOTSUPP)]
)
def test_names_are_not_synced_where_that_is_refused(files, run_on, output, number):
    done = run_on("-o", output, FSYNC_FOLDER=number)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(output).exists()


def test_a_folder_that_cannot_be_synced_for_another_reason_ends_the_run(files, run_on):
    done = run_on("-o", "c.npy", FSYNC_FOLDER=errno.EIO)
    assert done.returncode == 1
    assert done.stderr == "Error: c.npy cannot be written: Input/output error\n"
