"""Runs that tests interrupt, to go on with them."""

from pathlib import Path

import pytest

import lucid
from lucid.stream.write import disk, journal_file

OUTPUTS = [
    ("c.h5", {}),
    ("c.npy", {}),
    ("c.h5", {"compression": "gzip"}),
    ("c.h5", {"chunks": 7, "checksum": True}),
]

SLOW = pytest.mark.slow


def restart(monkeypatch, name="another start"):
    """Let the machine have been started once more."""
    Path("boot_id").write_text(name)
    monkeypatch.setattr(journal_file, "BOOT_ID", Path("boot_id"))


class Stopped(Exception):
    """What ends a run in these tests."""


def leave_after(rows, output="c.h5", **options):
    """Run and stop as soon as so many rows are done."""

    def stop(rows_done):
        if rows_done >= rows:
            raise Stopped

    with pytest.raises(Stopped):
        lucid.extract("f.h5", "r.npy", output, on_progress=stop, **options)


@pytest.fixture(autouse=True)
def small_batches(tuned, monkeypatch):
    """Let a run of sixty rows have many batches, and nobody wait for a lock that is not let go."""
    tuned(crops_bytes=4000)
    monkeypatch.setattr(disk, "LOCK_WAIT", 0)


def bytes_of_an_undisturbed_run(output, options):
    name = f"whole{Path(output).suffix}"
    lucid.extract("f.h5", "r.npy", name, overwrite=True, **options)
    return Path(name).read_bytes()
