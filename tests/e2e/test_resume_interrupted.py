"""Full disks, inputs that vanish, and signals: what is said, and what is kept."""

import errno
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command import PATIENCE, RUN_OF_MANY, but_for_frames
from resumed import (
    OUTPUTS,
    SLOW,
    bytes_of_an_undisturbed_run,
    small_batches,  # noqa: F401 - of every test here
)

import lucid
from lucid import SinkError
from lucid.stream.write import unfinished


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
