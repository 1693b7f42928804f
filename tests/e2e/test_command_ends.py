"""How the command ends where something else ends it: full disks, signals, readers that leave."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import PATIENCE, RUN, run_here
from lucid_cli import interrupts as lucid_interrupts
from lucid_cli import main as lucid_main

ROOT = Path(__file__).parents[2]


def extract(*arguments, how=run_here):
    return how("extract", "--features", "f.h5", "--rois", "r.npy", *arguments, text=True)


@pytest.mark.parametrize("kind", [lucid_interrupts.Interrupted, ImportError])
def test_an_interrupt_before_the_first_crop_is_told(kind, monkeypatch, capsys):
    """Imports of compiled code turn an interrupt into another error."""

    def fail():
        monkeypatch.setattr(lucid_interrupts.Interrupted, "by", signal.SIGTERM)
        raise kind

    def ended(number):
        raise SystemExit(number)

    monkeypatch.setattr(lucid_interrupts.Interrupted, "told", False)
    monkeypatch.setattr("lucid_cli.main._run", fail)
    monkeypatch.setattr("lucid_cli.main.die_of", ended)
    with pytest.raises(SystemExit) as status:
        lucid_main._status()
    assert status.value.code == signal.SIGTERM
    assert capsys.readouterr().err == "Interrupted before a crop was written\n"
    lucid_interrupts.Interrupted.by = None


@pytest.mark.parametrize("output", ["c.h5", pytest.param("c.npy", marks=pytest.mark.slow)])
def test_a_full_disk_is_one_line_and_no_file(files, output):
    """A limit on the size of files is met where a full disk would be: in the middle of writing."""
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (9000, 9000)); "
    ignore = "import signal as s; s.signal(s.SIGXFSZ, s.SIG_IGN); "
    done = subprocess.run(
        [sys.executable, "-c", limit + ignore + RUN[2],
         "extract", "--features", "f.npy", "--rois", "r.npy", "--spatial-scale", "1/32",
         "-o", output],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {output} cannot be written: ")
    assert done.stderr.count("\n") == 1
    assert not list(files.path.glob("c.*"))


SIGNALS = [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_run_as_itself_and_keeps_what_it_says(files, number):
    """The run is caught while it writes: its unfinished file is there."""
    corner = np.random.default_rng(0).uniform(0, 5, (400_000, 2))
    np.save("many.npy", np.c_[np.zeros(len(corner)), corner, corner + 4])
    process = subprocess.Popen(
        [*RUN, "extract", "--features", "f.npy", "--rois", "many.npy", "-o", "c.npy"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + PATIENCE
    while not Path("c.npy.part").exists():
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert "Traceback" not in stderr
    assert not Path("c.npy").exists()
    kept = "--resume" in stderr  # on a machine so slow that rows were marked meanwhile
    assert bool(list(files.path.glob("c.npy*"))) == kept


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_an_import_turns_into_another_error_ends_the_run_all_the_same(files, number):
    """Cython, as in h5py, raises an ImportError without a trace of what interrupted it."""
    patch = (
        "import os, sys; import lucid.stream.settings as s\n"
        "def interrupted(self, **arguments):\n"
        f"    try: os.kill(os.getpid(), {int(number)})\n"
        "    except BaseException: pass\n"
        "    raise ImportError('cannot initialise module strings')\n"
        "s.Settings.__init__ = interrupted\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", patch + RUN[2], "extract", "--features", "f.npy", "--rois", "r.npy"],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == -number
    assert done.stderr == "Interrupted before a crop was written\n"


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_command_as_the_signal_does(files):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*RUN, "info", "f.h5"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
    )
    os.close(write)
    assert done.returncode == -signal.SIGPIPE
    assert done.stderr == ""
