"""The laws of the house: who may import whom, who opens files, who prints."""

import ast
import subprocess
import sys
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_ROOMS = {"lucid/stream/read", "lucid/stream/write"}
MODULES = sorted([*ROOT.glob("lucid/**/*.py"), *ROOT.glob("cli/**/*.py")])


@cache
def nodes(path):
    return [*ast.walk(ast.parse(path.read_text()))]


@cache
def imports(path):
    """Return the modules that a file imports, wherever in it."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = f"{path.parent.name}." if node.level else ""
            found |= {f"{inside}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


@cache
def calls(path):
    """Return the names that a file calls."""
    return {dotted(node.func) for node in nodes(path) if isinstance(node, ast.Call)}


def dotted(node):
    """Return a name as it is written; of what is no name, nothing."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@cache
def packages_of(name):
    """Return a name and the packages that it is in."""
    return {*accumulate(name.split("."), "{}.{}".format)}


def within(folder):
    return [path for path in MODULES if path.is_relative_to(ROOT / folder)]


def outside(*names):
    return [path for path in MODULES if str(path.relative_to(ROOT)) not in names]


def imports_any(path, *packages):
    return {name for name in imports(path) if packages_of(name) & {*packages}}


def broken(law, paths):
    """Return by path what a law finds in the modules that break it."""
    found = {str(path.relative_to(ROOT)): law(path) for path in paths}
    return {path: what for path, what in found.items() if what}


def test_there_are_modules_to_judge():
    assert len(MODULES) > 20


def test_the_core_imports_numpy_and_errors_and_nothing_else():
    def others(path):
        outer = {
            name for name in imports(path) if name.partition(".")[0] not in sys.stdlib_module_names
        }
        return {n for n in outer if not n.startswith(("numpy", "lucid.errors", "lucid.roi"))}

    assert not broken(others, within("lucid/roi"))


def test_the_stream_knows_neither_tensors_nor_the_command():
    outer = (
        "click",
        "tqdm",
        "lucid_cli",
        "lucid._tensor",
        "lucid._graph",
        "lucid.models",
        "lucid.nn",
    )
    assert not broken(lambda path: imports_any(path, *outer), within("lucid/stream"))


ROOMS = ("read", "plan", "write", "run")  # each may import those before it
LEAVES = tuple(
    f"lucid.stream.{leaf}"
    for leaf in ("checks", "options", "row_set", "settings", "tuning", "types")
)


def names_room(name):
    """Return the number of the room of the stream that a name is imported from, -1 for a leaf."""
    if name.startswith(LEAVES):
        return -1
    room = name.removeprefix("lucid.stream.").partition(".")[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


def test_rooms_of_the_stream_import_no_room_above():
    def above(path):
        own = names_room(".".join(path.relative_to(ROOT).with_suffix("").parts))
        stream = {name for name in imports(path) if name.startswith("lucid.stream.")}
        return {name for name in stream if names_room(name) > own}

    assert not broken(above, within("lucid/stream"))


def test_no_modules_import_each_other_in_a_circle():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    left = {
        name: set().union(*map(packages_of, imports(path))) & names.keys() - {name}
        for name, path in names.items()
        if name.startswith("lucid.stream.") and not name.endswith("__init__")
    }
    left = {name: others & left.keys() for name, others in left.items()}
    while free := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in free}
    assert not left


UPPER_ROOMS = ("viewer", "verifier", "fitter")  # above the stream: each is for one command


@pytest.mark.parametrize("room", UPPER_ROOMS)
def test_a_room_above_the_stream_is_imported_by_nobody_below(room):
    above = within("lucid/fitter") if room == "viewer" else []  # it has candidates drawn
    own = within(f"lucid/{room}")
    below = [path for path in within("lucid") if path not in [*own, *above]]
    below.remove(ROOT / "lucid" / "__init__.py")  # which offers what it has to offer
    assert not broken(lambda path: imports_any(path, f"lucid.{room}"), below)


@pytest.mark.parametrize("room", UPPER_ROOMS)
def test_a_room_above_the_stream_imports_no_command_and_no_tensor(room):
    others = ("click", "lucid_cli", "lucid._tensor", "lucid.models", "lucid.nn")
    assert not broken(lambda path: imports_any(path, *others), within(f"lucid/{room}"))


def test_the_library_neither_draws_nor_prints_nor_knows_the_command():
    def heard(path):
        return imports_any(path, "click", "tqdm", "cli", "lucid_cli") | calls(path) & {"print"}

    assert not broken(heard, within("lucid"))
    bars = {path.name for path in within("lucid") if "tqdm" in path.read_text()}
    assert bars == {"bar.py"}  # which `progress=True` asks for


OPENING = {
    "open",
    "io.open",
    "np.load",
    "np.save",
    "np.savez",
    "np.memmap",
    "np.fromfile",
    "os.open",
}
METHODS_THAT_OPEN = (".open", ".read_bytes", ".write_bytes")


def test_only_the_rooms_of_sources_and_sinks_open_files():
    def opened(path):
        opening = {call for call in calls(path) if call.endswith(METHODS_THAT_OPEN)}
        return imports_any(path, "h5py") | calls(path) & OPENING | opening

    outer = [
        path for path in MODULES if not {*map(str, path.relative_to(ROOT).parents)} & FILE_ROOMS
    ]
    assert not broken(opened, outer)


def test_only_the_console_prints():
    printing = {"print", "click.echo", "sys.stdout.write", "sys.stderr.write"}
    assert not broken(lambda path: printing & calls(path), outside("cli/console.py"))


def test_only_main_knows_exit_codes():
    ending = {"sys.exit", "exit", "quit", "os._exit"}
    assert not broken(lambda path: ending & calls(path), outside("cli/main.py"))


def test_nothing_is_validated_by_assert():
    def asserts(path):
        return [node.lineno for node in nodes(path) if isinstance(node, ast.Assert)]

    assert not broken(asserts, MODULES)


def loaded_after(code):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


def test_importing_lucid_loads_neither_h5py_nor_click_nor_tqdm_nor_matplotlib():
    everything = "import lucid; lucid.Tensor, lucid.nn, lucid.random, lucid.models.utils.roi_align"
    loaded = loaded_after(everything)
    assert "numpy" in loaded
    assert not {"h5py", "click", "tqdm", "matplotlib"} & loaded


NPY_TO_NPY = """
import os, tempfile
import numpy as np, lucid
os.chdir(tempfile.mkdtemp())
np.save("f.npy", np.ones((1, 1, 4, 4), np.float32)), np.save("r.npy", [[0, 0, 0, 2, 2.0]])
lucid.extract("f.npy", "r.npy", "c.npy", output_size=1)
"""


def test_a_run_loads_no_format_but_those_of_its_files():
    loaded = loaded_after(NPY_TO_NPY)
    of_read, of_write = (
        {name.rpartition(".")[2] for name in loaded if name.startswith(f"lucid.stream.{room}.")}
        for room in ("read", "write")
    )
    assert "npy" in of_read & of_write
    assert not {"hdf5", "npz", "safetensors", "torch_file", "zarr_file", "zip_file"} & of_read
    assert not {"hdf5", "npz", "safetensors", "zarr", "images"} & of_write
    assert not {"h5py", "zipfile", "socket", "subprocess", "multiprocessing"} & loaded


HELP = """
from lucid_cli.main import main
for sys.argv[1:] in (["--help"], ["extract", "--help"], ["info", "--help"], ["preview", "--help"]):
    try:
        main()
    except SystemExit:
        pass
"""


def test_help_loads_neither_numpy_nor_h5py():
    loaded = loaded_after(HELP)
    assert "click" in loaded
    assert not {"numpy", "h5py", "tqdm", "matplotlib", "dataclasses"} & loaded
