"""The peak memory of a whole process stays within its bound, whatever the input's size."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

MEASURE = """
import resource, sys
import numpy as np, lucid, lucid.stream

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

np.ones((64, 64)) @ np.ones((64, 64))  # the libraries' own buffers
before = peak()
lucid.extract("f.h5::" + sys.argv[1], "r.h5", "c.npy", spatial_scale=1, memory=sys.argv[2])
print(peak() - before)
"""


def peak_beyond_libraries(dataset, memory):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, dataset, memory],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.fixture
def large(tmp_path, monkeypatch, rng):
    """40 maps of 1 MB and one of 80 MB; tables of several lengths."""
    monkeypatch.chdir(tmp_path)
    with h5py.File("f.h5", "w") as file:
        maps = np.maximum(rng.standard_normal((40, 64, 64, 64), np.float32), 0)
        file["many"] = maps
        file.create_dataset("zipped", data=maps, chunks=(4, 64, 64, 64), compression="lzf")
        file["one"] = rng.standard_normal((1, 64, 560, 560), np.float32)


def write_rois(rng, count, images, size):
    """Write boxes with sides of up to a fifth of the map's."""
    corner = rng.uniform(0, size * 0.8, (count, 2))
    boxes = np.c_[corner, corner + rng.uniform(0, size * 0.2, (count, 2))]
    with h5py.File("r.h5", "w") as file:
        file["rois"] = np.c_[rng.integers(0, images, count), boxes]


@pytest.mark.slow
@pytest.mark.parametrize("count", [500, 5_000, 50_000])
@pytest.mark.parametrize("dataset", ["many", "zipped"])
def test_memory_does_not_grow_with_the_number_of_rois(large, rng, count, dataset):
    write_rois(rng, count, 40, 64)
    assert peak_beyond_libraries(dataset, "64M") < 64 << 20


@pytest.mark.slow
def test_a_map_larger_than_the_bound_is_worked_on_in_parts(large, rng):
    write_rois(rng, 500, 1, 560)
    assert peak_beyond_libraries("one", "64M") < 64 << 20
