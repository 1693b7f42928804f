"""Files from anywhere: nothing they say leads elsewhere, hangs, exhausts memory or ends badly."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import MemoryLimitError, SourceError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays

SHAPE = (5, 6, 12, 17)


def run(features, **options):
    lucid.extract(features, "r.npy", "crops.npy", overwrite=True, **options)
    return np.load("crops.npy")


@pytest.fixture
def lures(files):
    """An HDF5 file whose datasets lead to another file in each way that there is."""
    with h5py.File("lures.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("f.h5", "features")
        file["group"] = h5py.ExternalLink("f.h5", "/")
        file["soft"] = h5py.SoftLink("/linked")
        file["deep/soft"] = h5py.SoftLink("../group/features")
        file["deep/softer"] = h5py.SoftLink("/group/features")
        Path("raw.bin").write_bytes(files.features.tobytes())
        size = files.features.nbytes
        file.create_dataset("external", SHAPE, "f4", external=[("raw.bin", 0, size)])
        virtual = h5py.VirtualLayout(SHAPE, "f4")
        virtual[:] = h5py.VirtualSource("f.h5", "features", SHAPE)
        file.create_virtual_dataset("virtual", virtual)
        file["loop"] = h5py.SoftLink("/loop")
        file["own"] = files.features
        file["own_link"] = h5py.SoftLink("/own")
        inner = h5py.VirtualLayout(SHAPE, "f4")
        inner[:] = h5py.VirtualSource(".", "own", SHAPE)
        file.create_virtual_dataset("own_virtual", inner)
    return files


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("linked", "is a link to another file, 'f.h5'; pass trust_input=True"),
        ("group/features", "is a link to another file, 'f.h5'"),
        ("soft", "is a link to another file, 'f.h5'"),
        ("deep/softer", "is a link to another file, 'f.h5'"),
        ("external", "is stored in another file, 'raw.bin'"),
        ("virtual", "is a virtual dataset made of other files"),
    ],
)
def test_what_leads_to_another_file_is_followed_only_if_trusted(lures, dataset, message):
    with pytest.raises(SourceError, match=f"lures.h5::{dataset} {message}"):
        run(f"lures.h5::{dataset}")
    crops = run(f"lures.h5::{dataset}", trust_input=True, spatial_scale=1)
    np.testing.assert_array_equal(crops, roi_align(lures.features, lures.rois, 7))


@pytest.mark.parametrize("dataset", ["own", "own_link", "own_virtual"])
def test_what_stays_in_the_file_is_read(lures, dataset):
    expected = roi_align(lures.features, lures.rois, 7)
    np.testing.assert_array_equal(run(f"lures.h5::{dataset}"), expected)


def test_a_loop_of_links_is_not_followed_for_ever(lures):
    with pytest.raises(SourceError, match="is a chain of more than 32 links"):
        run("lures.h5::loop")


def test_links_out_are_refused_in_every_part_of_a_run(lures):
    with h5py.File("lures.h5", "a") as file:
        file["rois"] = h5py.ExternalLink("r.h5", "rois")
        for image in range(5):
            file[f"{image}_f"] = h5py.ExternalLink("f.h5", "features")
    with pytest.raises(SourceError, match="link to another file"):
        lucid.extract("f.npy", "lures.h5::rois", "c.npy")
    np.save("ids.npy", np.arange(5))
    with pytest.raises(SourceError, match="link to another file"):
        run("lures.h5::{id}_f", ids="ids.npy")


def test_a_filter_that_would_have_to_be_loaded_is_refused(files):
    with h5py.File("plugged.h5", "w") as file:
        space = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space.set_chunk((1, *SHAPE[1:]))
        space.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        kind, shape = h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(SHAPE)
        h5py.h5d.create(file.id, b"features", kind, shape, space)
    with pytest.raises(SourceError, match="is stored with filter 32015 .Zstandard., a plug-in"):
        run("plugged.h5")


def test_a_contiguous_array_larger_than_its_file_is_refused(files):
    with h5py.File("bomb.h5", "w") as file:
        file.create_dataset("features", (10**6, 64, 64, 64), "f4")
    with pytest.raises(SourceError, match="bomb.h5::features promises 1048576000000 bytes"):
        run("bomb.h5")


def test_chunks_that_were_never_written_are_counted_and_read_as_zeros(files):
    with h5py.File("sparse.h5", "w") as file:
        sparse = file.create_dataset("features", (10**5, *SHAPE[1:]), "f4", chunks=(1, *SHAPE[1:]))
        sparse[1] = files.features[1]
    report = lucid.extract("sparse.h5", "r.npy", "c.npy")
    assert report.missing_chunks == 10**5 - 1
    crops = np.load("c.npy")
    assert not crops[files.rois[:, 0] != 1].any()
    mine = files.rois[:, 0] == 1
    np.testing.assert_array_equal(crops[mine], roi_align(files.features, files.rois[mine], 7))


def test_a_block_larger_than_the_memory_is_refused(files):
    with h5py.File("wide.h5", "w") as file:
        file.create_dataset("features", (8, 64, 256, 256), "f4", chunks=(8, 64, 256, 256))
    with pytest.raises(MemoryLimitError, match="memory must be at least"):
        run("wide.h5", memory="100M")


def test_a_dataset_that_numpy_cannot_name_does_not_hide_the_others(files):
    with h5py.File("f.h5", "a") as file:
        odd = h5py.h5t.STD_I32LE.copy()
        odd.set_size(3)
        h5py.h5d.create(file.id, b"odd", odd, h5py.h5s.create_simple((4,)))
    np.testing.assert_array_equal(
        run("f.h5", spatial_scale=1), roi_align(files.features, files.rois, 7)
    )
    assert "odd" not in [info.dataset for info in list_arrays("f.h5")]


def test_a_table_in_one_block_is_decompressed_once_a_reading(files, monkeypatch):
    """100,000 rows, read in pieces of 16,384; a dry run reads them once, to survey them."""
    rows = np.tile(files.rois, (2000, 1))[: 10**5]
    with h5py.File("t.h5", "w") as file:
        file.create_dataset("rois", data=rows, chunks=(10**5, 5), compression="gzip")
    from lucid.stream.read import arrays

    reads = []
    original = arrays.Source.__getitem__
    monkeypatch.setattr(
        arrays.Source,
        "__getitem__",
        lambda self, key: reads.append((self.name, key)) or original(self, key),
    )
    lucid.extract("f.npy", "t.h5", "c.npy", output_size=1, dry_run=True)
    assert [key for name, key in reads if name == "t.h5::rois" and key != slice(0, 0)] == [
        slice(0, 10**5)
    ]


def test_a_file_that_stands_in_the_way_is_not_touched(files):
    endings = (".part", ".part.rows", ".part.packed")
    for stranger in [f"c.{kind}{ending}" for kind in ("npy", "h5") for ending in endings]:
        output = stranger.partition(".part")[0]
        Path(stranger).write_bytes(b"precious")
        options = {"compression": "gzip"} if output == "c.h5" else {}
        with pytest.raises(lucid.SinkError, match=f"{stranger} is in the way"):
            lucid.extract("f.npy", "r.npy", output, overwrite=True, **options)
        assert Path(stranger).read_bytes() == b"precious"
        Path(stranger).unlink()
        Path(stranger).symlink_to("f.npy")
        with pytest.raises(lucid.SinkError, match="is an input of this run|is in the way"):
            lucid.extract("f.npy", "r.npy", output, overwrite=True, **options)
        Path(stranger).unlink()


@pytest.mark.parametrize("name", ["x" * 300, "x" * 252])
def test_names_that_are_too_long_end_in_one_line(files, name):
    with pytest.raises(lucid.SinkError, match="cannot be written: File name too long"):
        lucid.extract("f.npy", "r.npy", f"{name[:-4]}.npy")
    with pytest.raises(SourceError, match="cannot be opened: File name too long|No such file"):
        lucid.extract(name, "r.npy")


@pytest.mark.parametrize("output", ["c.h5", "c.npy"])
def test_names_that_are_no_text_are_recorded_with_escapes(files, output):
    odd, index = os.fsdecode(b"odd\xff.npy"), os.fsdecode(b"index\xfe.npy")
    Path("f.npy").rename(odd)
    rois = np.load("r.npy")
    np.save("boxes.npy", rois[:, 1:])
    np.save(index, rois[:, 0])
    lucid.extract(odd, "boxes.npy", output, batch_index=index)
    lucid.extract(odd, "boxes.npy", output, batch_index=index, resume=True)
    if output == "c.h5":
        with h5py.File("c.h5") as file:
            assert file["crops"].attrs["features"] == r"odd\udcff.npy"
            assert file["crops"].attrs["batch_index"] == r"index\udcfe.npy"


def test_a_fifo_is_not_waited_for(files):
    os.mkfifo("fifo.npy")
    with pytest.raises(SourceError, match="fifo.npy is not a regular file; pipe it in as '-'"):
        lucid.extract("fifo.npy", "r.npy")
    with pytest.raises(SourceError, match="fifo.npy is not a regular file"):
        lucid.extract("{id}.npy", "r.npy", ids=["fifo"])
    with pytest.raises(lucid.SinkError, match="fifo.npy is not a regular file"):
        lucid.extract("f.npy", "r.npy", "fifo.npy", overwrite=True)
