"""What a run decides before it reads a pixel: how often it reads the RoIs, and who needs memory."""

import h5py
import numpy as np
import pytest

import lucid
from lucid import MemoryLimitError
from lucid.stream.plan import plan
from lucid.stream.read.rois import RoiSource


@pytest.fixture
def reads(monkeypatch):
    """The number of rows of each reading of a table."""
    found, examined = [], RoiSource.examined

    def count(self, start, stop, images):
        found.append(stop - start)
        return examined(self, start, stop, images)

    monkeypatch.setattr(RoiSource, "examined", count)
    return found


@pytest.fixture
def wide(tmp_path, monkeypatch, rng):
    """A map of 1 GB that takes no room, and boxes on it."""
    monkeypatch.chdir(tmp_path)
    with open("f.npy", "wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (1, 256, 1024, 1024)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + (4 << 28))
    corner = rng.uniform(0, 900, (30_000, 2))
    np.save("r.npy", np.c_[np.zeros(30_000), corner, corner + 50])


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_the_rois_are_read_twice_at_most_however_many_cores_there_are(
    wide, reads, tuned, monkeypatch, cores
):
    tuned(parallel_bytes=1)
    monkeypatch.setattr(plan, "cores", lambda: cores)
    report = lucid.extract("f.npy", "r.npy", "c.npy", dry_run=True, engine="numpy")
    assert report.jobs == {1: 1, 2: 2}.get(cores, report.jobs)
    assert sum(reads) == 60_000  # to check them, and for the largest window on the map


def roi_lie(file):
    file.create_dataset("rois", (10**11, 5), "f4", chunks=(1000, 5))


def roi_chunk_lie(file):
    file.create_dataset("rois", (10**7, 5), "f4", chunks=(10**7, 5))


def image_lie(file):
    file.create_dataset("features", (10**11, 1, 4, 4), "f4", chunks=(1, 1, 4, 4))


def map_chunk_lie(file):
    file.create_dataset("features", (8, 64, 256, 256), "f4", chunks=(8, 64, 256, 256))


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (roi_lie, r"; \d+M of it for the 100000000000 RoIs that lie.h5::rois says it has"),
        (roi_chunk_lie, r"; 381M of it for chunks of lie.h5::rois, .* h5repack"),
        (image_lie, r"; \d+M of it for the 100000000000 images that lie.h5::features says"),
        (map_chunk_lie, r"; 256M of it for chunks of lie.h5::features, as it says it is stored"),
    ],
)
def test_what_asks_for_too_much_memory_is_named(files, lie, message):
    with h5py.File("lie.h5", "w") as file:
        lie(file)
    inputs = ("f.npy", "lie.h5") if lie.__name__.startswith("roi") else ("lie.h5", "r.npy")
    with pytest.raises(MemoryLimitError, match=rf"memory must be at least \d+M .*{message}"):
        lucid.extract(*inputs, "c.npy", memory="128M")


def test_a_map_whose_largest_window_is_too_large_is_named(wide):
    np.save("r.npy", [[0, 0, 0, 1000, 1000]])
    with pytest.raises(MemoryLimitError, match="for the largest part of a map of f.npy"):
        lucid.extract("f.npy", "r.npy", "c.npy", memory="256M")
