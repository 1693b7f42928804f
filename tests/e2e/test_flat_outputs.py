"""Crops in .npz and safetensors files: what the formats' own libraries find there."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SinkError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays

OUTPUTS = ["c.npz", "c.safetensors"]


def extract(output, features="f.npy", rois="r.npy", **options):
    return lucid.extract(features, rois, output, spatial_scale=1 / 16, **options)


def found_in(output):
    """Return the arrays and the attributes of an output, by the format's own library."""
    if output.endswith(".npz"):
        with zipfile.ZipFile(output) as file:
            assert file.testzip() is None
            attributes = json.loads(file.read("attributes.json"))
        with np.load(output) as file:
            return {
                name: file[name] for name in file.files if name != "attributes.json"
            }, attributes
    library = pytest.importorskip("safetensors")
    with library.safe_open(output, "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def in_order(files):
    """Return the RoIs sorted by image, so that ranges are written too."""
    rows = files.rois[np.argsort(files.rois[:, 0], kind="stable")]
    np.save("sorted.npy", rows)
    return rows


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_formats_own_library_finds_crops_and_what_stands_beside_them(files, output, dtype):
    rows = in_order(files)
    np.save("ids.npy", [10, 20, 30, 40, 50])
    extract(output, rois="sorted.npy", dtype=dtype, ids="ids.npy")
    arrays, attributes = found_in(output)
    expected = roi_align(files.features, rows, 7, spatial_scale=1 / 16).astype(dtype)
    np.testing.assert_allclose(arrays["crops"], expected, rtol=1e-3)
    assert arrays["crops"].dtype == dtype
    np.testing.assert_array_equal(arrays["rois"], rows)
    np.testing.assert_array_equal(arrays["ids"], [10, 20, 30, 40, 50])
    assert arrays["ranges"].shape == (5, 2)
    assert attributes["features"] == "f.npy"
    assert attributes["lucid_version"] == lucid.__version__
    assert json.loads(str(attributes["output_size"])) == [7, 7]


@pytest.mark.parametrize("output", OUTPUTS)
def test_texts_are_utf8_bytes(files, output):
    np.save("ids.npy", ["a", "bé", "c", "d", "e"])
    extract(output, ids="ids.npy")
    arrays, _ = found_in(output)
    texts = arrays["ids"].view("S3").ravel() if output.endswith("rs") else arrays["ids"]
    assert [text.decode() for text in texts.tolist()] == ["a", "bé", "c", "d", "e"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_same_job_gives_the_same_bytes_and_its_output_can_be_read_again(files, output):
    extract(output)
    first = Path(output).read_bytes()
    extract(output, overwrite=True)
    assert Path(output).read_bytes() == first
    infos = {info.dataset: info for info in list_arrays(output)}
    assert infos["crops"].roles == ["features"]
    np.save("b.npy", [[0, 1, 1, 5, 5]])
    extract("d.npy", features=f"{output}::crops", rois="b.npy")


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_complete_output_is_told_from_that_of_another_job(files, output):
    extract(output)
    assert extract(output, resume=True).resumed == 60
    with pytest.raises(SinkError, match="is complete, but with aligned False, not True"):
        extract(output, resume=True, aligned=True)
    Path(output).write_bytes(b"something else")
    with pytest.raises(SinkError, match="is no output of this tool"):
        extract(output, resume=True)


@pytest.mark.parametrize("output", OUTPUTS)
def test_no_rows(files, output):
    np.save("none.npy", np.zeros((0, 5)))
    extract(output, rois="none.npy")
    arrays, _ = found_in(output)
    assert arrays["crops"].shape == (0, 6, 7, 7)


@pytest.mark.parametrize("output", OUTPUTS)
def test_options_of_hdf5_are_refused(files, output):
    with pytest.raises(ValueError, match="are for HDF5 and zarr, not for .(npz|safetensors)"):
        extract(output, compression="gzip")


@pytest.mark.slow
@pytest.mark.parametrize("output", OUTPUTS)
def test_more_than_4_gib(files, output):
    """Most rows are invalid, so that the file has holes and takes no room."""
    rois = np.array([[0, np.nan, 0, 1, 1]] * 5000)
    rois[[0, 4999]] = [[1, 0, 0, 99, 99], [2, 50, 50, 150, 99]]
    np.save("many.npy", rois)
    extract(output, rois="many.npy", output_size=200, invalid="zero")
    (crops,) = (info for info in list_arrays(output) if info.dataset == "crops")
    assert crops.shape == (5000, 6, 200, 200)
    if output.endswith(".npz"):
        with zipfile.ZipFile(output) as file:
            assert file.testzip() is None
    expected = roi_align(files.features, rois[[0, 4999]], 200, spatial_scale=1 / 16)
    arrays = lucid.stream.read.arrays.open_source(f"{output}::crops", ("x",), lambda *about: None)
    with arrays:
        np.testing.assert_array_equal(arrays[4999], expected[1])
        np.testing.assert_array_equal(arrays[0], expected[0])
