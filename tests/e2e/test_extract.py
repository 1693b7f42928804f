"""Files to crops: the same as in memory whatever the files are, and nothing half-written."""

import itertools
import os
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lucid
from lucid import DTypeError, MemoryLimitError, RoiError, ShapeError, SinkError, SourceError
from lucid.models.utils import roi_align
from lucid.roi.engines.selection import current_engine


def crops_in(path):
    if str(path).endswith(".npy"):
        return np.load(path)
    with h5py.File(path) as file:
        return file["crops"][...]


@pytest.mark.parametrize("features", ["f.h5", "f.h5::channels"])
@pytest.mark.parametrize("rois", ["r.npy", "r.h5"])
def test_files_give_the_crops_of_arrays_to_the_bit(files, features, rois):
    """The contract says so of other files."""
    operator = {"output_size": (3, 4), "spatial_scale": 1 / 16, "sampling_ratio": 2}
    lucid.extract(features, rois, "crops.hdf5", **operator, aligned=True)
    expected = roi_align(files.features, files.rois, **operator, aligned=True)
    np.testing.assert_array_equal(crops_in("crops.hdf5"), expected)


def small_batches(rows, work_bytes=0):
    """Return numbers by which a test's few rows make many batches."""
    return {"slice_rows": rows, "slice_row_bytes": 0, "work_bytes": work_bytes, "batch_rois": rows}


@pytest.mark.parametrize("features", ["f.npy", "f.h5::channels"])
@pytest.mark.parametrize("piece", [1, 7, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("memory", [32_000, pytest.param(60_000, marks=pytest.mark.slow), 10**6])
def test_the_bytes_do_not_depend_on_memory_or_pieces(files, tuned, features, piece, memory):
    lucid.extract(features, "r.npy", "once.npy", spatial_scale=1 / 16, output_size=2)
    tuned(**small_batches(piece))
    lucid.extract(
        features, "r.npy", "pieces.npy", spatial_scale=1 / 16, output_size=2, memory=memory
    )
    assert Path("pieces.npy").read_bytes() == Path("once.npy").read_bytes()


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 40))
def test_any_table_in_any_pieces_gives_the_crops_of_arrays(files, tuned, seed, piece, rows):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-10, 20, (rows, 2))
    images = rng.choice([0, 2, 3], rows)  # with gaps
    table = np.c_[images, corner, corner + rng.uniform(-1, 12, (rows, 2))]
    np.save("table.npy", table)
    tuned(**small_batches(piece))
    report = lucid.extract(
        "f.npy", "table.npy", "any.npy",
        output_size=2, invalid="zero", memory=20_000, overwrite=True,
    )  # fmt: skip
    expected = roi_align(files.features, table, 2, invalid="zero")
    np.testing.assert_array_equal(np.load("any.npy"), expected)
    invalid = (table[:, 3] < table[:, 1]) | (table[:, 4] < table[:, 2])
    assert report.invalid_rois == invalid.sum()


def test_the_scale_is_the_dataset_s_own_unless_given(files):
    def scale(features, **options):
        report = lucid.extract(features, "r.npy", "c.npy", overwrite=True, **options)
        return report.spatial_scale, report.spatial_scale_from

    assert scale("f.h5") == ((1 / 16, 1 / 16), "features")
    assert scale("f.h5", spatial_scale=0.5) == ((0.5, 0.5), "argument")
    assert scale("f.npy") == ((1.0, 1.0), "default")
    with h5py.File("f.h5", "a") as file:
        file["features"].attrs["spatial_scale"] = [0.5, 0.25]
    assert scale("f.h5") == ((0.5, 0.25), "features")
    with h5py.File("f.h5", "a") as file:
        file["features"].attrs["spatial_scale"] = -1
    with pytest.raises(SourceError, match="f.h5::features has a bad attribute: spatial_scale must"):
        scale("f.h5")
    assert scale("f.h5", spatial_scale=1)[1] == "argument"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", np.float64])
@pytest.mark.parametrize("output", ["c.h5", "c.npy"])
def test_crops_are_written_in_the_dtype_asked_for(files, dtype, output):
    lucid.extract("f.npy", "r.npy", output, dtype=dtype)
    crops = crops_in(output)
    assert crops.dtype == dtype
    np.testing.assert_array_equal(crops, roi_align(files.features, files.rois, 7).astype(dtype))


def test_crops_that_the_dtype_cannot_hold_are_an_error(files):
    np.save("loud.npy", files.features * np.float32(1e9))
    with pytest.raises(DTypeError, match=r"loud.npy: crops exceed the range of float16"):
        lucid.extract("loud.npy", "r.npy", "c.npy", dtype="float16")
    assert not list(files.path.glob("c.npy*"))


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">f4", "f2", "f8"])
def test_features_of_any_dtype_on_disk(files, dtype):
    features = np.abs(files.features * 20).astype(dtype)
    np.save("typed.npy", features)
    with h5py.File("typed.h5", "w") as file:
        file["typed"] = features
    for source in ("typed.npy", "typed.h5"):
        lucid.extract(source, "r.npy", "c.npy", overwrite=True)
        np.testing.assert_array_equal(np.load("c.npy"), roi_align(features, files.rois, 7))


@pytest.mark.parametrize("output", ["c.h5", "c.npy"])
def test_no_rois_give_a_file_of_no_crops(files, output):
    np.save("none.npy", np.empty((0, 5)))
    assert lucid.extract("f.npy", "none.npy", output).shape == (0, 6, 7, 7)
    assert crops_in(output).shape == (0, 6, 7, 7)


@pytest.mark.parametrize("seconds", [0, pytest.param(1.1, marks=pytest.mark.slow)])
def test_the_same_job_gives_the_same_bytes_and_says_what_determined_them(files, seconds):
    options = {"invalid": "zero", "aligned": True}
    lucid.extract("f.h5", "r.npy", "a.h5", memory="512M", **options)
    time.sleep(seconds)  # HDF5 would note whole ones
    lucid.extract("f.h5", "r.npy", "b.h5", memory="256M", **options)
    assert Path("a.h5").read_bytes() == Path("b.h5").read_bytes()
    with h5py.File("a.h5") as file:
        noted = dict(file["crops"].attrs)
        assert file["crops"].chunks is None
    assert set(noted) == {
        "features", "features_dataset", "features_shape", "features_dtype", "features_fingerprint",
        "rois", "rois_shape", "rois_dtype", "rois_fingerprint",
        "output_size", "spatial_scale", "sampling_ratio", "aligned", "dtype", "invalid", "engine",
        "lucid_version", "DIMENSION_LIST",
    }  # fmt: skip
    assert (noted["features"], noted["features_dataset"]) == ("f.h5", "features")
    assert noted["features_shape"].tolist() == [5, 6, 12, 17]
    assert noted["spatial_scale"].tolist() == [1 / 16, 1 / 16]
    assert noted["lucid_version"] == lucid.__version__
    assert noted["aligned"]


def test_an_existing_output_is_refused_and_kept(files):
    Path("crops.h5").write_bytes(b"precious")
    with pytest.raises(SinkError, match="crops.h5 exists; pass overwrite=True to replace it"):
        lucid.extract("f.npy", "r.npy")
    assert Path("crops.h5").read_bytes() == b"precious"
    lucid.extract("f.npy", "r.npy", overwrite=True)
    assert crops_in("crops.h5").shape == (60, 6, 7, 7)


def test_an_output_that_appears_meanwhile_is_kept(files):
    def somebody_is_faster(rows_done):
        Path("crops.npy").write_bytes(b"precious")

    with pytest.raises(SinkError, match="exists"):
        lucid.extract("f.npy", "r.npy", "crops.npy", on_progress=somebody_is_faster)
    assert Path("crops.npy").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["f.npy", "r.npy", "f.h5", "link.npy"])
def test_an_input_is_never_written_over(files, name):
    Path("link.npy").symlink_to("f.npy")
    before = Path(name).read_bytes()
    with pytest.raises(SinkError, match="is an input of this run"):
        lucid.extract("f.h5" if name == "f.h5" else "f.npy", "r.npy", name, overwrite=True)
    assert Path(name).read_bytes() == before


def test_the_old_output_stands_until_the_new_one_is_complete(files):
    Path("c.npy").write_bytes(b"old")
    seen = []
    lucid.extract(
        "f.npy", "r.npy", "c.npy", overwrite=True,
        on_progress=lambda done: seen.append(Path("c.npy").read_bytes()),
    )  # fmt: skip
    assert set(seen) == {b"old"}
    assert len(np.load("c.npy")) == 60


@pytest.mark.parametrize("output", ["c.h5", "c.npy"])
def test_an_error_before_the_first_crop_leaves_nothing(files, output):
    class Stopped(Exception):
        pass

    def stop(rows_done):
        raise Stopped

    before = set(os.listdir())
    with pytest.raises(Stopped):
        lucid.extract("f.npy", "r.npy", output, on_progress=stop)
    assert set(os.listdir()) == before


def test_progress_rises_to_the_number_of_rows(files, tuned):
    table = files.rois.copy()
    table[3, 0] = 9
    np.save("bad.npy", table)
    tuned(**small_batches(4))
    told = []
    lucid.extract("f.npy", "bad.npy", invalid="zero", on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 60
    assert len(told) > 5


def test_a_dry_run_reads_no_pixel_and_writes_nothing(files, monkeypatch):
    assert spied_run("f.h5", "r.npy", monkeypatch, dry_run=True) == []
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    dry = lucid.extract("f.h5", "r.npy", dry_run=True)
    assert {name: os.stat(name).st_mtime_ns for name in os.listdir()} == before
    assert dry == lucid.extract("f.h5", "r.npy")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rois": "f.npy"}, ShapeError, r"f.npy must have shape \(K, 5\)"),
        ({"features": "r.npy"}, ShapeError, r"r.npy must have shape \(N, C, H, W\)"),
        ({"rois": "gone.npy"}, SourceError, "gone.npy cannot be opened"),
        ({"output": "no/c.h5"}, SinkError, "no/c.h5 cannot be written: there is no directory no"),
        ({"output": "dir.h5", "overwrite": True}, SinkError, "dir.h5 is a directory"),
        (
            {"output": "c.txt"},
            ValueError,
            "output must end in .h5, .hdf5, .npy, .npz, .safetensors, .zarr or be -, got c.txt",
        ),
        ({"memory": "lots"}, ValueError, "memory must be a size such as 512M or 2G, got lots"),
        ({"memory": 0}, ValueError, "memory must be a size"),
        ({"patience": "x"}, ValueError, "patience must be a number of seconds > 0, got x"),
        (
            {"image_size": "3x"},
            ValueError,
            "image_size must be HxW, one number for both, or a path",
        ),
        ({"ids": ""}, ValueError, "a path was expected, got an empty text"),
        ({"dtype": "int8"}, ValueError, "dtype must be one of float16, float32, float64"),
        ({"dtype": "rubbish"}, ValueError, "dtype must be one of"),
        ({"spatial_scale": 0}, ValueError, "spatial_scale must be finite and > 0"),
        (
            {"memory": "64M", "chunks": 60, "output_size": 500, "output": "c.h5"},
            MemoryLimitError,
            "memory must be at least 1[0-9]{3}M",
        ),
        ({"chunks": 10**9, "output": "c.h5", "output_size": 4000}, SinkError, "less than 4 GiB"),
        ({"output": "a\0.npy"}, SinkError, "null byte"),
        ({"memory": "8M"}, MemoryLimitError, "memory must be at least 43M for this job, got 8M"),
        ({"memory": 5}, MemoryLimitError, r"M for this job, got 5 bytes; .* memory='5M'"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(files, arguments, error, message):
    Path("dir.h5").mkdir()
    before = set(os.listdir())
    with pytest.raises(error, match=message):
        lucid.extract(**{"features": "f.npy", "rois": "r.npy", **arguments})
    assert set(os.listdir()) == before


def test_the_least_memory_that_is_named_works_and_less_does_not(files):
    lucid.extract("f.h5", "r.npy", memory="43M")
    with pytest.raises(MemoryLimitError, match="at least 43M"):
        lucid.extract("f.h5", "r.npy", memory="42M", overwrite=True)


def test_an_invalid_row_is_named_with_its_file(files):
    files.rois[31, 0] = 7
    files.rois[40:42, 1] = np.nan
    np.save("bad.npy", files.rois)
    expected = r"^bad.npy: batch_index must be in \[0, 5\), got 7 at row 31 \(and 2 more rows\)"
    with pytest.raises(RoiError, match=expected):
        lucid.extract("f.npy", "bad.npy")
    with h5py.File("bad.h5", "w") as file:
        file["given"] = files.rois
    with pytest.raises(RoiError, match="^bad.h5::given: batch_index"):
        lucid.extract("f.npy", "bad.h5")


class Reads:
    """A stand-in for an open dataset that notes which parts are read."""

    def __init__(self, array):
        self.array, self.keys = array, []

    def __getitem__(self, key):
        self.keys.append(key)
        return self.array[key]

    def __getattr__(self, name):
        return getattr(self.array, name)


def spied_run(spec, rois, monkeypatch, **options):
    """Run and return the keys that were read of the features."""
    from lucid.stream.read import features as module

    spies = []

    def open_spied(spec, *arguments, **more):
        source = original(spec, *arguments, **more)
        source._array = Reads(source._array)
        spies.append(source._array)
        return source

    original = module.open_source
    monkeypatch.setattr(module, "open_source", open_spied)
    lucid.extract(spec, rois, "spied.npy", **options)
    return spies[0].keys


def test_each_map_is_read_once_in_the_order_of_the_file(files, monkeypatch, tuned):
    tuned(small_map_bytes=0)
    keys = spied_run("f.h5", "r.npy", monkeypatch, spatial_scale=1 / 16)
    assert [key[0] for key in keys] == [0, 1, 2, 3, 4]


def test_small_maps_are_read_together_with_few_between(files, monkeypatch, tuned):
    table = np.load("r.npy")[np.isin(np.load("r.npy")[:, 0], [0, 1, 4])]
    np.save("some.npy", table)
    whole = files.features[0].nbytes
    for seek_bytes, runs in ((3 * whole, [slice(0, 5)]), (whole, [slice(0, 2), slice(4, 5)])):
        tuned(seek_bytes=seek_bytes)
        keys = spied_run("f.h5", "some.npy", monkeypatch, spatial_scale=1 / 16, overwrite=True)
        assert [key[0] for key in keys] == runs
        np.testing.assert_array_equal(
            crops_in("spied.npy"), roi_align(files.features, table, 7, 1 / 16)
        )


def test_maps_that_share_blocks_are_read_together(files, monkeypatch):
    keys = spied_run("f.h5::deep/zipped", "r.npy", monkeypatch, spatial_scale=1 / 16)
    assert [key[0] for key in keys] == [slice(0, 2), slice(2, 4), slice(4, 6)]


def test_few_rois_on_a_plain_map_read_only_their_windows(files, monkeypatch):
    np.save("few.npy", [[1, 1, 1, 2, 2], [1, 100, 90, 120, 91]])
    with h5py.File("large.h5", "w") as file:
        file["large"] = np.ones((2, 3, 128, 128))
    keys = spied_run("large.h5", "few.npy", monkeypatch)
    every = slice(None)
    assert keys == [
        (1, every, slice(1, 3), slice(1, 3)),
        (1, every, slice(90, 92), slice(100, 121)),
    ]


def test_a_map_larger_than_the_memory_is_read_in_parts(files, tuned, rng):
    """One map of 4 MB within 1 MB: no part that is read is larger than half of what is free."""
    features = rng.standard_normal((1, 16, 256, 256)).astype(np.float32)
    corner = rng.uniform(0, 200, (300, 2))
    table = np.c_[np.zeros(300), corner, corner + rng.uniform(0, 50, (300, 2))]
    np.save("wide_rois.npy", table)
    tuned(**small_batches(64))
    for blocks in (None, (1, 16, 16, 16)):
        with h5py.File("wide.h5", "w") as file:
            file.create_dataset("wide", data=features, chunks=blocks)
        with pytest.MonkeyPatch.context() as patch:
            keys = spied_run("wide.h5", "wide_rois.npy", patch, memory=10**6, overwrite=True)
        sizes = [(rows.stop - rows.start) * (cols.stop - cols.start) for _, _, rows, cols in keys]
        assert max(sizes) * 16 * 4 < 500_000
        assert len(keys) < 200  # neighbours share a read
        np.testing.assert_array_equal(np.load("spied.npy"), roi_align(features, table, 7))


def test_threads_may_run_at_once(files):
    """HDF5 has one lock, the library no state: two runs side by side do not disturb each other."""
    names = ["t0.h5", "t1.h5", "t2.npy"]
    threads = [
        threading.Thread(target=lucid.extract, args=("f.h5", "r.h5", name)) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in itertools.pairwise(names):
        np.testing.assert_array_equal(crops_in(one), crops_in(other))


def test_small_maps_are_worked_on_together(files, monkeypatch):
    """Or else the array operations made for each would be most of the work."""
    calls = []
    engine = current_engine()
    pool = engine.pool
    monkeypatch.setattr(
        engine, "pool", lambda *given: calls.append(len(given[0].regions)) or pool(*given)
    )
    lucid.extract("f.npy", "r.npy", "c.npy")
    assert calls == [len(files.features)]
    np.testing.assert_array_equal(crops_in("c.npy"), roi_align(files.features, files.rois, 7))
