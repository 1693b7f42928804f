"""The command as users meet it: a process with arguments, streams, files and an exit code."""

import ast
import inspect
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import h5py
import numpy as np
import pytest
from command import PATIENCE, RUN, run, run_here
from lucid_cli import commands as command_line
from lucid_cli import interrupts as lucid_interrupts
from lucid_cli import main as lucid_main
from lucid_cli.options import flag_of

import lucid
from lucid.stream.options import Options

ROOT = Path(__file__).parents[2]


def info(*arguments):
    return run_here("info", *arguments, text=True)


def extract(*arguments, how=run_here):
    return how("extract", "--features", "f.h5", "--rois", "r.npy", *arguments, text=True)


def test_command_and_library_write_the_same_bytes(files):
    options = {"output_size": (3, 4), "spatial_scale": (0.5, 0.25), "sampling_ratio": 2}
    more = {"aligned": True, "invalid": "zero", "memory": "128M", "dtype": "float64"}
    lucid.extract("f.h5", "r.npy", "library.h5", **options, **more)
    done = extract(
        "-o", "command.h5", "--output-size", "3x4", "--spatial-scale", "0.5,0.25",
        "--sampling-ratio", 2, "--aligned", "--invalid", "zero", "--memory", "128M",
        "--dtype", "float64", how=run,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Error" not in done.stderr
    assert Path("command.h5").read_bytes() == Path("library.h5").read_bytes()


@pytest.mark.parametrize("text", ["1/16", "0.0625", "1/16,0.0625"])
def test_a_scale_may_be_a_fraction(files, text):
    assert extract("-o", "scaled.npy", "--spatial-scale", text).returncode == 0
    lucid.extract("f.h5", "r.npy", "library.npy", spatial_scale=1 / 16)
    assert Path("scaled.npy").read_bytes() == Path("library.npy").read_bytes()


def test_warnings_are_on_stderr_and_strict_makes_them_errors(files):
    options = "-q", "--spatial-scale", "1/2", "-o", "c.npy"
    warned = extract(*options)
    assert (warned.returncode, warned.stdout) == (0, "")
    assert re.fullmatch(
        r"Warning: \d+ of 60 boxes lie mostly .*--spatial-scale 1/32\n", warned.stderr
    )
    strict = extract(*options, "--overwrite", "--strict")
    assert strict.returncode == 1
    assert re.fullmatch(r"Error: \d+ of 60 boxes lie mostly .*\n", strict.stderr)


def test_the_report_is_brief_and_on_stdout(files):
    done = extract("--output-size", 5)
    assert done.stdout == (
        "features  f.h5::features  (5, 6, 12, 17) float32, "
        "spatial scale 0.0625 (from the dataset)\n"
        "ids       not known; images are numbered from 0 to 4\n"
        "rois      r.npy  (60, 5) on 5 images, all valid\n"
        "          xyxy in input coordinates; not aligned, sampling ratio adaptive\n"
        "          boxes span -39.07..283.4 x -39.54..316.8;\n"
        "          in cells they span -2.442..17.71 of 17 columns and -2.471..19.8 of 12 rows\n"
        "          8 wholly outside, 30 partly outside\n"
        "crops     crops.h5  (60, 6, 5, 5) float32, 36 kB\n"
    )
    assert done.stderr == ""


def test_the_report_counts_invalid_rois(files):
    files.rois[7, 0] = 5
    files.rois[9, 3] = -99
    np.save("r.npy", files.rois)
    done = extract("--invalid", "zero")
    assert "on 5 images, 2 invalid" in done.stdout
    assert "zeros: batch_index must be in [0, 5), got 5 at row 7" in done.stdout


def test_quiet_prints_nothing(files):
    done = extract("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Path("crops.h5").exists()


def test_json_is_the_library_s_report(files):
    done = extract("--json", "-o", "a.h5")
    report = json.loads(done.stdout)
    assert (report.pop("schema"), report.pop("dry_run")) == (1, False)
    expected = lucid.extract("f.h5", "r.npy", "a.h5", overwrite=True).as_dict()
    assert report == json.loads(json.dumps(expected))


def test_a_dry_run_writes_nothing(files):
    before = set(os.listdir())
    done = extract("--dry-run")
    assert done.returncode == 0
    assert "would write crops.h5" in done.stdout
    assert set(os.listdir()) == before


@pytest.mark.parametrize(("options", "packs"), [([], False), (["--compression", "gzip"], True)])
def test_progress_says_when_an_output_is_packed(files, options, packs):
    done = extract("--progress", "-q", *options)
    assert done.returncode == 0
    assert ("packing: 100%" in done.stderr) == packs


def test_progress_is_drawn_on_stderr_only_if_asked_without_a_terminal(files):
    done = extract("--progress", "--json")
    assert "100%" in done.stderr
    assert json.loads(done.stdout)
    assert extract("--overwrite").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--features", "gone.h5", "--rois", "r.npy"], 1, "gone.h5 cannot be opened: No such file"),
        (["--features", "f.h5::x", "--rois", "r.npy"], 1, "f.h5 has no dataset 'x'; it holds"),
        (["--features", "r.npy", "--rois", "r.npy"], 1, "r.npy must have shape (N, C, H, W)"),
        (["--features", "f.npy", "--rois", "bad.npy"], 1, "; --invalid zero makes"),
        (["--features", "f.npy", "--rois", "r.npy", "-o", "no/c.h5"], 1, "no directory no"),
        (["--features", "f.npy", "--rois", "r.npy", "--memory", "1M"], 1, "must be at least 43M"),
        (["--features", "f.npy", "--rois", "r.npy", "-o", "f.npy", "--overwrite"], 1, "an input"),
        (["--features", "f.npy"], 2, "Missing option '--rois'"),
        (["--features", "f.npy", "--rois", "r.npy", "--wrong"], 2, "No such option"),
        (["--features", "f.npy", "--rois", "r.npy", "--output-size", "7x"], 2, "be HxW"),
        (["--features", "f.npy", "--rois", "r.npy", "--output-size", "0"], 2, "at least 1 by 1"),
        (["--features", "f.npy", "--rois", "r.npy", "--output-size", "x"], 2, "must be HxW"),
        (["--features", "f.npy", "--rois", "r.npy", "--spatial-scale", "a"], 2, "must be a number"),
        (["--features", "f.npy", "--rois", "r.npy", "--spatial-scale", "0"], 2, "finite and > 0"),
        (["--features", "f.npy", "--rois", "r.npy", "--sampling-ratio", "2.5"], 2, "whole number"),
        (["--features", "f.npy", "--rois", "r.npy", "--sampling-ratio", "1025"], 2, "at most 1024"),
        (["--features", "f.npy", "--rois", "r.npy", "--invalid", "skip"], 2, "'raise' or 'zero'"),
        (["--features", "f.npy", "--rois", "r.npy", "--memory", "lots"], 2, "a size such as 512M"),
        (["--features", "f.npy", "--rois", "r.npy", "--dtype", "int8"], 2, "one of float16"),
        (["--features", "f.npy", "--rois", "r.npy", "-o", "c.txt"], 2, "output must end in"),
    ],
)  # fmt: skip
def test_a_mistake_ends_in_one_clear_line_and_leaves_no_output(files, arguments, code, message):
    np.save("bad.npy", [[0, 1, 1, 2, 2], [9, 1, 1, 2, 2]])
    before = {path: path.read_bytes() for path in files.path.iterdir()}
    done = run_here("extract", *arguments, text=True)
    assert done.returncode == code
    if code:
        assert done.stdout == ""
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("Error: ") == 1
        assert {path: path.read_bytes() for path in files.path.iterdir()} == before
    if code == 1:
        assert done.stderr.count("\n") == 1


def test_quiet_and_json_contradict_each_other(files):
    done = extract("--quiet", "--json")
    assert done.returncode == 2
    assert "--quiet and --json contradict each other" in done.stderr


@pytest.mark.slow
def test_what_is_printed_onto_a_full_disk_is_one_line(files):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*RUN, "info", "f.h5"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write what is printed: No space left on device")
    assert "Traceback" not in done.stderr


def test_an_existing_output_is_kept_unless_overwrite(files):
    assert extract().returncode == 0
    before = Path("crops.h5").read_bytes()
    done = extract("--output-size", 3)
    assert done.returncode == 1
    assert done.stderr == "Error: crops.h5 exists; pass --overwrite to replace it\n"
    assert Path("crops.h5").read_bytes() == before
    assert extract("--output-size", 3, "--overwrite").returncode == 0
    assert Path("crops.h5").read_bytes() != before


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


def test_info_lists_the_arrays_of_a_file(files):
    done = info("f.h5")
    assert done.stdout == (
        "f.h5::by_two  (5, 2, 12, 17) float32, contiguous  usable as features\n"
        "f.h5::channels  (5, 6, 12, 17) float32, chunks (5, 1, 4, 4)  usable as features\n"
        "f.h5::deep/zipped  (5, 6, 12, 17) float32, chunks (2, 3, 12, 17) gzip  "
        "usable as features\n"
        "f.h5::features  (5, 6, 12, 17) float32, contiguous  usable as features\n"
        "          spatial_scale 0.0625\n"
    )
    assert info("r.npy").stdout == "r.npy  (60, 5) float64, contiguous  usable as rois\n"
    (described,) = json.loads(info("r.npy", "--json").stdout)["arrays"]
    assert described["roles"] == ["rois"]


def test_info_says_what_is_wrong_with_a_file(files):
    Path("note.md").write_text("hello")
    for name in ("gone.h5", "note.md"):
        done = info(name)
        assert done.returncode == 1
        assert re.fullmatch(f"Error: {name} .*\n", done.stderr)
    h5py.File("bare.h5", "w").close()
    assert info("bare.h5").stdout == "bare.h5 holds no arrays\n"


def test_the_version_is_the_library_s():
    assert (
        run_here("--version", text=True).stdout == f"lucid-roialign, version {lucid.__version__}\n"
    )


def options_of(name):
    return {
        option.name: option
        for option in command_line.commands.each()[name].params
        if isinstance(option, click.Option)
    }


def test_every_option_is_a_keyword_and_leaves_its_default_to_the_library():
    keywords = inspect.signature(lucid.extract).parameters
    display = {"as_json", "quiet", "progress"}
    in_python = {"on_progress", "progress", "executor"}
    command = command_line.commands.each()["extract"]
    given = command.make_context("extract", ["--features", "f", "--rois", "r"]).params
    assert set(given) - display - {"manifest"} == set(keywords) - in_python
    passed = {name for name in set(given) - display if given[name] not in (None, False, ())}
    assert passed == {"features", "rois"}
    required = {name for name, option in options_of("extract").items() if option.required}
    assert required | {"features"} == {  # which are None for a pyramid
        name for name, keyword in keywords.items() if keyword.default is keyword.empty
    }


@pytest.mark.parametrize("module", ["cli/options.py", "cli/extract.py", "lucid/stream/extract.py"])
def test_what_is_made_from_the_table_names_no_option_of_it(module):
    """So that an option more is an entry in the table, and its use."""
    code = ast.walk(ast.parse((ROOT / module).read_text()))
    names = {node.value for node in code if isinstance(node, ast.Constant)}
    assert not names & {text for name in Options.__annotations__ for text in (name, f"--{name}")}


def test_the_help_of_the_library_names_keywords_and_that_of_the_command_flags(files):
    assert "Coordinates are fractions of the image; needs image_size." in lucid.extract.__doc__
    assert "needs --image-size." in run_here("extract", "--help", text=True).stdout


def test_a_former_name_of_an_option_is_still_understood_and_not_shown(files):
    assert extract("--blocks", 7, "-o", "old.h5").returncode == 0
    assert extract("--chunks", 7, "-o", "new.h5").returncode == 0
    lucid.extract("f.h5", "r.npy", "library.h5", blocks=7)
    assert Path("old.h5").read_bytes() == Path("new.h5").read_bytes()
    assert Path("old.h5").read_bytes() == Path("library.h5").read_bytes()
    assert "--blocks" not in run_here("extract", "--help", text=True).stdout


@pytest.mark.parametrize("name", ["aligned", "checksum", "trust_input"])
def test_a_text_is_not_taken_for_true(files, name):
    with pytest.raises(TypeError, match=f"{name} must be True or False, got 'no'"):
        lucid.extract("f.h5", "r.npy", **{name: "no"})


def test_a_keyword_that_does_not_exist_is_named(files):
    with pytest.raises(TypeError, match="unexpected keyword argument 'alinged'"):
        lucid.extract("f.h5", "r.npy", alinged=True)


def test_every_command_and_option_says_what_it_does():
    for name, command in command_line.commands.each().items():
        assert command.get_short_help_str(200) == command_line.ABOUT[name]
        assert all(option.help for option in options_of(name).values())


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


def test_errors_are_spelled_as_their_caller_writes_options(files):
    said = {
        "crops.h5 exists; pass %s to replace it": ("overwrite=True", "--overwrite"),
        "r.npy (60, 4): boxes (K, 4) need %s to say their image, boxes (N, M, 4) may have %s; or "
        "give rows (batch_index, x1, y1, x2, y2)": (
            "batch_index, box_ranges or box_counts", "--batch-index, --box-ranges or --box-counts",
            "box_counts", "--box-counts",
        ),
    }  # fmt: skip
    Path("crops.h5").touch()
    np.save("k.npy", np.load("r.npy"))
    for name, (text, words) in zip(("k.npy", "r.npy"), said.items(), strict=True):
        if name == "r.npy":
            np.save(name, np.load(name)[:, 1:])
        with pytest.raises(lucid.LucidError) as raised:
            lucid.extract("f.npy", name)
        assert str(raised.value) == text % words[::2]
        again = pickle.loads(pickle.dumps(raised.value))
        for error in (raised.value, again):
            assert error.spelled(flag_of) == text % words[1::2]
