"""`preview --crops`: a file of crops says what its inputs were."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from scenes import rois_of

import lucid
from lucid.errors import SourceError
from lucid.viewer.scene import make_scene
from lucid.viewer.wishes import Wishes


@pytest.mark.parametrize("name", ["crops.h5", "crops.npz", "crops.safetensors", "crops.zarr"])
def test_a_file_of_crops_is_enough_wherever_it_lies_with_its_inputs(files, tmp_path, name):
    if name.endswith(".zarr"):
        pytest.importorskip("zarr")
    options = {"stride": 16, "aligned": True, "output_size": (3, 4), "boxes": "xyxy"}
    (tmp_path / "in").mkdir()
    for one in ("f.h5", "r.h5"):
        shutil.move(one, f"in/{one}")
    (tmp_path / "out").mkdir()
    lucid.extract("in/f.h5::features", "in/r.h5", f"out/{name}", **options)
    lucid.extract("in/f.h5::features", "in/r.h5", "plain.npy", **options)
    crops = np.load("plain.npy")
    (tmp_path / "moved").mkdir()
    for one in ("in", "out"):
        shutil.move(one, f"moved/{one}")
    scene = make_scene(Wishes(crops=f"moved/out/{name}", rows="0:60"))
    assert scene.report.features == "moved/out/../in/f.h5::features"
    for row, roi in rois_of(scene).items():
        np.testing.assert_array_equal(roi.crop, crops[row].mean(axis=0, dtype=np.float64))
    changed = make_scene(Wishes(crops=f"moved/out/{name}", rows="0:60", stride=8, aligned=False))
    assert changed.report.spatial_scale == (0.125, 0.125)
    assert not changed.report.aligned


def test_crops_of_a_file_that_its_inputs_do_not_give_any_more_are_drawn_and_named(files):
    lucid.extract("f.npy", "r.npy", "crops.h5", stride=16)
    with h5py.File("crops.h5", "r+") as file:
        file["crops"][3, 2] += 1
    scene = make_scene(Wishes(crops="crops.h5", rows="0:10"))
    assert scene.warnings == (
        "crops.h5 has other crops than its inputs give now, in row 3 of 10 that are drawn",
    )
    with h5py.File("crops.h5") as file:
        np.testing.assert_array_equal(rois_of(scene)[3].crop, file["crops"][3].mean(0, np.float64))
    assert make_scene(Wishes(crops="crops.h5", rows="0:3")).warnings == ()
    assert make_scene(Wishes(crops="crops.h5", rows="0:10", aligned=True)).warnings == ()


def test_options_of_a_file_of_crops_are_understood_again(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    for name in ("a", "b"):
        np.save(f"maps/{name}.npy", rng.standard_normal((3, 8, 10)).astype(np.float32))
    Path("boxes.csv").write_text("photo,l,t,w,h\nb,1,2,30,20\na,0,0,40,32\n")
    lucid.extract(
        "maps/{id}.npy", "boxes.csv", "out.h5", columns="image=photo,x=l,y=t,w=w,h=h",
        resize="long:40", image_size=(64, 80), stride=4, reduce="mean", dtype="float16",
    )  # fmt: skip
    scene = make_scene(Wishes(crops="out.h5"))
    assert [image.name for image in scene.images] == ["a", "b"]
    assert scene.report.coordinates == "long:40"
    bins = {row: roi.crop.mean() for row, roi in rois_of(scene).items()}
    with h5py.File("out.h5") as file:
        np.testing.assert_allclose(file["crops"][:].mean(axis=1), [bins[0], bins[1]], atol=1e-3)


def test_a_scale_of_each_image_is_found_again(tmp_path, rng):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["features"] = rng.standard_normal((2, 3, 9, 9))
        file["features"].attrs["spatial_scale"] = [[0.25, 0.25], [0.5, 0.5]]
    np.save(tmp_path / "r.npy", [[0, 1, 2, 20, 20], [1, 1, 2, 9, 9]])
    lucid.extract(tmp_path / "f.h5", tmp_path / "r.npy", tmp_path / "crops.h5")
    scene = make_scene(Wishes(crops=tmp_path / "crops.h5"))
    with h5py.File(tmp_path / "crops.h5") as file:
        for row, roi in rois_of(scene).items():
            np.testing.assert_allclose(roi.crop, file["crops"][row].mean(axis=0))


def test_files_that_do_not_say_their_inputs_are_refused(files):
    lucid.extract("f.npy", files.rois, "memory.h5", stride=16)
    with pytest.raises(SourceError, match="was made from rois in memory.*; pass rois$"):
        make_scene(Wishes(crops="memory.h5"))
    assert len(rois_of(make_scene(Wishes(crops="memory.h5", rois="r.npy", rows="2")))) == 1
    for name in ("f.h5", "f.npy"):
        with pytest.raises(SourceError, match=f"{name} does not say from what it was made"):
            make_scene(Wishes(crops=name))
    with pytest.raises(SourceError, match="cannot be (read|opened)"):
        make_scene(Wishes(crops="missing.h5"))
