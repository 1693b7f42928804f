"""The options of the command and the keywords of the library are one table."""

import ast
import inspect
import pickle
from pathlib import Path

import click
import numpy as np
import pytest
from command import run_here
from lucid_cli import commands as command_line
from lucid_cli.options import flag_of

import lucid
from lucid.stream.options import Options

ROOT = Path(__file__).parents[2]


def extract(*arguments, how=run_here):
    return how("extract", "--features", "f.h5", "--rois", "r.npy", *arguments, text=True)


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
