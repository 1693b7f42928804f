"""`--reduce mean`: one value per channel, the mean of the bins before it is rounded."""

import io
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import DTypeError, SinkError
from lucid.roi.reduction import mean_of_bins

OPTIONS = {"spatial_scale": 1 / 16, "output_size": (7, 5), "invalid": "zero"}
REDUCED = OPTIONS | {"reduce": "mean"}


def bins_of(**options):
    """Return the crops as they are, in the dtype in which they are computed."""
    lucid.extract("f.npy", "r.npy", "bins.npy", overwrite=True, **OPTIONS | options)
    return np.load("bins.npy")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_row_is_the_mean_of_its_bins_rounded_once(files, engine, dtype):
    lucid.extract("f.npy", "r.npy", "c.npy", dtype=dtype, **REDUCED)
    expected = bins_of().mean(axis=(2, 3)).astype(dtype)  # the features are float32
    np.testing.assert_array_equal(np.load("c.npy"), expected)
    assert expected.shape == (60, 6)


def test_float64_features_are_averaged_in_float64(files):
    np.save("f.npy", files.features.astype(np.float64))
    lucid.extract("f.npy", "r.npy", "c.npy", dtype="float32", **REDUCED)
    expected = bins_of().mean(axis=(2, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.load("c.npy"), expected)


def test_every_output_holds_the_same_rows(files, monkeypatch):
    lucid.extract("f.npy", "r.npy", "c.npy", **REDUCED)
    expected = np.load("c.npy")
    for name, options in {"a.h5": {}, "b.h5": {"compression": "gzip", "chunks": 7}}.items():
        report = lucid.extract("f.npy", "r.npy", name, **REDUCED, **options)
        assert (report.shape, report.nbytes) == ((60, 6), 60 * 6 * 4)
        with h5py.File(name) as file:
            np.testing.assert_array_equal(file["crops"], expected)
            assert file["crops"].attrs["reduce"] == "mean"
            names = [Path(one[0].name).name for one in file["crops"].dims]
            assert names == ["roi", "channel"]
            assert not {"y", "x"} & set(file)
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    lucid.extract("f.npy", "r.npy", "-", **REDUCED)
    np.testing.assert_array_equal(np.load(io.BytesIO(out.buffer.getvalue())), expected)


def test_small_batches_make_the_same_bytes(files, tuned):
    lucid.extract("f.npy", "r.npy", "a.h5", **REDUCED)
    tuned(crops_bytes=2000)
    lucid.extract("f.npy", "r.npy", "b.h5", **REDUCED)
    assert Path("a.h5").read_bytes() == Path("b.h5").read_bytes()


@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.slow
def test_processes_make_the_same_bytes(files):
    lucid.extract("f.npy", "r.npy", "a.h5", **REDUCED)
    lucid.extract("f.npy", "r.npy", "b.h5", jobs=2, **REDUCED)
    assert Path("a.h5").read_bytes() == Path("b.h5").read_bytes()


def test_a_run_is_gone_on_with_only_if_it_is_reduced_alike(files, tuned):
    tuned(crops_bytes=4000)
    lucid.extract("f.npy", "r.npy", "whole.h5", **REDUCED)

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract("f.npy", "r.npy", "c.h5", on_progress=stop, **REDUCED)
    with pytest.raises(SinkError, match="c.h5 was begun with reduce mean, not None"):
        lucid.extract("f.npy", "r.npy", "c.h5", resume=True, **OPTIONS)
    lucid.extract("f.npy", "r.npy", "c.h5", resume=True, **REDUCED)
    assert Path("c.h5").read_bytes() == Path("whole.h5").read_bytes()
    with pytest.raises(SinkError, match="c.h5 is complete, but with reduce mean, not None"):
        lucid.extract("f.npy", "r.npy", "c.h5", resume=True, **OPTIONS)


def test_no_bins_and_no_rois_are_as_good_as_any(files):
    np.save("r.npy", np.empty((0, 5)))
    assert lucid.extract("f.npy", "r.npy", "c.h5", **REDUCED).shape == (0, 6)


def test_bins_count_against_the_memory(files):
    with pytest.raises(lucid.MemoryLimitError, match=r"for crops \(60, 6, 600, 600\) of float16"):
        lucid.extract("f.npy", "r.npy", "c.npy", reduce="mean", output_size=600, memory="64M",
                      dtype="float16", spatial_scale=1 / 16)  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_of_the_largest_values_do_not_overflow(dtype):
    largest = np.finfo(dtype).max
    bins = np.full((4, 1, 7, 7), largest, dtype)
    bins[1], bins[2, :, 0, 0], bins[3, :, 0, 0] = -largest, np.inf, np.nan
    means = np.empty((4, 1), dtype)
    mean_of_bins(bins, means)
    np.testing.assert_allclose(means[:2, 0], [largest, -largest], rtol=1e-6)
    assert np.isinf(means[2, 0])
    assert np.isnan(means[3, 0])


def test_a_mean_that_the_output_cannot_hold_is_an_error(files):
    np.save("f.npy", files.features * 1e6)
    with pytest.raises(DTypeError, match="crops exceed the range of float16"):
        lucid.extract("f.npy", "r.npy", "c.npy", dtype="float16", **REDUCED)


def test_only_the_mean_is_known():
    with pytest.raises(ValueError, match="reduce must be one of mean, got max"):
        lucid.extract("f.npy", "r.npy", "c.npy", reduce="max")
