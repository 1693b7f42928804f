"""`info`: how arrays are stored, the range of their values, and the job that made a file."""

import json
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid.stream.read import stats
from lucid.stream.read.contents import contents_of


def info(*arguments):
    done = run_here("info", *arguments, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def only(path):
    (content,) = contents_of(path, stats=True)
    return content.stats


def test_values_of_a_small_array_are_all_looked_at(tmp_path, rng):
    values = rng.standard_normal((3, 4, 5, 6))
    values[0, 0, 0], values[1, 1, 1, 1], values[2, 2, 2, 2] = 0, np.nan, -np.inf
    np.save(tmp_path / "f.npy", values)
    found, finite = only(tmp_path / "f.npy"), values[np.isfinite(values)]
    assert found == stats.Stats(
        values=360, is_sample=False, low=finite.min(), high=finite.max(),
        mean=pytest.approx(finite.mean()), zeros=6 / 360, not_finite=pytest.approx(2 / 360),
    )  # fmt: skip
    assert "6 values" not in info(tmp_path / "f.npy", "--stats")


@pytest.mark.parametrize(
    "values", [np.full((2, 3), np.nan), np.zeros((0, 5)), np.array(3.5), np.array([True, False])]
)
def test_any_array_has_some_or_none(tmp_path, values):
    np.save(tmp_path / "f.npy", values)
    found = only(tmp_path / "f.npy")
    assert (found is None) == (0 in values.shape)
    assert found is None or (found.low is None) == bool(np.isnan(values).all())
    info(tmp_path / "f.npy", "--stats")


@pytest.mark.parametrize(("rows", "said"), [(1, "1 row of 1 image,"), (2, "2 rows of 1 image,")])
def test_one_of_a_thing_is_no_plural(tmp_path, rows, said):
    (tmp_path / "b.csv").write_text("image_id,x1,y1,x2,y2\n" + "7,1,2,3,4\n" * rows)
    assert f"  {said} columns" in info(tmp_path / "b.csv")


@pytest.mark.parametrize("shape", [(1000, 2, 8), (3, 40, 4, 4), (1, 500, 16), (4000,)])
def test_of_a_large_array_a_sample_is_read(tmp_path, monkeypatch, shape):
    monkeypatch.setattr(stats, "SAMPLE_BYTES", 4096)
    np.save(tmp_path / "f.npy", np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    found = only(tmp_path / "f.npy")
    assert found.is_sample
    assert found.values * 4 <= 2 * 4096
    assert found.low == 0
    if shape[0] > 3:  # from the first row to the last
        assert found.high == np.prod(shape) - 1
    assert f"of a sample of {found.values} values" in info(tmp_path / "f.npy", "--stats")


def test_how_hdf5_stores_an_array_is_told(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        options = {"chunks": (1, 3, 8, 8), "compression": "gzip", "shuffle": True}
        file.create_dataset("x", data=np.zeros((2, 3, 8, 8), "f4"), fletcher32=True, **options)
    printed = info(tmp_path / "f.h5", "--stats")
    assert "chunks (1, 3, 8, 8) gzip shuffle fletcher32" in printed
    assert "in the file, 1.54 kB in memory" in printed
    (array,) = json.loads(info(tmp_path / "f.h5", "--json"))["arrays"]
    assert array["filters"] == ["shuffle", "fletcher32"]
    assert 0 < array["stored_bytes"] < 1536


def test_words_of_features_are_told(files):
    with h5py.File("f.h5", "a") as file:
        file["features"].attrs["im_info"] = [[192, 272, 1.0]] * 5
    printed = info("f.h5").splitlines()
    at = next(k for k, line in enumerate(printed) if line.startswith("f.h5::features "))
    assert {line.strip() for line in printed[at + 1 : at + 3]} == {
        "spatial_scale 0.0625",
        "im_info of 5 images",
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output_size": (3, 4), "aligned": True, "sampling_ratio": float("inf"), "reduce": "mean"},
        {"boxes": "xywh", "channels": slice(1, 4), "stride": 8, "invalid": "zero"},
        {"normalized": True, "image_size": (192, 272), "stride": 16},
        pytest.param({"operator": "prroi-pool", "dtype": "float64"}, marks=pytest.mark.slow),
    ],
)
def test_the_command_that_made_crops_makes_them_again(files, options):
    lucid.extract("f.h5", "r.npy", "c.h5", **options)
    printed = info("c.h5")
    command = printed.partition("engine\n")[2]
    done = run_here(*shlex.split(command), "-o", "again.h5")
    assert done.returncode == 0
    assert (files.path / "again.h5").read_bytes() == (files.path / "c.h5").read_bytes()


def test_a_pyramid_and_arrays_are_told(files, rng):
    for level in (4, 5):
        np.save(f"p{level}.npy", rng.standard_normal((5, 3, 256 >> level, 256 >> level)))
    lucid.extract(None, "r.npy", "c.npz", level=[(1 / 16, "p4.npy"), (1 / 32, "p5.npy")])
    assert "--level 0.0625=p4.npy" in info("c.npz")
    lucid.extract(files.features, files.rois, "d.h5")
    assert "from inputs that were no files" in info("d.h5")


def test_of_an_output_that_is_not_finished_its_part_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.h5.part").touch()
    done = run_here("info", "c.h5", text=True)
    assert done.returncode == 1
    assert "c.h5 cannot be opened: No such file" in done.stderr
    assert "its run has not finished, and c.h5.part is what there is" in done.stderr
