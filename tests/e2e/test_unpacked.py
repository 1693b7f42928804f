"""Datasets whose values are not stored as they are meant."""

import h5py
import numpy as np
import pytest

import lucid
from lucid.models.utils import roi_align
from lucid.stream import list_arrays
from lucid.stream.read.maps import Maps


def crops_of(features, rois="r.npy", **options):
    report = lucid.extract(features, rois, "c.npy", overwrite=True, stride=16, **options)
    return None if options.get("dry_run") else np.load("c.npy"), report


def packed(files, dtype="i2", scale=1e-3, offset=0.5, fill=None):
    """Write features as netCDF packs them, and return them as they are read back."""
    stored = np.round((files.features - offset) / scale).astype(dtype)
    with h5py.File("n.nc", "w") as file:
        dataset = file.create_dataset("features", data=stored, chunks=(2, 6, 12, 17))
        dataset.attrs["scale_factor"], dataset.attrs["add_offset"] = scale, offset
        if fill is not None:
            dataset.attrs["_FillValue"] = np.array([fill], dtype)
            dataset[2, 3] = stored[2, 3] = fill
    return np.where(stored == fill, np.nan, stored * scale + offset)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_packed_integers_are_unpacked_in_the_precision_of_their_factors(files, kind):
    meant = packed(files, scale=kind(1e-3), offset=kind(0.5))
    found, report = crops_of("n.nc")
    assert found.dtype == kind
    np.testing.assert_allclose(found, roi_align(meant, files.rois, 7, 1 / 16), atol=1e-5)
    assert report.features_dtype == "int16 * 0.001 + 0.5"
    assert list_arrays("n.nc")[0].roles == ["features"]


def test_cells_without_a_value_are_nan_in_the_bins_that_read_them(files):
    meant = packed(files, fill=-32768)
    found, report = crops_of("n.nc")
    expected = roi_align(meant, files.rois, 7, 1 / 16)
    assert np.isnan(expected[files.rois[:, 0] == 2, 3]).any()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert "-32768 is NaN" in report.features_dtype


@pytest.fixture
def cells_read(files, monkeypatch):
    """Which cells of the maps were read, (N, C, H, W)."""
    read = np.zeros(files.features.shape, bool)

    def noting(method, mark):
        def noted(self, *window):
            mark(*window)
            return method(self, *window)

        return noted

    def one(image, window):
        read[image, :, *window] = True

    monkeypatch.setattr(Maps, "read", noting(Maps.read, one))
    several = noting(Maps.read_several, lambda images: read.__setitem__(images, True))
    monkeypatch.setattr(Maps, "read_several", several)
    return read


@pytest.mark.parametrize("chunks", [None, (2, 3, 5, 4)])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.usefixtures("helpers_are_threads")
def test_cells_without_a_value_are_counted_once_each(files, tuned, cells_read, chunks, jobs):
    tuned(seek_bytes=1)  # so that maps are read in several parts
    maps, fill = files.features.copy(), np.float32(-99)
    maps[np.random.default_rng(3).random(maps.shape) < 0.1] = fill
    with h5py.File("n.nc", "w") as file:
        file.create_dataset("features", data=maps, chunks=chunks).attrs["_FillValue"] = fill
    corner = files.rois[:, 1:3].clip(0, 120)
    np.save("small.npy", np.c_[files.rois[:, 0], corner, corner + 30])
    assert crops_of("n.nc", "small.npy", dry_run=True)[1].holes == 0
    found, report = crops_of("n.nc", "small.npy", jobs=jobs)
    assert report.holes == ((maps == fill) & cells_read).sum() > 0
    assert cells_read.all() == bool(chunks)
    assert np.isnan(found).any()


@pytest.mark.usefixtures("helpers_are_threads")
def test_processes_and_boxes_read_them_too(files):
    packed(files)
    rows = np.round(files.rois * 16).astype("i4")
    with h5py.File("r.h5", "w") as file:
        file["rois"] = rows
        file["rois"].attrs["scale_factor"] = 1 / 16
    found, _ = crops_of("n.nc", "r.h5", jobs=2)
    np.testing.assert_array_equal(found, crops_of("n.nc", rows / 16)[0])


def test_a_factor_that_is_no_number_is_named(files):
    packed(files)
    with h5py.File("n.nc", "a") as file:
        file["features"].attrs["scale_factor"] = np.ones(3)
    with pytest.raises(lucid.SourceError, match=r"n\.nc::features has a bad attribute: scale_fact"):
        crops_of("n.nc")


@pytest.mark.parametrize("chunks", [None, (17, 3, 6, 2)])
def test_arrays_of_matlab_have_the_axes_that_matlab_shows(files, chunks):
    with h5py.File("m.mat", "w", userblock_size=512) as file:
        file.create_dataset("feat", data=files.features.T, chunks=chunks)
        file["feat"].attrs["MATLAB_class"] = np.bytes_("single")
        file["boxes"] = files.rois.T
        file["boxes"].attrs["MATLAB_class"] = np.bytes_("double")
    found, report = crops_of("m.mat::feat", "m.mat::boxes")
    np.testing.assert_array_equal(found, roi_align(files.features, files.rois, 7, 1 / 16))
    assert report.features_shape == files.features.shape
    assert report.features_dtype == "float32 (axes as MATLAB shows them)"
    shapes = {info.dataset: info.shape for info in list_arrays("m.mat")}
    assert shapes == {"feat": files.features.shape, "boxes": files.rois.shape}


def test_netcdf_itself_unpacks_to_the_same(files):
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset("real.nc", "w") as file:
        for name, size in zip("ncyx", files.features.shape, strict=True):
            file.createDimension(name, size)
        variable = file.createVariable("features", "i2", tuple("ncyx"), fill_value=-32768)
        variable.scale_factor, variable.add_offset = 1e-3, 0.5
        values = np.ma.masked_array(files.features, files.features > 2)
        variable[:] = values
    with netcdf.Dataset("real.nc") as file:
        meant = file["features"][:].filled(np.nan)
    found, _ = crops_of("real.nc::features")
    np.testing.assert_allclose(found, roi_align(meant, files.rois, 7, 1 / 16), atol=1e-6)


def test_signed_integers_may_be_said_to_be_unsigned(files):
    stored = np.clip(np.round(files.features * 40 + 128), 0, 255).astype("u1")
    stored[stored == 255] = 254
    stored[2, 3] = 255
    with h5py.File("u.nc", "w") as file:
        file["plain"] = stored.view("i1")
        file["plain"].attrs["_Unsigned"] = "true"
        file["packed"] = stored.view("i1")
        attributes = {"_Unsigned": b"true", "scale_factor": np.float32(0.5),
                      "_FillValue": np.array([-1], "i1")}  # fmt: skip
        file["packed"].attrs.update(attributes)
    found, report = crops_of("u.nc::plain")
    np.testing.assert_array_equal(found, roi_align(stored, files.rois, 7, 1 / 16))
    assert report.features_dtype == "uint8 (as _Unsigned says)"
    meant = np.where(stored == 255, np.nan, stored * np.float32(0.5))
    found, _ = crops_of("u.nc::packed")
    np.testing.assert_allclose(found, roi_align(meant, files.rois, 7, 1 / 16), rtol=1e-6)
