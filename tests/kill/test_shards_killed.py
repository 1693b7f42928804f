"""Shards as processes: at once, and killed; the same bytes in the end."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command import PATIENCE, RUN_OF_MANY

import lucid

pytestmark = pytest.mark.kill
OUTPUTS = [("c.npy", []), ("c.h5", []), ("c.h5", ["--compression", "gzip", "--checksum"])]


@pytest.fixture
def whole(files, rng):
    corner = rng.uniform(-40, 260, (15_000, 2))
    images = rng.integers(0, 5, len(corner))
    np.save("many.npy", np.c_[images, corner, corner + rng.uniform(0, 150, (len(corner), 2))])

    def of(output, more):
        options = {"compression": "gzip", "checksum": True} if more else {}
        lucid.extract("f.h5", "many.npy", "whole" + output, sampling_ratio=2, **options)
        return Path("whole" + output).read_bytes()

    return of


def started(output, more, number, shards):
    return subprocess.Popen(
        [*RUN_OF_MANY, "--features", "f.h5", "-o", output, *more, "--shard", f"{number}/{shards}"],
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    print(process.communicate(timeout=PATIENCE)[1])
    return process.returncode


@pytest.mark.parametrize(("output", "more"), OUTPUTS)
def test_of_four_shards_one_is_killed_and_run_again(whole, output, more):
    expected = whole(output, more)
    shards = [started(output, more, number, 4) for number in (1, 2, 3, 4)]
    journal = Path(f"{output}.part.3-of-4.journal")
    until = time.monotonic() + PATIENCE
    while not (journal.exists() and any(journal.read_bytes()[-3750:])) and shards[2].poll() is None:
        assert time.monotonic() < until
        time.sleep(0.005)
    shards[2].send_signal(signal.SIGKILL)
    codes = [ended(shard) for shard in shards]
    assert codes in ([0, 0, -signal.SIGKILL, 0], [0, 0, 0, 0])
    if codes[2]:
        assert not Path(output).exists()
        assert ended(started(output, more, 3, 4)) == 0
    assert Path(output).read_bytes() == expected
    assert [path.name for path in Path().glob(f"{output}*")] == [output]


@pytest.mark.parametrize(("output", "more"), OUTPUTS)
def test_seven_shards_at_once_five_times(whole, output, more):
    expected = whole(output, more)
    for _ in range(5):
        shards = [started(output, more, number, 7) for number in range(1, 8)]
        assert [ended(shard) for shard in shards] == [0] * 7
        assert Path(output).read_bytes() == expected
        assert [path.name for path in Path().glob(f"{output}*")] == [output]
        Path(output).unlink()
