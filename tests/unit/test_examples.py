"""The examples in docstrings print what they show."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in sorted((ROOT / "lucid").rglob("*.py"))
    if ">>> " in file.read_text()
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_module_print_what_they_show(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    tried = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried.attempted
    assert not tried.failed
