"""What HDF5 files lead to: found by its name, refused unless trusted, and told where it is gone."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid import SourceError
from lucid.stream import list_arrays

SHAPE = (5, 6, 12, 17)


def crops_of(features, rois="r.npy", **options):
    lucid.extract(features, rois, "crops.npy", overwrite=True, spatial_scale=1, **options)
    return np.load("crops.npy")


def virtual(file, name, *sources, shape=SHAPE):
    """Make a virtual dataset of others of the same shape, one behind the other."""
    layout = h5py.VirtualLayout((shape[0] * len(sources), *shape[1:]), "f4")
    for k, (path, source) in enumerate(sources):
        part = h5py.VirtualSource(path, source, shape)
        layout[k * shape[0] : (k + 1) * shape[0]] = part
    file.create_virtual_dataset(name, layout)


@pytest.fixture
def out(files):
    """An HDF5 file with virtual datasets of its own datasets, through which it leads out."""
    Path("raw.bin").write_bytes(files.features.tobytes())
    with h5py.File("out.h5", "w") as file:
        file["own"] = files.features
        storage = [("raw.bin", 0, files.features.nbytes)]
        file.create_dataset("stored", SHAPE, "f4", external=storage)
        file["linked"] = h5py.ExternalLink("f.h5", "features")
        file["soft"] = h5py.SoftLink("/linked")
        file["group"] = h5py.ExternalLink("f.h5", "/")
        virtual(file, "away", ("f.h5", "features"))
        for name in ("own", "stored", "linked", "soft", "group/features", "away"):
            virtual(file, f"of/{name}", (".", name))
            virtual(file, f"of_own_and/{name}", (".", "own"), (".", name))
            virtual(file, f"of_of/{name}", (".", f"of/{name}"))
    return files


@pytest.mark.parametrize("way", ["of", "of_own_and", "of_of"])
def test_a_virtual_dataset_of_the_same_file_is_no_way_out(out, way):
    expected = crops_of("f.npy")
    for name in ("stored", "linked", "soft", "group/features", "away"):
        with pytest.raises(SourceError, match=f"out.h5::{way}/{name} .*; pass trust_input=True"):
            crops_of(f"out.h5::{way}/{name}")
        followed = crops_of(f"out.h5::{way}/{name}", trust_input=True)
        np.testing.assert_array_equal(followed, expected)
    np.testing.assert_array_equal(crops_of(f"out.h5::{way}/own"), expected)


def test_names_made_by_a_pattern_are_not_followed(out):
    with h5py.File("out.h5", "a") as file:
        file["block_0"] = h5py.ExternalLink("f.h5", "features")
        layout = h5py.VirtualLayout(SHAPE, "f4", maxshape=(None, *SHAPE[1:]))
        some = h5py.h5s.UNLIMITED
        space = h5py.h5s.create_simple(SHAPE, (some, *SHAPE[1:]))
        space.select_hyperslab((0, 0, 0, 0), (some, 1, 1, 1), (5, 1, 1, 1), SHAPE)
        layout.dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        source = h5py.h5s.create_simple(SHAPE)
        layout.dcpl.set_virtual(space, b".", b"block_%b", source)
        kind = h5py.h5t.IEEE_F32LE
        h5py.h5d.create(file.id, b"pattern", kind, space, layout.dcpl)
    with pytest.raises(SourceError, match="out.h5::pattern is a virtual dataset made of other fil"):
        crops_of("out.h5::pattern")
    assert "pattern" not in [info.dataset for info in list_arrays("out.h5")]


def test_virtual_datasets_made_of_each_other_end(out):
    with h5py.File("out.h5", "a") as file:
        virtual(file, "a", (".", "b"))
        virtual(file, "b", (".", "c"))
        file["c"] = h5py.SoftLink("a")
        virtual(file, "d0", (".", "own"), (".", "own"), shape=(1, 1, 4, 4))
        for k in range(1, 30):  # each made of the one before, twice: 2**30 ways
            virtual(file, f"d{k}", (".", f"d{k - 1}"), (".", f"d{k - 1}"), shape=(1, 1, 4, 4))
    for trust in (False, True):
        with pytest.raises(SourceError, match="is a virtual dataset made of itself"):
            crops_of("out.h5::a", trust_input=trust)
    with h5py.File("out.h5") as file:
        from lucid.stream.read.ways_out import require_whole

        require_whole(file["d29"], "d29", False)


def test_nothing_is_opened_to_tell_how_long_a_virtual_dataset_is(files):
    """HDF5 would open the FIFO, and wait for ever."""
    os.mkfifo("fifo.h5")
    layout = h5py.VirtualLayout((5, 3), "f4", maxshape=(None, 3))
    source = h5py.VirtualSource("fifo.h5", "rois", (5, 3), maxshape=(None, 3))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    with h5py.File("wait.h5", "w") as file:
        file.create_virtual_dataset("waits", layout)
        file["rois"] = files.rois
    assert [info.dataset for info in list_arrays("wait.h5")] == ["rois"]
    with pytest.raises(SourceError, match="made of other files"):
        lucid.extract("f.npy", "wait.h5::waits", "c.npy")


@pytest.mark.parametrize("trust", [False, True])
def test_soft_links_are_listed_and_chosen_by_name(files, trust):
    with h5py.File("soft.h5", "w") as file:
        file["data/maps"] = files.features
        file["data/older"] = files.features * 2
        file["features"] = h5py.SoftLink("/data/maps")
        file["alias"] = h5py.SoftLink("/data")
        file["gone"] = h5py.SoftLink("/nothing")
    names = [info.dataset for info in list_arrays("soft.h5", trust)]
    assert names == ["data/maps", "data/older", "features"]
    np.testing.assert_array_equal(crops_of("soft.h5", trust_input=trust), crops_of("f.npy"))


def test_a_link_beside_its_dataset_is_no_second_candidate(files):
    with h5py.File("one.h5", "w") as file:
        file["data/maps"] = files.features
        file["latest"] = h5py.SoftLink("/data/maps")
    np.testing.assert_array_equal(crops_of("one.h5"), crops_of("f.npy"))


def test_what_links_to_other_files_lead_to_is_found_if_trusted(files):
    with h5py.File("there.h5", "w") as file:
        file["maps"] = files.features
        file["back"] = h5py.ExternalLink("links.h5", "/")
    with h5py.File("links.h5", "w") as file:
        file["features"] = h5py.ExternalLink("f.h5", "/features")
        file["group"] = h5py.ExternalLink("there.h5", "/")
        file["gone"] = h5py.ExternalLink("nothing.h5", "/features")
    assert list_arrays("links.h5") == []
    found = {info.dataset: info.shape for info in list_arrays("links.h5", trust=True)}
    assert found == {"features": SHAPE, "group/maps": SHAPE}
    np.testing.assert_array_equal(crops_of("links.h5", trust_input=True), crops_of("f.npy"))
    with pytest.raises(SourceError, match="no dataset usable as features"):
        crops_of("links.h5")
    with pytest.raises(SourceError, match="links.h5::gone is a link that leads nowhere"):
        crops_of("links.h5::gone", trust_input=True)


@pytest.mark.parametrize("folder", [".", "elsewhere"])
def test_a_virtual_dataset_of_a_file_that_is_gone_is_an_error(files, folder):
    """HDF5 would read zeros, and rows of zeros are boxes on image 0."""
    Path(folder).mkdir(exist_ok=True)
    with h5py.File(f"{folder}/half.h5", "w") as file:
        file["rois"] = files.rois[:30]
    with h5py.File(f"{folder}/rest.h5", "w") as file:
        file["rois"] = files.rois[30:]
    with h5py.File(f"{folder}/all.h5", "w") as file:
        virtual(file, "rois", ("half.h5", "rois"), ("rest.h5", "rois"), shape=(30, 5))
    expected, every = crops_of("f.npy"), f"{folder}/all.h5"
    np.testing.assert_allclose(crops_of("f.npy", every, trust_input=True), expected, atol=1e-4)
    Path(folder, "rest.h5").rename("moved.h5")
    with pytest.raises(SourceError, match="all.h5::rois is made of rest.h5::rois, which is missin"):
        crops_of("f.npy", every, trust_input=True)
    with h5py.File(f"{folder}/rest.h5", "w") as file:
        file["boxes"] = files.rois[30:]
    with pytest.raises(SourceError, match="all.h5::rois is made of rest.h5::rois, which is missin"):
        crops_of("f.npy", every, trust_input=True)


def test_values_stored_in_another_file_must_all_be_there(files):
    """HDF5 would read zeros beyond the end of a file."""
    Path("raw.bin").write_bytes(b"....")
    with open("raw.bin", "ab") as stream:
        stream.write(files.features.tobytes())
    size = files.features.nbytes
    with h5py.File("stored.h5", "w") as file:
        file.create_dataset("features", SHAPE, "f4", external=[("raw.bin", 4, size)])
        unlimited = h5py.h5f.UNLIMITED
        file.create_dataset(
            "endless", SHAPE, "f4", external=[("raw.bin", 4, 8), ("raw.bin", 12, unlimited)]
        )
    for name in ("features", "endless"):
        crops = crops_of(f"stored.h5::{name}", trust_input=True)
        np.testing.assert_array_equal(crops, crops_of("f.npy"))
    os.truncate("raw.bin", size)
    for name in ("features", "endless"):
        with pytest.raises(SourceError, match=f"stored.h5::{name} is stored in raw.bin, .* short"):
            crops_of(f"stored.h5::{name}", trust_input=True)
    Path("raw.bin").unlink()
    with pytest.raises(SourceError, match="is stored in raw.bin, which is missing"):
        crops_of("stored.h5::features", trust_input=True)


def test_info_lists_what_links_lead_to_if_asked(files):
    with h5py.File("links.h5", "w") as file:
        file["features"] = h5py.ExternalLink("f.h5", "/features")
    for options, said in (([], "links.h5 holds no arrays"), (["--trust-input"], "::features ")):
        assert said in run_here("info", "links.h5", *options, text=True).stdout
