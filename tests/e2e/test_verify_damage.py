"""`verify` finds whatever was done to a file, its rows or its inputs."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here
from verified import FLAGS, FORMATS, made, needs_compiled, opened, slow, with_rows

import lucid
from lucid.errors import SourceError


def test_a_flipped_byte_is_found_wherever_it_is(files, rng):
    made()
    with h5py.File("c.h5") as file:
        begin, size = file["crops"].id.get_offset(), file["crops"].size * 4
    whole = Path("c.h5").read_bytes()
    for at in rng.integers(0, size, 3).tolist():
        data = bytearray(whole)
        data[begin + at] ^= 1 << int(rng.integers(8))
        Path("c.h5").write_bytes(data)
        report = lucid.verify("c.h5", engine="auto")
        (found,) = report.tally.found or [None]
        if report.tolerance is None:
            assert (found.row, found.kind, found.values) == (at // (size // 60), "differs", 1)


@needs_compiled
@pytest.mark.parametrize("output", FORMATS)
def test_a_swapped_row_is_found_and_named(files, output):
    made(opened(output))
    with_rows(output, lambda rows: rows.__setitem__([5, 9], rows[[9, 5]]))
    report = lucid.verify(output)
    assert not report.good
    assert [found.row for found in report.tally.found] == [5, 9]
    assert "row 5 holds the crop of row 9" in str(report)
    assert "row 9 holds the crop of row 5" in str(report)


def test_zeros_in_place_of_rows_are_found(files):
    made()
    crops = np.array(h5py.File("c.h5")["crops"])
    inside = np.flatnonzero(crops.any(axis=(1, 2, 3)))[[2, 3, 4, 20]]
    with_rows("c.h5", lambda rows: rows.__setitem__(inside, 0))
    report = lucid.verify("c.h5")
    assert [(found.row, found.kind) for found in report.tally.found] == [
        (row, "zeros") for row in inside
    ]
    assert report.tally.zeros == 4
    assert f"row {inside[3]} is zeros, and its RoI has a crop" in str(report)


@pytest.mark.parametrize("kind", ["sum", pytest.param("lzf", marks=slow)])
def test_a_damaged_chunk_costs_its_rows_alone(files, kind):
    made(**FLAGS[kind])
    with h5py.File("c.h5") as file:
        chunk = file["crops"].id.get_chunk_info(2)
    data = bytearray(Path("c.h5").read_bytes())
    place = slice(chunk.byte_offset + 2, chunk.byte_offset + 40)
    data[place] = bytes(byte ^ 0x55 for byte in data[place])
    Path("c.h5").write_bytes(data)
    report = lucid.verify("c.h5", all=True)
    assert {found.row for found in report.tally.found} == set(range(14, 21))
    assert report.tally.unreadable == 7 or kind != "sum"
    assert (kind == "sum") == (report.checksums == "Fletcher-32 of each chunk that was read")


def test_the_checksum_of_a_member_is_looked_at(files):
    made("c.npz")
    data = bytearray(Path("c.npz").read_bytes())
    place = data.index(np.float64(files.rois[30, 3]).tobytes())
    data[place] ^= 1
    Path("c.npz").write_bytes(data)
    assert lucid.verify("c.npz").damaged == ("rois.npy",)
    made("d.npz")
    data = bytearray(Path("d.npz").read_bytes())
    data[-2000] ^= 1
    Path("d.npz").write_bytes(data)
    assert lucid.verify("d.npz", rows=0).good  # which is not that row
    assert lucid.verify("d.npz", all=True).damaged == ("crops.npy",)


@pytest.mark.parametrize("output", ["c.h5", "c.npz", pytest.param("c.safetensors", marks=slow)])
@pytest.mark.parametrize("left", [5000, *(pytest.param(left, marks=slow) for left in (0, 100, -1))])
def test_a_truncated_file_is_an_error_of_one_line(files, output, left):
    made(output)
    os.truncate(output, left if left >= 0 else os.path.getsize(output) - 1)
    done = run_here("verify", output, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert output in done.stderr


@pytest.mark.slow
def test_a_missing_chunk_of_zarr_is_found(files):
    pytest.importorskip("zarr")
    made("c.zarr", chunks=20)
    next(Path("c.zarr/crops").glob("c.1.*")).unlink()
    report = lucid.verify("c.zarr")
    assert report.tally.bad == report.tally.zeros > 10


@pytest.mark.parametrize("crops", ["gone.h5", "gone.npz", "gone/c.zarr"])
def test_a_file_that_is_not_there_is_named_without_the_words_of_a_library(files, crops):
    calls = [lucid.verify]
    if find_spec("matplotlib"):
        calls.append(lambda path: lucid.preview(crops=path))
    for call in calls:
        with pytest.raises(FileNotFoundError) as caught:
            call(crops)
        assert str(caught.value) == f"{crops} cannot be opened: No such file or directory"
    Path("gone").mkdir()
    Path("gone/c.zarr").mkdir()
    with pytest.raises(SourceError, match="does not say from what it was made"):
        lucid.verify("gone/c.zarr")


def test_changed_inputs_are_told_and_the_time_alone_is_not_a_change(files):
    made()
    os.utime("f.npy", (2e9, 2e9))
    report = lucid.verify("c.h5")
    assert report.good
    assert "f.npy, unchanged, though modified later" in str(report)
    features = files.features.copy()
    features[2] += 1
    np.save("f.npy", features)
    report = lucid.verify("c.h5")
    assert not report.good
    assert {one.role: one.state for one in report.inputs} == {"features": "changed", "rois": "same"}
    assert {found.row for found in report.tally.found} <= set(np.flatnonzero(files.rois[:, 0] == 2))
    np.save("f.npy", features[:, :5])
    report = lucid.verify("c.h5")
    assert report.rows == 0
    assert report.mismatch.startswith(
        "its crops are (60, 6, 3, 4) float32, and its inputs give (60, 5"
    )


def test_an_input_that_is_gone_is_an_error_that_names_the_option(files):
    made()
    os.rename("f.npy", "g.npy")
    with pytest.raises(SourceError, match="say where it is by now: features"):
        lucid.verify("c.h5")
    report = lucid.verify("c.h5", features="g.npy")
    assert report.good
    assert [one.state for one in report.inputs] == ["same", "same"]
    np.save("h.npy", np.asfortranarray(files.features))
    report = lucid.verify("c.h5", features="h.npy")
    assert report.good
    assert [one.state for one in report.inputs] == ["other", "same"]


@pytest.mark.slow
def test_inputs_are_looked_for_beside_the_file(files):
    os.mkdir("deep")
    made("deep/c.h5")
    shutil.copytree(".", "../elsewhere", dirs_exist_ok=True)
    for name in ("f.npy", "r.npy"):
        os.remove(name)
    assert lucid.verify("../elsewhere/deep/c.h5").good
