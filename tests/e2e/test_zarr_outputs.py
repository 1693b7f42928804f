"""Crops in zarr stores: what zarr and xarray find there, and the promises of files kept."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SinkError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays

zarr = pytest.importorskip("zarr")

KINDS = [{}, {"compression": "gzip"}, {"compression": "zstd"}]


def extract(output="c.zarr", features="f.npy", rois="r.npy", **options):
    return lucid.extract(features, rois, output, spatial_scale=1 / 16, **options)


def contents(store="c.zarr"):
    """Return the bytes of the files of a store."""
    files = sorted(path for path in Path(store).rglob("*") if path.is_file())
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def left_beside():
    return sorted(path.name for path in Path().glob("c.zarr?*"))


@pytest.fixture
def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({}, "float16"),
        ({"compression": "gzip"}, "float32"),
        ({"compression": "zstd"}, "float64"),
        ({"chunks": 7}, "float64"),
        ({"chunks": 7, "compression": "gzip"}, "float16"),
    ],
)
def test_zarr_finds_crops_and_what_stands_beside_them(files, expected, options, dtype):
    ids = [f"é{k}" * k for k in range(1, 6)]
    np.save("ids.npy", ids)
    extract(dtype=dtype, ids="ids.npy", **options)
    group = zarr.open_group("c.zarr", mode="r")
    assert sorted(group.array_keys()) == ["crops", "ids", "rois"]
    crops = group["crops"]
    np.testing.assert_allclose(crops[...], expected.astype(dtype), rtol=1e-3)
    assert crops.dtype == dtype
    assert crops.chunks == (options.get("chunks", 60), 6, 7, 7)
    assert crops.attrs["features"] == "f.npy"
    assert crops.attrs["output_size"] == [7, 7]
    assert crops.metadata.dimension_names == ("roi", "channel", "y", "x")
    np.testing.assert_array_equal(group["rois"][...], files.rois)
    assert group["ids"][...].tolist() == ids


def test_xarray_opens_it_by_the_names_of_its_axes(files, expected):
    xarray = pytest.importorskip("xarray")
    np.save("ids.npy", [10, 20, 30, 40, 50])
    extract(rois=files.rois[np.argsort(files.rois[:, 0], kind="stable")], ids="ids.npy", chunks=16)
    with xarray.open_zarr("c.zarr", chunks=None) as data:
        assert data.crops.dims == ("roi", "channel", "y", "x")
        assert data.ranges.dims == ("image", "bound")
        assert data.ids.dims == ("image",)
        assert data.ids.values.tolist() == [10, 20, 30, 40, 50]
        own = data.crops.isel(roi=slice(*data.ranges.values[1].tolist())).values
    np.testing.assert_array_equal(own, expected[files.rois[:, 0] == 1])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"reduce": "mean"}, {"reduce": "mean", "compression": "zstd"}])
def test_means_and_many_chunks_of_what_stands_beside_them(files, expected, options):
    rois = np.tile(files.rois, (800, 1))  # more than a chunk of them
    lucid.extract("f.npy", rois, "c.zarr", spatial_scale=1 / 16, **options)
    group = zarr.open_group("c.zarr", mode="r")
    assert group["rois"].nchunks > 1
    np.testing.assert_array_equal(group["rois"][...], rois)
    mean = np.tile(expected.mean(axis=(2, 3)), (800, 1))
    np.testing.assert_allclose(group["crops"][...], mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", KINDS)
def test_the_same_job_gives_the_same_bytes_and_its_output_can_be_read_again(files, options):
    extract(chunks=16, **options)
    first = contents()
    extract(chunks=16, overwrite=True, **options)
    assert contents() == first
    assert not left_beside()
    infos = {info.dataset: info for info in list_arrays("c.zarr")}
    assert infos["crops"].roles == ["features"]
    np.save("b.npy", [[0, 1, 1, 5, 5]])
    extract("d.npy", features="c.zarr::crops", rois="b.npy")


@pytest.mark.parametrize("options", KINDS)
def test_a_complete_output_is_told_from_that_of_another_job(files, options):
    extract(**options)
    assert extract(resume=True, **options).resumed == 60
    with pytest.raises(SinkError, match="c.zarr exists; pass overwrite=True to replace it"):
        extract(**options)
    with pytest.raises(SinkError, match="is complete, but with aligned False, not True"):
        extract(resume=True, aligned=True, **options)
    Path("c.zarr/crops/zarr.json").write_text("{")
    with pytest.raises(SinkError, match="is no output of this tool"):
        extract(resume=True, **options)


def test_a_folder_that_is_no_store_is_never_replaced(files):
    Path("c.zarr").mkdir()
    Path("c.zarr/mine.txt").write_text("mine")
    with pytest.raises(SinkError, match="c.zarr is a directory"):
        extract(overwrite=True)
    assert contents() == {"mine.txt": b"mine"}


def test_a_store_that_holds_an_input_is_not_replaced(files):
    zarr.open_group("c.zarr", mode="w").create_array("f", data=files.features)
    zarr.create_array("c.zarr/deep", data=files.rois)
    for inputs in ({"features": "c.zarr::f"}, {"rois": "c.zarr/deep"}):
        with pytest.raises(SinkError, match="c.zarr is an input of this run"):
            extract(overwrite=True, **inputs)


@pytest.mark.parametrize("options", KINDS)
def test_no_rows(files, options):
    np.save("none.npy", np.zeros((0, 5)))
    extract(rois="none.npy", **options)
    assert zarr.open_group("c.zarr", mode="r")["crops"][...].shape == (0, 6, 7, 7)


def test_invalid_rows_are_zeros(files, expected):
    rois = files.rois.copy()
    rois[::3, 1] = np.nan
    expected[::3] = 0
    extract(rois=rois, invalid="zero", chunks=2)
    np.testing.assert_array_equal(zarr.open_group("c.zarr", mode="r")["crops"][...], expected)


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("c.zarr", {"checksum": True}, "checksum is for HDF5, not for .zarr"),
        ("c.zarr", {"compression": "lzf"}, "zarr has compression gzip and zstd, not lzf"),
        ("c.h5", {"compression": "zstd"}, "HDF5 has compression gzip and lzf, not zstd"),
        ("{id}.zarr", {}, "and end in .npz, .h5, .hdf5, .npy, got {id}.zarr"),
        ("c.zarr::{id}", {}, "output must be FILE.h5::{id} for groups"),
    ],
)
def test_what_it_cannot_be_is_said(files, output, options, message):
    with pytest.raises(ValueError, match=message):
        extract(output, **options)


def test_zstd_without_its_package(files, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "numcodecs.zstd", None)
    with pytest.raises(SinkError, match=r"pip install 'lucid-roialign\[zarr\]'"):
        extract(compression="zstd")
    assert not left_beside()


@pytest.mark.parametrize("options", [*KINDS, {"chunks": 7}])
def test_an_interrupted_run_is_resumed(files, tuned, options):
    extract("whole.zarr", **options)
    tuned(crops_bytes=20_000)

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(on_progress=stop, **options)
    assert not Path("c.zarr").exists()
    with pytest.raises(SinkError, match="c.zarr is unfinished"):
        extract(**options)
    assert extract(resume=True, **options).resumed >= 15
    assert contents() == contents("whole.zarr")
    assert not left_beside()


def test_files_of_chunks_that_a_power_cut_has_taken_are_made_again(files, tuned, expected):
    tuned(crops_bytes=20_000)
    rois = files.rois[np.argsort(files.rois[:, 0])]
    expected = expected[np.argsort(files.rois[:, 0])]

    def stop(rows_done):
        if rows_done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(rois=rois, chunks=4, on_progress=stop)
    Path("c.zarr.part/crops/c.14.0.0.0").unlink()
    os.truncate("c.zarr.part/crops/c.13.0.0.0", 5)
    extract(rois=rois, chunks=4, resume=True)
    np.testing.assert_array_equal(zarr.open_group("c.zarr", mode="r")["crops"][...], expected)


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_kill_while_the_old_store_steps_aside(files, monkeypatch, options, moved):
    """Of the two renames and the removal of the old store, so many are done."""
    extract(aligned=True)
    extract("whole.zarr", **options)
    replace, renames = Path.replace, []

    def killed(self, target):
        if "zarr" in f"{target}" and "packed" not in self.name and "journal" not in self.name:
            if len(renames) == moved:
                raise MemoryError
            renames.append(target)
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        patch.setattr("lucid.stream.write.disk.remove", _unless_aside)
        with pytest.raises((MemoryError, SinkError)):
            extract(overwrite=True, **options)
    assert extract(resume=True, **options).resumed == 60
    assert contents() == contents("whole.zarr")
    assert not left_beside()


def _unless_aside(path):
    if path.name == "c.zarr.part.packed" and (path / "crops").exists():
        raise MemoryError


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_a_failed_write_names_the_output(files, monkeypatch, options):
    def full(*about):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lucid.stream.write.rows.write_rows", full)
        with pytest.raises(SinkError, match="c.zarr cannot be written: No space left on device"):
            extract(**options)
    assert not left_beside()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"chunks": 3}, {"compression": "zstd"}])
def test_on_two_processes(files, options):
    extract("whole.zarr", **options)
    extract(jobs=2, **options)
    assert contents() == contents("whole.zarr")


def test_the_attributes_are_json(files):
    extract()
    about = json.loads(Path("c.zarr/zarr.json").read_bytes())
    said = about["consolidated_metadata"]["metadata"]["crops"]
    assert said == json.loads(Path("c.zarr/crops/zarr.json").read_bytes())
    assert said["attributes"]["lucid_version"] == lucid.__version__
