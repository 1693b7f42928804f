"""Ids that stand beside maps, in every container that can hold both."""

import h5py
import numpy as np
import pytest
import torch_files

import lucid
from lucid.models.utils import roi_align

NUMBERS, TEXTS = np.array([37209, 5, 9]), np.array(["a.jpg", "b.jpg", "c.jpg"])


def save_hdf5(maps, ids):
    with h5py.File("f.h5", "w") as file:
        file["features"], file["image_ids"] = maps, ids.astype(np.bytes_)
    return "f.h5", "image_ids"


def save_npz(maps, ids):
    np.savez("f.npz", features=maps, ids=ids)
    return "f.npz", "ids"


def save_packed(maps, ids):
    np.savez_compressed("f.npz", **{"train/x": maps, "val/x": maps, "train/image_ids": ids})
    return "f.npz::train/x", "train/image_ids"


def save_tensors(maps, ids):
    torch_files.save("f.pt", {"train": {"x": maps, "ids": ids.tolist()}, "x": {"ids": [1, 2, 3]}})
    return "f.pt::train.x", "train.ids"


def save_safetensors(maps, ids):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file({"features": maps, "image_id": np.ascontiguousarray(ids)}, "f.safetensors")
    return "f.safetensors", "image_id"


def save_zarr(zarr_format):
    def save(maps, ids):
        zarr = pytest.importorskip("zarr")
        group = zarr.open_group("f.zarr", mode="w", zarr_format=zarr_format)
        group.create_group("deep").create_array("features", data=maps)
        dtype = str if ids.dtype.kind == "U" else ids.dtype
        group.create_array("ids", shape=ids.shape, dtype=dtype)[:] = ids
        return "f.zarr::deep/features", "ids"

    return save


@pytest.mark.parametrize("ids", [NUMBERS, TEXTS], ids=["numbers", "texts"])
@pytest.mark.parametrize(
    "save",
    [save_hdf5, save_npz, save_packed, save_tensors, save_safetensors, save_zarr(2), save_zarr(3)],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # zarr's, of texts
def test_ids_beside_maps_are_found(tmp_path, monkeypatch, save, ids):
    if save is save_safetensors and ids is TEXTS:
        pytest.skip("safetensors holds no texts")
    monkeypatch.chdir(tmp_path)
    maps = np.random.default_rng(0).standard_normal((3, 2, 6, 6)).astype(np.float32)
    features, name = save(maps, ids)
    (tmp_path / "r.csv").write_text(f"image_id,x1,y1,x2,y2\n{ids[2]},0,0,3,3\n{ids[0]},1,1,4,5\n")
    report = lucid.extract(features, "r.csv", "c.npy")
    boxes = np.array([[2, 0, 0, 3, 3], [0, 1, 1, 4, 5]])
    np.testing.assert_array_equal(np.load("c.npy"), roi_align(maps, boxes, 7))
    assert (report.ids, report.ids_from) == ((str(ids[0]), str(ids[2])), f"dataset {name}")


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_ids_may_be_floats_in_a_row_or_a_column_as_those_of_matlab(tmp_path, monkeypatch, shape):
    monkeypatch.chdir(tmp_path)
    maps = np.random.default_rng(0).standard_normal((3, 2, 6, 6)).astype(np.float32)
    ids = NUMBERS.astype(np.float64).reshape(shape)
    np.save("ids.npy", ids)
    np.save("f.npy", maps)
    with h5py.File("f.h5", "w") as file:
        file["features"], file["ids"], file["scores"] = maps, ids, np.ones(3)
    (tmp_path / "r.csv").write_text("image_id,x1,y1,x2,y2\n9,0,0,3,3\n37209,1,1,4,5\n")
    expected = roi_align(maps, np.array([[2, 0, 0, 3, 3], [0, 1, 1, 4, 5]]), 7)
    for features, given in (("f.npy", "ids.npy"), ("f.npy", "f.h5::ids"), ("f.h5", None)):
        lucid.extract(features, "r.csv", "c.npy", ids=given, overwrite=True)
        np.testing.assert_array_equal(np.load("c.npy"), expected)
    np.save("ids.npy", ids + 0.5)
    with pytest.raises(lucid.ShapeError, match="must have whole numbers or texts, got 37209.5"):
        lucid.extract("f.npy", "r.csv", "c.npy", ids="ids.npy", overwrite=True)


def test_two_images_cannot_be_given_the_same_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maps, rois = np.ones((3, 2, 6, 6)), [[0, 0, 0, 3, 3]]
    with pytest.raises(lucid.ShapeError, match="ids must have .* got 'b' for images 1 and 2"):
        lucid.extract(maps, rois, "c.npy", ids=["a", "b", "b"])


def test_an_id_may_stand_in_a_name_more_than_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maps = {str(k): np.full((2, 6, 6), k, np.float32) for k in (9, 10)}
    np.savez("f.npz", **{f"{k}_{k}": one for k, one in maps.items()}, other=np.zeros(3))
    torch_files.save("f.pt", {k: {f"x{k}": one} for k, one in maps.items()})
    names = ["f.npz::{id}_{id}", "f.pt::{id}.x{id}"]
    if zarr := pytest.importorskip("zarr"):
        group = zarr.open_group("f.zarr", mode="w")
        for k, one in maps.items():
            group.create_group(k).create_array(f"x{k}", data=one)
        names += ["f.zarr::{id}/x{id}"]
    for name in names:
        lucid.extract(name, np.array([[1, 0, 0, 3, 3], [0, 0, 0, 3, 3]]), "c.npy", overwrite=True)
        assert np.load("c.npy")[:, 0, 0, 0].tolist() == [10, 9]
