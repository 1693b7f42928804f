"""The compiled engine: bits that neither machine, build, threads nor neighbours change."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lucid
from lucid import selfcheck
from lucid.models.utils import roi_align
from lucid.roi import (
    RoiAlign,
    as_rois,
    box_gradient,
    get_engine,
    pool,
    pool_adjoint,
    pooling,
    set_engine,
)
from lucid.roi.engines import selection

compiled = pytest.importorskip("lucid.roi.engines.compiled")
ROOT = Path(__file__).parents[2]
FILES = "kernel", "turned", "largest", "solid"
SOURCES = [
    f"lucid/roi/engines/compiled/{name}.c" for name in ("kernel", "turned", "largest", "solid")
]
FLAGS = ["-std=c11", "-fPIC", "-shared", "-ffp-contract=off", "-fno-fast-math"]


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    monkeypatch.setattr(selection._Setting, "name", "compiled")


def table_on(rng, images, height, width, count=80):
    corner = rng.uniform(-5, [width, height], (count, 2))
    return np.c_[rng.integers(0, images, count), corner, corner + rng.uniform(0, 30, (count, 2))]


class Listed(RoiAlign):
    """Taps as the operator lists them, which C then does not list by itself."""

    def grids(self, geometry):
        return None


FAR = st.one_of(st.integers(-40, 80).map(float), st.floats(-60, 90), st.floats(-1e308, 1e308))
BOXES = st.lists(st.tuples(FAR, FAR, FAR, FAR), max_size=9)
OPERATORS = st.tuples(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(*[st.sampled_from([1.0, 0.25, 0.3, 1e-9, 1e12])] * 2),
    st.sampled_from([-1, 1, 2, 7]),
    st.booleans(),
    st.sampled_from([3, 1 << 40]),
)


@given(st.sampled_from(["f4", "f8"]), BOXES, OPERATORS)
def test_taps_listed_in_c_have_the_bits_of_those_of_the_operator(dtype, corners, arguments):
    """One bit of a weight or slope of float64 would change what is computed with it."""
    boxes = np.sort(np.reshape(corners, (-1, 2, 2)), axis=1).reshape(-1, 4)
    features = np.random.default_rng(3).standard_normal((1, 9, 13, 22)).astype(dtype)
    table = as_rois(np.insert(boxes, 0, 0, axis=1), 1)
    g = np.random.default_rng(4).standard_normal((len(table), 9, *arguments[0]))
    for compute in (pool, partial(pool_adjoint, g), partial(box_gradient, g)):
        own, listed = (compute(features, table, kind(*arguments)) for kind in (RoiAlign, Listed))
        np.testing.assert_array_equal(own, listed)


@given(st.sampled_from(["f4", "f8"]), BOXES, OPERATORS, st.integers(1, 70))
def test_few_rois_have_the_bits_that_they_have_among_many(dtype, corners, arguments, channels):
    boxes = np.sort(np.reshape(corners, (-1, 2, 2)), axis=1).reshape(-1, 4)
    features = np.random.default_rng(3).standard_normal((2, channels, 13, 22)).astype(dtype)
    table = as_rois(np.insert(boxes, 0, np.arange(len(boxes)) % 2, axis=1), 2)
    few = pool(features[:, :, ::2], table, RoiAlign(*arguments))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooling, "FEW_VALUES", 0)
        many = pool(features[:, :, ::2], table, RoiAlign(*arguments))
    np.testing.assert_array_equal(few, many)


@pytest.mark.parametrize("name", sorted(selfcheck.CASES, key=lambda name: name != "float32"))
def test_this_build_gives_the_bits_that_every_build_must_give(monkeypatch, name):
    monkeypatch.setattr(selfcheck, "CASES", {name: selfcheck.CASES[name]})
    assert not selfcheck.differences()


def test_what_differs_is_named(monkeypatch):
    few = {name: selfcheck.CASES[name] for name in ("uint8", "roi_pool")}
    monkeypatch.setattr(selfcheck, "CASES", few)
    monkeypatch.setitem(selfcheck.HASHES, "uint8", "others")
    assert [line.partition(":")[0] for line in selfcheck.differences()] == ["uint8"]


def build_in(folder, *flags):
    """Copy the package to a folder, build its C file with other flags, and return its path."""
    shutil.copytree(ROOT / "lucid", folder / "lucid", ignore=shutil.ignore_patterns("*.so"))
    include = f"-I{sysconfig.get_path('include')}"
    version = "-DPy_LIMITED_API=0x030b0000"
    for source in SOURCES:
        built = (folder / source).with_name(f"_{Path(source).stem}.abi3.so")
        command = [flags[0], *FLAGS, version, include, *flags[1:], ROOT / source, "-o", built]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def check(folder, **variables):
    """Return what the self-check of a copy says."""
    environment = os.environ | {"PYTHONPATH": str(folder)} | variables
    command = [sys.executable, "-m", "lucid.selfcheck"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize(
    "flags", [["-O1"], ["-O3"], ["-O3", "-march=native"], ["-O2", "-mno-sse3"]]
)
def test_builds_with_other_flags_and_compilers_give_the_same_bits(tmp_path, compiler, flags):
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    assert check(build_in(tmp_path, compiler, *flags)) == (0, "")


KILLED = """
import os, signal, lucid
from lucid.stream import tuning
tuning.current = tuning.Tuning(mark_seconds=0, crops_bytes=4000)
lucid.extract("f.h5", "r.npy", "c.h5", engine="compiled", jobs=1, on_progress=lambda rows:
    os.kill(os.getpid(), signal.SIGKILL) if rows >= 30 else None)
"""
RESUMED = """
import lucid
report = lucid.extract("f.h5", "r.npy", "c.h5", resume=True)
assert (report.engine, report.resumed >= 30) == ("compiled", True), report
"""


@pytest.mark.slow
def test_a_run_begun_by_one_build_is_finished_by_another_as_if_nothing_had_happened(
    files, tmp_path
):
    for name, script, flags in (
        ("one", KILLED, ["-O1"]),
        ("other", RESUMED, ["-O3", "-march=native", "-funroll-loops"]),
    ):
        (tmp_path / name).mkdir()
        environment = os.environ | {"PYTHONPATH": str(build_in(tmp_path / name, "gcc", *flags))}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
        assert done.returncode == (-signal.SIGKILL if name == "one" else 0), done.stderr
    lucid.extract("f.h5", "r.npy", "whole.h5")
    assert Path("c.h5").read_bytes() == Path("whole.h5").read_bytes()


@pytest.mark.slow
def test_a_users_flags_change_no_bit_and_nothing_else_in_the_process(tmp_path):
    """-Ofast when linking would make NumPy take tiny numbers for zeros."""
    for name in ("lucid", "cli", ".build", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    for old in tmp_path.rglob("*.so"):
        old.unlink()
    fast = {"CFLAGS": "-Ofast -march=native -flto", "LDFLAGS": "-Ofast -ffast-math"}
    site = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        site,
        tmp_path,
    ]
    subprocess.run(command, env=os.environ | fast, check=True, capture_output=True)
    assert (site / "lucid/roi/engines/compiled/_kernel.abi3.so").exists()
    assert check(site) == (0, "")
    tiny = (
        "import numpy as np, lucid.roi.engines.compiled; assert np.float32(1e-39) * np.float32(.5)"
    )
    subprocess.run([sys.executable, "-c", tiny], cwd=site, check=True)


@pytest.mark.slow
def test_sanitizers_find_nothing(tmp_path):
    """AddressSanitizer and UndefinedBehaviorSanitizer, over the self-check and what is drawn."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True)
    preload = library.stdout.strip()
    if not os.path.isabs(preload):
        pytest.skip("gcc has no AddressSanitizer here")
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    build_in(tmp_path, "gcc", *flags)
    variables = {"LD_PRELOAD": preload, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    assert check(tmp_path, **variables) == (0, "")
    tests = [
        ROOT / "tests/fuzz/test_engine.py",
        "-m",
        "",
        "-n",
        "0",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests, "-c", ROOT / "pyproject.toml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_box_gradients_have_the_same_bits_alone(rng):
    features = rng.standard_normal((2, 70, 40, 50), np.float32)
    table, operator = table_on(rng, 2, 40, 50), RoiAlign.checked(5)
    g = rng.standard_normal((80, 70, 5, 5)).astype(np.float32)
    together = box_gradient(g, features, as_rois(table, 2), operator)
    for k in range(0, 80, 9):
        alone = box_gradient(g[k : k + 1], features, as_rois(table[k : k + 1], 2), operator)
        np.testing.assert_array_equal(alone[0], together[k])


@pytest.mark.parametrize("dtype", ["f2", ">f4", "f8", "i8"])
@pytest.mark.parametrize("kind", [RoiAlign, Listed])
def test_rois_on_many_small_maps_have_the_bits_that_they_have_on_one(rng, dtype, kind):
    """The maps are taken as one: nothing of a neighbour may be read, at the edges neither."""
    empty = np.zeros((2, 0, 6, 9), dtype)
    assert pool(empty, as_rois(table_on(rng, 2, 6, 9), 2), kind.checked(3)).shape == (80, 0, 3, 3)
    features = (50 * rng.standard_normal((30, 70, 6, 9))).astype(dtype)
    features = np.asfortranarray(features) if dtype == "f8" else features
    table, operator = table_on(rng, 30, 6, 9, 200), kind.checked((3, 2), 0.7)
    g = rng.standard_normal((200, 70, 3, 2))
    crops = pool(features, as_rois(table, 30), operator)
    boxes = box_gradient(g, features, as_rois(table, 30), operator)
    for image in range(0, 30, 3):
        mine = table[:, 0] == image
        alone = as_rois(table[mine] * [0, 1, 1, 1, 1], 1)
        one = features[image : image + 1]
        np.testing.assert_array_equal(crops[mine], pool(one, alone, operator))
        np.testing.assert_array_equal(boxes[mine], box_gradient(g[mine], one, alone, operator))


def test_every_nan_is_the_same_one(rng):
    features = np.full((1, 40, 9, 9), -np.float32(np.nan))
    features.view(np.uint32)[...] |= 77
    crops = roi_align(features, [[0, 1, 1, 5, 5]], 2)
    assert (crops.view(np.uint32) == 0x7FC00000).all()


def test_layouts_and_dtypes_give_the_same_bits(rng):
    features = rng.standard_normal((2, 70, 20, 30), np.float32)
    table = table_on(rng, 2, 20, 30)
    expected = roi_align(features, table, 3)
    last = np.ascontiguousarray(features.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    packed = np.zeros(features.shape, [("a", "u1"), ("value", "f4")])
    packed["value"] = features
    flipped = np.ascontiguousarray(features[..., ::-1, ::-1])[..., ::-1, ::-1]
    odd = np.empty(features.nbytes + 1, np.uint8)[1:].view("f4").reshape(features.shape)
    odd[...] = features
    for same in (last, packed["value"], flipped, features.astype(">f4"), odd):
        np.testing.assert_array_equal(roi_align(same, table, 3), expected)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_maps_that_begin_at_any_byte_are_not_copied_first(rng, dtype, monkeypatch):
    features = rng.standard_normal((2, 37, 13, 19)).astype(dtype)
    table = table_on(rng, 2, 13, 19)
    expected = roi_align(features, table, 3)
    monkeypatch.delattr(np, "require")
    for begin in range(1, 8):
        odd = np.empty(features.nbytes + 8, np.uint8)[begin : begin + features.nbytes].view(dtype)
        odd = odd.reshape(features.shape)
        odd[...] = features
        for same, own in ((odd, features), (odd[..., 2:9, 3:], features[..., 2:9, 3:])):
            np.testing.assert_array_equal(roi_align(same, table, 3), roi_align(own, table, 3))
        np.testing.assert_array_equal(roi_align(odd, table, 3), expected)


def test_many_rois_on_few_channels_are_shared_among_threads(rng):
    features = rng.standard_normal((1, 2, 60, 70), np.float32)
    table = table_on(rng, 1, 60, 70, 3000)
    before = lucid.get_num_threads()
    try:
        found = []
        for count in (1, 3):
            lucid.set_num_threads(count)
            found.append(roi_align(features, table, 7))
    finally:
        lucid.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("channels", [2, 33])
def test_gradients_of_many_rois_are_whole_where_channels_are_few(rng, channels):
    """All channels are worked on at once, and none of the RoIs is left out."""
    features = rng.standard_normal((1, channels, 20, 25))
    table = as_rois(table_on(rng, 1, 20, 25, 700), 1)
    g = rng.standard_normal((700, channels, 3, 2))
    operator = RoiAlign.checked((3, 2))
    crops, back = pool(features, table, operator), pool_adjoint(g, features, table, operator)
    np.testing.assert_allclose((g * crops).sum(), (back * features).sum(), rtol=1e-9)


def test_an_engine_is_chosen_by_a_call_over_the_environment(monkeypatch):
    monkeypatch.setattr(selection._Setting, "name", None)
    monkeypatch.delenv(selection.VARIABLE, raising=False)
    assert get_engine() == "compiled"
    monkeypatch.setenv(selection.VARIABLE, "numpy")
    assert get_engine() == "numpy"
    set_engine("compiled")
    assert get_engine() == "compiled"
    assert "engine: compiled" in lucid.show_config()


def test_an_unknown_engine_is_refused_at_once(monkeypatch):
    with pytest.raises(ValueError, match="engine must be one of auto, numpy, compiled, got cuda"):
        set_engine("cuda")
    monkeypatch.setattr(selection._Setting, "name", None)
    monkeypatch.setenv(selection.VARIABLE, "fast")
    with pytest.raises(ValueError, match="LUCID_ROIALIGN_ENGINE must be one of"):
        roi_align(np.ones((1, 1, 3, 3)), [[0, 0, 0, 1, 1]], 1)


def test_where_it_was_not_built_the_way_to_build_it_is_told(monkeypatch):
    monkeypatch.setattr(selection, "_why_not", lambda: "there is no _kernel")
    with pytest.raises(ValueError, match="was not built here: install a C compiler, then `pip"):
        set_engine("compiled")
    set_engine("auto")
    assert get_engine() == "numpy"
