"""Outputs of earlier versions stay readable, and their crops are those of this version.

`tests/old_outputs/make.py` says how they were written. Crops have the same bits where NumPy's BLAS
takes the kernel that it took then; another adds the same products in another order, and in float32
that is a matter of some 1e-7 of the largest value.
"""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here
from kernel import kernel
from old_outputs.make import OPERATOR, OUTPUTS

import lucid
from lucid.models.utils import roi_align

FOLDER = Path(__file__).parents[1] / "old_outputs"
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if (path / "kernel.txt").exists())
STORED = {
    "contiguous.h5": "::crops  (24, 5, 3, 4) float32, contiguous",
    "gzip.h5": "::crops  (24, 5, 3, 4) float32, chunks (5, 5, 3, 4) gzip fletcher32",
    "lzf.h5": "::crops  (24, 5, 3, 4) float32, chunks (5, 5, 3, 4) lzf fletcher32",
    "plain.npy": "  (24, 5, 3, 4) float32, contiguous",
}


@pytest.fixture(params=[f"{version}/{name}" for version in VERSIONS for name in OUTPUTS])
def old(request, tmp_path, monkeypatch):
    """Return the name of an old output, in the current folder with its inputs, which are older."""
    monkeypatch.chdir(tmp_path)
    for age, path in enumerate((request.param, "features.npy", "rois.npy")):
        copy = Path(shutil.copy(FOLDER / path, tmp_path))
        os.utime(copy, (1e9 - age, 1e9 - age))
    return Path(request.param).name


@pytest.fixture
def same_kernel(request):
    """Return whether the crops of an old output were computed by the engine and kernel of today."""
    if lucid.get_engine() != "numpy":
        return False
    version = request.node.callspec.params["old"].partition("/")[0]
    return (FOLDER / version / "kernel.txt").read_text().strip() == kernel()


def crops_in(path):
    if path.endswith(".npy"):
        return np.load(path)
    with h5py.File(path) as file:
        return file["crops"][...]


def test_the_crops_of_an_old_output_are_those_of_today(old, same_kernel):
    expected = roi_align(np.load("features.npy"), np.load("rois.npy"), **OPERATOR)
    assert expected.any()
    np.testing.assert_allclose(
        crops_in(old), expected, rtol=0, atol=0 if same_kernel else 1e-6 * np.abs(expected).max()
    )


@pytest.mark.slow
def test_an_old_output_proves_itself(old):
    says_nothing = {"output_size": (3, 4), "aligned": True} if old.endswith(".npy") else {}
    report = lucid.verify(old, "features.npy", "rois.npy", spatial_scale=0.5, **says_nothing)
    assert report.good
    assert report.tally.equal + report.tally.rounded == 24


def test_an_old_output_is_described_and_may_be_features(old):
    done = run_here("info", old, text=True)
    assert f"{old}{STORED[old]}  usable as features\n" in done.stdout
    np.save("one.npy", [[23, 0, 0, 4, 3]])
    lucid.extract(old, "one.npy", "again.npy", output_size=(3, 4), aligned=True, spatial_scale=1)
    np.testing.assert_allclose(np.load("again.npy")[0], crops_in(old)[23], atol=1e-6)


def test_resume_leaves_a_complete_old_output_alone_and_says_why(old):
    """It is finished, or what it says of its job is less than this version must know."""
    before = Path(old).read_bytes()
    packing = old.removesuffix(".h5")
    more = ["--compression", packing] if packing in {"gzip", "lzf"} else []
    done = run_here(
        "extract", "--features", "features.npy", "--rois", "rois.npy", "-o", old, "--resume",
        "--output-size", "3x4", "--spatial-scale", 0.5, "--aligned", *more, text=True,
    )  # fmt: skip
    why = {0: "24 crops were done before", 1: f"Error: {old} is complete, but "}
    assert why[done.returncode] in done.stdout + done.stderr
    assert Path(old).read_bytes() == before
