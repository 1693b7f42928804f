"""Runs that are killed at random moments: the output is absent or complete, and nothing is lost."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command import RUN_OF_MANY, bytes_of, remove

import lucid

pytestmark = pytest.mark.kill


def journal_of(output):
    try:
        return output.with_name(f"{output.name}.part.journal").read_bytes()
    except FileNotFoundError:
        return None


def wait_at_random(rng, process, output):
    """Wait for some of the time that a start takes or, more often, until some rows are written."""
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0.1, 1))
        return
    before = journal_of(output)
    while process.poll() is None and journal_of(output) in {None, before}:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.4))


def kill_at_random(rng, kills, arguments, expected, number):
    """Start and kill runs until there were so many kills; between them check what is there."""
    output = Path(arguments[1])
    complete = False
    while kills > 0 or not complete:
        process = subprocess.Popen(
            [*RUN_OF_MANY, "--features", "f.h5", *arguments, "--resume"], stderr=subprocess.PIPE
        )
        if kills > 0:
            wait_at_random(rng, process, output)
            process.send_signal(number)
        stderr = process.communicate(timeout=600)[1].decode()
        kills -= process.returncode == -number
        assert process.returncode in {0, -number}, stderr
        complete = process.returncode == 0
        assert output.exists() or not complete
        if output.exists():
            assert bytes_of(output) == expected
            remove(output)
    assert not list(output.parent.glob(f"{output.name}*"))


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (["-o", "c.h5"], signal.SIGKILL),
        (["-o", "c.npy"], signal.SIGKILL),
        (["-o", "c.h5", "--compression", "lzf"], signal.SIGKILL),
        (["-o", "c.h5"], signal.SIGTERM),
        (["-o", "c.zarr", "--chunks", "100"], signal.SIGKILL),
        (["-o", "c.zarr", "--compression", "gzip"], signal.SIGKILL),
    ],
)
def test_killed_at_random_moments_the_output_is_absent_or_right(files, rng, arguments, number):
    corner = rng.uniform(-40, 260, (15_000, 2))
    images = rng.integers(0, 5, len(corner))
    np.save("many.npy", np.c_[images, corner, corner + rng.uniform(0, 150, (len(corner), 2))])
    options = {"compression": arguments[3]} if "--compression" in arguments else {}
    options |= {"chunks": 100} if "--chunks" in arguments else {}
    whole = Path("whole").with_suffix(Path(arguments[1]).suffix)
    lucid.extract("f.h5", "many.npy", whole, sampling_ratio=2, **options)
    kill_at_random(rng, 25, arguments, bytes_of(whole), number)
