"""The laws of the core: who imports whom, and how much a function asks its reader to hold."""

import ast
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(ROOT.glob("lucid/roi/**/*.py"))
}
# Each may import those before it, and what is beside it where that is one room.
FLOORS = (
    ("types",),
    ("memory",),
    ("forms", "operator", "taps"),
    ("geometry", "table", "workers"),
    ("solid_samples", "turned_samples"),
    ("engines", "operators"),
    ("compound", "threads"),
    ("pooling",),
)


@cache
def nodes(path):
    return [*ast.walk(ast.parse(path.read_text()))]


@cache
def imported(path):
    """Return the modules of the core that a file imports, wherever in it."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in whole}
    return {name for name in found if name.startswith("lucid.roi")}


def floor(name):
    """Return the number of a module's floor; the door of the core is above all."""
    room = [*name.split("."), ""][2]
    return next((k for k, rooms in enumerate(FLOORS) if room in rooms), len(FLOORS))


def test_no_arrow_points_upward():
    assert not [
        (name, other)
        for name, path in MODULES.items()
        for other in imported(path)
        if floor(other) > floor(name)
    ]


def test_no_modules_of_the_core_import_each_other_in_a_circle():
    """Packages count as the files that they open with."""
    files = {name.removesuffix(".__init__"): path for name, path in MODULES.items()}
    left = {name: imported(path) & files.keys() - {name} for name, path in files.items()}
    while free := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in free}
    assert not left


def test_operators_and_engines_do_not_know_each_other():
    for one, other in (("operators", "engines"), ("engines", "operators")):
        assert not [
            (name, each)
            for name, path in MODULES.items()
            for each in imported(path)
            if name.startswith(f"lucid.roi.{one}") and each.startswith(f"lucid.roi.{other}")
        ]


def functions():
    """Yield the functions of the core with their names."""
    for module, path in MODULES.items():
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef):
                yield f"{module}.{node.name}", node


def lines_of(function):
    """Return the lines from def to end, without the docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


def names_of(function):
    """Return the number of names that a function uses, attributes not counted."""
    inside = list(ast.walk(function))
    return len(
        {node.id for node in inside if isinstance(node, ast.Name)}
        | {node.arg for node in inside if isinstance(node, ast.arg)}
    )


def test_functions_are_short():
    """Nineteen of twenty have at most 20 lines."""
    lengths = {name: lines_of(function) for name, function in functions()}
    longer = {name: length for name, length in lengths.items() if length > 20}
    assert len(longer) <= 0.05 * len(lengths), longer


def test_functions_use_few_names():
    """Nine of ten use at most 20, annotations included."""
    counts = {name: names_of(function) for name, function in functions()}
    many = {name: count for name, count in counts.items() if count > 20}
    assert np.percentile([*counts.values()], 90) <= 20, many


def test_files_are_short():
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert not {name: count for name, count in lines.items() if count >= 300}


def test_every_header_is_packed_with_the_sources():
    """A source distribution holds what `depends` names; without a header it would not compile."""
    setup = (ROOT / ".build" / "setup.py").read_text()
    headers = (ROOT / "lucid/roi/engines/compiled").glob("*.h")
    assert not [path.name for path in headers if f'"{path.stem}' not in setup]
