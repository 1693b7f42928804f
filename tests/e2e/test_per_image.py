"""A file for each image, found by its id: the crops are those of the same maps in one array."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import ShapeError, SinkError, SourceError
from lucid.models.utils import roi_align

IDS = ["9", "10", "000139", "img.v1", "b"]


@pytest.fixture
def maps(files):
    """Maps of the images, each in files of its own, in an order that sorting would change."""
    os.mkdir("feats")
    for one, features in zip(IDS, files.features, strict=True):
        np.save(f"feats/{one}.npy", features)
        np.save(f"feats/batch_{one}_{one}.npy", features[None])
        with h5py.File(f"feats/{one}.h5", "w") as file:
            file["head"] = features[None]
            file[f"{one}_grid"] = features
            file["reversed"] = features[None, :, ::-1]
    np.save("ids.npy", np.array(IDS))
    return files


def crops_of(features, ids="ids.npy", output="c.npy", **options):
    lucid.extract(
        features, "r.npy", output, ids=ids, spatial_scale=1 / 16, overwrite=True, **options
    )
    return np.load(output)


def expected(maps, order=range(5)):
    return roi_align(maps.features[list(order)], maps.rois, 7, spatial_scale=1 / 16)


@pytest.mark.parametrize(
    "features",
    [
        "feats/{id}.npy",
        "feats/batch_{id}_{id}.npy",
        "feats/{id}.h5::head",
        "feats/{id}.h5::{id}_grid",
    ],
)
@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.parametrize("jobs", [1, 2])
def test_files_of_images_give_the_crops_of_one_array(maps, features, jobs):
    np.testing.assert_array_equal(crops_of(features, jobs=jobs), expected(maps))


def test_without_ids_images_are_those_that_are_there_in_natural_order(maps):
    Path("feats/.hidden.npy").write_bytes(b"not an array")
    Path("feats/note.txt").write_text("nor this")
    for path in Path("feats").glob("batch_*"):
        path.unlink()
    order = [IDS.index(one) for one in ("9", "10", "000139", "b", "img.v1")]
    np.testing.assert_array_equal(crops_of("feats/{id}.npy", None), expected(maps, order))


def test_maps_may_be_of_differing_size(maps):
    np.save("feats/9.npy", np.ones((6, 30, 4), np.float32))
    report = lucid.extract("feats/{id}.npy", "r.npy", "c.npy", ids="ids.npy", dry_run=True)
    assert report.features_shape == (5, 6, 30, 17)


def test_channels_last_and_a_memory_of_little_more_than_a_map(maps):
    for one, features in zip(IDS, maps.features, strict=True):
        np.save(f"feats/{one}.npy", features.transpose(1, 2, 0))
    crops = crops_of("feats/{id}.npy", layout="nhwc", memory="43M")
    np.testing.assert_array_equal(crops, expected(maps))


@pytest.mark.parametrize(
    ("features", "ids", "message"),
    [
        ("feats/x{id}.npy", None, r"feats/x\{id\}.npy matches no file"),
        ("feats", None, r"feats is a folder; .* pass feats/\{id\}\.h5"),
        ("gone/{id}.npy", None, "gone cannot be opened: No such file or directory"),
        ("feats/{id}.npy", "others.npy", "feats/7.npy cannot be opened: No such file"),
    ],
)
def test_what_is_missing_is_named(maps, features, ids, message):
    np.save("others.npy", np.array(["9", "7"]))
    with pytest.raises(SourceError, match=message):
        crops_of(features, ids)
    assert not Path("c.npy").exists()


def test_a_map_unlike_the_first_is_named(maps):
    np.save("feats/10.npy", maps.features[0][:3])
    with pytest.raises(ShapeError, match="feats/10.npy must have 6 channels of float32 as the fir"):
        crops_of("feats/{id}.npy")
    np.save("feats/10.npy", maps.features)
    with pytest.raises(ShapeError, match=r"feats/10.npy must have shape \(C, H, W\), got \(5, 6"):
        crops_of("feats/{id}.npy")


def test_a_resumed_run_notices_that_one_of_the_files_has_changed(maps, tuned):
    tuned(crops_bytes=4000)
    run = {"ids": "ids.npy", "spatial_scale": 1 / 16}

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract("feats/{id}.npy", "r.npy", "c.h5", on_progress=stop, **run)
    before = Path("feats/b.npy").read_bytes()
    np.save("feats/b.npy", maps.features[0])
    with pytest.raises(SinkError, match="c.h5 was begun with other contents of features"):
        lucid.extract("feats/{id}.npy", "r.npy", "c.h5", resume=True, **run)
    Path("feats/b.npy").write_bytes(before)
    assert lucid.extract("feats/{id}.npy", "r.npy", "c.h5", resume=True, **run).resumed >= 30
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["crops"], expected(maps))
        assert file["crops"].attrs["features"] == "feats/{id}.npy"


def test_an_output_is_not_written_over_one_of_the_files(maps):
    with pytest.raises(SinkError, match="feats/9.npy is an input of this run"):
        lucid.extract("feats/{id}.npy", "r.npy", "feats/9.npy", ids="ids.npy", overwrite=True)
