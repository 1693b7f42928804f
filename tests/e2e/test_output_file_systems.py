"""File systems that cannot do all that others can: runs do without, and say so if it matters."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from command import PATIENCE, RUN, but_for_frames
from preload import compiled

import lucid

EXTRACT = [
    *RUN,
    "extract", "--features", "f.npy", "--rois", "r.npy", "-q", "--jobs", "1",
    "--spatial-scale", "0.0625",
]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("preload"))


@pytest.fixture
def run_on(files, library):
    """Return what runs the command on a file system that answers some calls with an error."""

    def run(*arguments, **answers):
        answers = {name: str(number) for name, number in answers.items()}
        done = subprocess.run(
            [*EXTRACT, *arguments], env=os.environ | {"LD_PRELOAD": str(library)} | answers,
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
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
