"""Shells complete commands, options, their words and paths; manual pages say what help says."""

import os
import re
import runpy
import shutil
import subprocess
import sys

import click
import pytest
from command import run_here
from lucid_cli.commands import commands
from lucid_cli.manual import pages

import lucid
from lucid.stream.options import OPTIONS

VARIABLE = "_LUCID_ROIALIGN_COMPLETE"


def completed(monkeypatch, line):
    """Return what a shell is told about the last word of a line, by kind."""
    words = ["lucid-roialign", *line.split(" ")]
    monkeypatch.setenv(VARIABLE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    pairs = [one.split(",") for one in run_here(text=True).stdout.split()]
    return {kind: {word for each, word in pairs if each == kind} for kind, _ in pairs}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pre", {"preview"}),
        ("extract --box-c", {"--box-counts"}),
        ("extract --boxes xy", {"xyxy", "xywh"}),
        ("extract --invalid ", {"raise", "zero"}),
        ("extract --jobs ", {"auto"}),
        ("extract --operator ps", {"ps-roi-align", "ps-roi-pool"}),
        ("preview --show p", {"pca"}),
    ],
)
def test_words_are_completed(monkeypatch, line, words):
    monkeypatch.setenv("LUCID_ROIALIGN_NO_SUCH_OPTION", "1")  # which is told at the run
    assert completed(monkeypatch, line) == {"plain": words}


@pytest.mark.parametrize(
    "line", ["extract --features fe", "extract -o ", "extract --config ", "preview --crops c"]
)
def test_paths_are_left_to_the_shell(monkeypatch, line):
    assert completed(monkeypatch, line).keys() == {"file"}


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A function that runs a script in a shell that knows the command."""
    command = tmp_path / "lucid-roialign"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m lucid_cli "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def run(name, script):
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name} here")
        done = subprocess.run([name, "-c", script], capture_output=True, text=True, timeout=120)
        assert done.stderr == ""
        return set(done.stdout.split("\n"))

    return run


BASH = """
eval "$({variable}=bash_source lucid-roialign)"
COMP_WORDS=(lucid-roialign {words}); COMP_CWORD=$(({count}))
_lucid_roialign_completion lucid-roialign
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ }}; _path_files() {{ print FILES }}
compadd() {{ print -l -- $completions }}
_describe() {{ print -l -- ${{completions_with_descriptions%%:*}} }}
eval "$({variable}=zsh_source lucid-roialign)"
words=(lucid-roialign {words}); CURRENT=$(({count} + 1))
_lucid_roialign_completion
"""
FISH = """
{variable}=fish_source lucid-roialign | source
complete -C "lucid-roialign {words}" | string replace -r "\\t.*" ""
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
@pytest.mark.parametrize(
    ("words", "found"),
    [("extract --box-c", {"--box-counts"}), ("extract --boxes xy", {"xyxy", "xywh"})],
)
def test_shells_complete(shell, name, script, words, found):
    count = len(words.split())
    done = shell(name, script.format(variable=VARIABLE, words=words, count=count))
    assert done - {""} == found


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", "--version"])
    monkeypatch.setattr("signal.signal", lambda *about: None)
    monkeypatch.setattr("os.environ", dict(os.environ))
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("lucid_cli", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"lucid-roialign, version {lucid.__version__}\n"


def manual():
    return dict(pages(commands, "1.2.3"))


def test_there_is_a_page_for_each_command_which_names_every_option():
    found = manual()
    assert set(found) == {"lucid-roialign.1"} | {
        f"lucid-roialign-{name}.1" for name in commands.each()
    }
    for name, command in commands.each().items():
        text = found[f"lucid-roialign-{name}.1"].replace("\\-", "-").replace("\\e", "\\")
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(f"\\fB{flag}\\fR" in text for flag in parameter.opts)
                assert parameter.help in text
        assert command.get_short_help_str(200).rstrip(".") in text


def test_defaults_and_values_are_in_the_page():
    text = manual()["lucid-roialign-extract.1"]
    assert f"[default: {OPTIONS['memory'].default}]" in text
    assert r"\fB\-\-output\-size\fR \fI" + OPTIONS["output_size"].metavar + r"\fR" in text


def test_lines_that_begin_with_a_point_are_those_of_the_page():
    macros = {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi"}
    for text in manual().values():
        assert {line.split()[0] for line in text.splitlines() if line.startswith(".")} <= macros
        assert not re.search(r"^'", text, re.MULTILINE)


@pytest.mark.slow
def test_groff_has_nothing_to_say_about_the_pages():
    if shutil.which("groff") is None:
        pytest.skip("there is no groff here")
    for name, text in manual().items():
        words = ["groff", "-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-u"]
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert "EXIT STATUS" in done.stdout
