"""The README tells the truth: its shell sessions print what it shows, its help is the help.

Its Python examples run as doctests.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import run_here

import lucid

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SESSIONS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)


def commands(session):
    """Return the commands of a session, each with what it is shown to print."""
    parts = re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]
    return [tuple(part.split("\n", 1)) for part in parts]


def run_here_if_alone(line):
    """Return what a command of ours prints if it is a line's only one, without a process for it."""
    name, *arguments = shlex.split(line)
    if name != "lucid-roialign" or {"|", "<", ">"} & set(arguments):
        return None
    done = run_here(*arguments, text=True)
    return done.stdout + done.stderr


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["here", "shell"])
def shell(tmp_path, monkeypatch, request):
    """A function that runs a line in a folder with the sample data, with this Python's command."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    main = "-c 'from lucid_cli.main import main; main()'"
    for name, first in (("python", ""), ("lucid-roialign", main)):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {first} "$@"\n')
        script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])

    def run(line):
        if request.param and (printed := run_here_if_alone(line)) is not None:
            return printed
        done = subprocess.run(
            line, shell=True, env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    return run


def test_there_are_sessions():
    assert len(SESSIONS) >= 3


def test_the_sessions_one_after_the_other_print_what_they_show(shell):
    for session in SESSIONS:
        of_another_engine = "compiled engine" in session and lucid.get_engine() == "numpy"
        for line, expected in commands(session):
            printed = shell(line).rstrip()
            assert of_another_engine or printed == expected.rstrip(), line


def test_the_two_commands_of_the_readme_are_those_that_ci_runs():
    (setup_and_run, setup_and_test) = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert "lucid-roialign extract --features sample_data/" in setup_and_run
    assert setup_and_test in (ROOT / ".ci" / "run").read_text()
