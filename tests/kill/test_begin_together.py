"""Runs that begin at one moment on one output, and are killed anywhere: one writes it, or none.

Each round starts three processes at once. Before every call that opens, locks, writes, syncs,
renames or removes a file each of them waits for a random moment, so that their steps mix in ever
new ways, and at a random one of these some are killed.
"""

import fcntl
import os
import signal
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SinkError

pytestmark = [
    pytest.mark.kill,
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),  # pytest has threads
]

ROUNDS, TOGETHER = 200, 3
STEPS = [
    *((os, name) for name in ("open", "pwrite", "fsync", "fdatasync", "ftruncate")),
    *((Path, name) for name in ("unlink", "replace", "open", "stat")),
    (fcntl, "flock"),
]
WAYS = ({}, {"resume": True}, {"overwrite": True})
WROTE, REFUSED, WRONG = range(3)  # how a process ends


def made_to_stumble(function, rng, kill_at, steps):
    """Return a function that waits before it does what it did, or that kills the process."""

    def stumbling(*arguments, **more):
        steps.append(function)
        if len(steps) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if rng.random() < 0.3:
            time.sleep(rng.random() / 200)
        return function(*arguments, **more)

    return stumbling


def run_in_a_process(seed, begin, start, output, options):
    """Start a process that extracts as soon as the pipe `start` is closed; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        os.close(start)
        rng = np.random.default_rng(seed)
        kill_at = int(rng.integers(1, 200)) if rng.random() < 0.5 else 0
        steps = []
        for place, name in STEPS:
            setattr(place, name, made_to_stumble(getattr(place, name), rng, kill_at, steps))
        os.read(begin, 1)
        lucid.extract("f.npy", "r.npy", output, jobs=1, **options)
    except BaseException as error:
        if isinstance(error, SinkError) and any(reason in str(error) for reason in REASONS):
            os._exit(REFUSED)
        os.write(2, traceback.format_exc().encode())
        os._exit(WRONG)
    os._exit(WROTE)


REASONS = ("is in use", "changed since this run was planned", "exists; pass", "is unfinished")


def run_together(rng, output, options):
    """Run processes at once; return how they ended."""
    begin, start = os.pipe()
    children = []
    for _ in range(TOGETHER):
        way = WAYS[rng.integers(len(WAYS))]
        seed = int(rng.integers(2**32))
        children.append(run_in_a_process(seed, begin, start, output, options | way))
    os.close(start)
    os.close(begin)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


@pytest.mark.parametrize(
    ("output", "options"),
    [("c.npy", {}), ("c.h5", {}), ("c.h5", {"compression": "gzip"})],
    ids=["npy", "hdf5", "packed"],
)
def test_of_runs_that_begin_at_once_the_output_is_absent_or_right(
    files, rng, tuned, output, options
):
    tuned(crops_bytes=8000, mark_seconds=0)
    lucid.extract("f.npy", "r.npy", f"whole{output}", **options)
    expected = Path(f"whole{output}").read_bytes()
    wrote = 0
    for number in range(ROUNDS // 3 + 1):
        ends = run_together(rng, output, options)
        assert set(ends) <= {WROTE, REFUSED, -signal.SIGKILL}, (number, ends)
        wrote += ends.count(WROTE)
        if Path(output).exists():
            assert Path(output).read_bytes() == expected, number
        elif number % 2:  # nothing that is left stops later runs
            lucid.extract("f.npy", "r.npy", output, resume=True, **options)
            assert Path(output).read_bytes() == expected, number
        if number % 2:
            lucid.extract("f.npy", "r.npy", output, overwrite=True, **options)
            assert Path(output).read_bytes() == expected, number
            assert [path.name for path in files.path.glob("c.*")] == [output], number
            Path(output).unlink()
    assert wrote > ROUNDS // 12
