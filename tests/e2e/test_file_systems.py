"""File systems that lack what others have, imitated by a library that answers in their place."""

import errno
import fcntl
import io
import os

import command
import numpy as np
import pytest
from preload import answering

import lucid
from lucid import SourceError
from lucid.models.utils import roi_align
from lucid.stream.read.npy import map_npy
from lucid.stream.read.pread import PreadArray


def piped(features, rois, *options, **answers):
    """Return the crops of a run that writes to a pipe, on such a file system."""
    arguments = ["--features", features, "--rois", rois, "-o", "-", "-q", *options]
    done = command.run("extract", *arguments, env=answering(**answers))
    assert done.returncode == 0, done.stderr
    return np.load(io.BytesIO(done.stdout))


@pytest.mark.parametrize(
    "name",
    ["ENOLCK", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ENOSYS", "EBADF"))],
)
def test_hdf5_is_read_where_there_are_no_locks(files, name):
    expected = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    crops = piped("f.h5", "r.h5", FLOCK=getattr(errno, name))
    np.testing.assert_array_equal(crops, expected)


def test_a_file_that_is_being_written_is_said_to_be_so(files):
    with open("f.h5", "rb+") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match="f.h5 is locked by a program that writes it"):
            lucid.extract("f.h5", "r.npy", "c.npy")


@pytest.mark.parametrize(
    ("layout", "memory"),
    [
        ("nchw", "64M"),
        *(
            pytest.param(layout, memory, marks=pytest.mark.slow)
            for layout, memory in [("nchw", "512M"), ("nhwc", "64M"), ("nhwc", "512M")]
        ),
    ],
)
def test_npy_is_read_where_files_cannot_be_mapped(files, layout, memory):
    if layout == "nhwc":
        np.save("f.npy", files.features.transpose(0, 2, 3, 1))
    options = "--layout", layout, "--memory", memory
    crops = piped("f.npy", "r.npy", *options, MMAP_SHARED=errno.ENODEV)
    np.testing.assert_array_equal(crops, roi_align(files.features, files.rois, 7))


@pytest.fixture
def unmapped(tmp_path, monkeypatch):
    """Return what saves an array and opens it again where it cannot be mapped."""

    def refuse(*arguments):
        raise OSError(errno.ENODEV, "No such device")

    def opened(array):
        np.save(tmp_path / "a.npy", array)
        with monkeypatch.context() as patched:
            patched.setattr(np, "memmap", refuse)
            return map_npy(tmp_path / "a.npy")

    return opened


KEYS = [
    np.s_[2], np.s_[:], np.s_[1:3], np.s_[0:0], np.s_[4:2], np.s_[1, :, 2:5, 3:4], np.s_[1, 2:5, :],
    np.s_[3, :, 0:6], np.s_[3, 1:3, 0:6, 1:7], np.s_[1:3, :, :, :], np.s_[3, :, 4:4, 1:2],
    np.s_[3, 2],
]  # fmt: skip


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_part_is_read_as_if_it_were_mapped(unmapped, order):
    array = np.asarray(np.arange(4 * 5 * 6 * 7, dtype=">i4").reshape(4, 5, 6, 7), order=order)
    read = unmapped(array)
    assert isinstance(read, PreadArray)
    for key in KEYS:
        np.testing.assert_array_equal(read[key], array[key])
        assert read[key].dtype == array.dtype
    rows = unmapped(array.reshape(-1))
    np.testing.assert_array_equal(rows[3:9], array.reshape(-1)[3:9])


def test_a_part_of_a_map_is_read_in_one_piece_per_channel(unmapped, monkeypatch):
    read, reads = unmapped(np.zeros((2, 3, 50, 70), np.float32)), []
    preadv = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda *arguments: reads.append(len(arguments[1][0])) or preadv(*arguments)
    )
    read[1, :, 10:20, 5:8]
    assert reads == [10 * 70 * 4] * 3
    reads.clear()
    read[1, :, 0:50, 0:70]
    assert reads == [3 * 50 * 70 * 4]


def test_a_file_that_becomes_shorter_is_an_error(unmapped, tmp_path):
    read = unmapped(np.zeros(10**4))
    os.truncate(tmp_path / "a.npy", 10**4)
    with pytest.raises(SourceError, match="the file has become shorter"):
        read[:]
