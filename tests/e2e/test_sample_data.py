"""The sample data: small, real, and what its script makes of the photographs."""

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest

from lucid.models.utils import roi_align, roi_align_3d, roi_align_rotated

SAMPLE = Path(__file__).parents[2] / "sample_data"


@pytest.fixture
def make():
    pytest.importorskip("PIL")
    spec = importlib.util.spec_from_file_location("make", SAMPLE / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_script_makes_the_files_that_are_there(make):
    with h5py.File(SAMPLE / "features.h5") as file:
        np.testing.assert_allclose(file["features"][...], make.features(8), atol=1e-3)
        assert file["features"].attrs["spatial_scale"] == 1 / 8
    with h5py.File(SAMPLE / "pyramid.h5") as file:
        for level, maps in enumerate(file.values(), 4):
            np.testing.assert_allclose(maps[...], make.features(2**level), atol=2e-3)
            assert maps.attrs["spatial_scale"] == 1 / 2**level
    np.testing.assert_allclose(np.load(SAMPLE / "features.npy"), make.features(16), atol=2e-3)
    with h5py.File(SAMPLE / "volumes.h5") as file:
        np.testing.assert_allclose(file["features"][...], make.volumes(16), atol=2e-3)
    rows = {"rois": make.THINGS, "rotated": make.TURNED, "solid": make.SOLID}
    for name, things in rows.items():
        expected = np.float32([row[1:] for row in things])
        np.testing.assert_array_equal(np.load(SAMPLE / f"{name}.npy"), expected)


@pytest.mark.slow
def test_the_picture_of_operators_can_be_drawn(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(SAMPLE)  # as of a script
    spec = importlib.util.spec_from_file_location("draw", SAMPLE / "draw.py")
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    monkeypatch.setattr(draw, "HERE", tmp_path)
    draw.main()
    assert (tmp_path / "operators.png").stat().st_size > 20_000


def test_rotated_boxes_lie_along_things():
    """The rocket, which fills its box from end to end, is brighter than the sky beside it."""
    with h5py.File(SAMPLE / "features.h5") as file:
        light = file["features"][:, :1]
    rocket = np.load(SAMPLE / "rotated.npy")[5:]
    sky = rocket + np.array([0, 30, -8, 0, 0, 0])
    there, beside = (roi_align_rotated(light, rois, (1, 5), 1 / 8) for rois in (rocket, sky))
    assert (there > beside)[..., :4].all()


def test_scales_of_volumes_show_things_of_their_size():
    """A lamp is a blob at fine scales, the cup at coarse ones."""
    with h5py.File(SAMPLE / "volumes.h5") as file:
        volumes, scale = file["features"][...], file["features"].attrs["spatial_scale"]
    solid = np.load(SAMPLE / "solid.npy")
    every = solid * [1, 1, 1, 0, 1, 1, 0] + [0, 0, 0, 0, 0, 0, 7]
    blobs = roi_align_3d(volumes, every, (8, 1, 1), tuple(scale), aligned=False)[:, 1, :, 0, 0]
    cup, lamp = 0, 1
    assert blobs[lamp].argmax() < blobs[cup].argmax()


def test_it_is_under_two_megabytes():
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*")) < 2_000_000


def test_the_crops_show_what_the_rois_frame():
    """The nose is redder than the eyes, the saucer redder than the spoon; the lamp is bright."""
    with h5py.File(SAMPLE / "features.h5") as file:
        features = file["features"][...]
    crops = roi_align(features, np.load(SAMPLE / "rois.npy"), 7, 1 / 8, aligned=True)
    light, red = crops[:, 0].mean(axis=(1, 2)), crops[:, 1].mean(axis=(1, 2))
    face, left_eye, spoon, right_eye, tower, nose, saucer, lamp = 1, 2, 5, 6, 7, 9, 10, 11
    assert red[nose] > max(red[left_eye], red[right_eye])
    assert red[saucer] > red[spoon]
    assert light[face] > light[tower]
    assert crops[lamp, 0, 2:5, 2:5].mean() > features[3, 0].mean() + 0.2
