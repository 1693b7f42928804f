"""The peak memory of a whole process stays within its bound, and nothing is held for longer."""

import gc
import subprocess
import sys
import tracemalloc
import weakref
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid.models.utils import roi_align
from lucid.stream.read import reader
from lucid.stream.read.axes import Axes
from lucid.stream.read.features import open_features
from lucid.stream.read.maps import Maps

MEASURE = """
import re, sys
import numpy as np, lucid, lucid.stream.extract

def peak():  # getrusage would tell the peak of the test runner, if that is higher
    return int(re.search("VmHWM:\\s*([0-9]+) kB", open("/proc/self/status").read())[1]) * 1024

np.ones((64, 64)) @ np.ones((64, 64))  # the libraries' own buffers
before = peak()
options = eval(f"dict({sys.argv[3]})")
features, memory = sys.argv[1], sys.argv[2]
features = features if features == "-" else "f.h5::" + features
lucid.extract(features, "r.h5", "c.npy", memory=memory, overwrite=True, **options)
print(peak() - before)
"""


def peak_beyond_libraries(dataset, memory, options="", stdin=None):
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the peak of one program")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, dataset, memory, options],
        stdin=stdin, stdout=subprocess.PIPE, text=True, timeout=900, check=True,
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
def test_padding_and_lists_of_images_are_read_in_pieces(large, rng):
    """32 MB of padding around 4096 boxes, and a list of 8 MB in one compressed block."""
    with h5py.File("f.h5", "a") as file:
        file["small"] = np.ones((4096, 1, 4, 4), np.float32)
    with h5py.File("r.h5", "w") as file:
        file["rois"] = np.ones((4096, 256, 4))
        file["box_counts"] = np.ones(4096, int)
    assert peak_beyond_libraries("small", "64M", "box_counts='r.h5'") < 64 << 20
    with h5py.File("r.h5", "w") as file:
        file["rois"] = np.ones((10**6, 4), np.float32)
        index = rng.integers(0, 40, 10**6)
        file.create_dataset("batch_index", data=index, chunks=(10**6,), compression="lzf")
    assert peak_beyond_libraries("many", "96M", "batch_index='r.h5', output_size=1") < 96 << 20


@pytest.mark.slow
def test_a_map_larger_than_the_bound_is_worked_on_in_parts(large, rng):
    write_rois(rng, 500, 1, 560)
    assert peak_beyond_libraries("one", "64M") < 64 << 20


@pytest.mark.slow
def test_piped_maps_are_let_go_also_where_boxes_touch_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("p.npy", np.ones((200, 16, 128, 128), np.float32))
    with h5py.File("r.h5", "w") as file:
        file["rois"] = np.c_[np.arange(200), np.tile([900.0, 900, 910, 910], (200, 1))]
    with Path("p.npy").open("rb") as stdin:
        assert peak_beyond_libraries("-", "64M", stdin=stdin) < 64 << 20


def test_blocks_of_several_maps_are_read_once_within_a_small_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("f.h5", "w") as file:
        file.create_dataset("features", (96, 64, 32, 32), np.float32, chunks=(32, 64, 32, 32))
    np.save("r.npy", np.c_[np.arange(960) % 96, np.tile([3.0, 3, 20, 20], (960, 1))])
    reads = []
    read = Maps.read_several
    monkeypatch.setattr(
        Maps, "read_several", lambda self, images: reads.append(images) or read(self, images)
    )
    lucid.extract("f.h5", "r.npy", "c.npy", memory="96M", jobs=1)
    assert len(reads) <= 6


def test_crops_are_freed_with_their_last_reference():
    features, rois = np.ones((1, 2, 8, 8), np.float32), np.array([[0, 1, 1, 5, 5.0]])
    gc.disable()  # what only the collector of cycles frees would pile up
    try:
        crops = roi_align(features, rois, 2)
        gone = weakref.ref(crops)
        del crops
        assert gone() is None
    finally:
        gc.enable()


def test_gradients_need_little_memory_where_boxes_cover_maps_of_one_channel(rng):
    features = lucid.Tensor(np.zeros((1, 1, 100, 100), np.float32), requires_grad=True)
    boxes = np.c_[np.zeros(2000), rng.uniform(0, 3, (2000, 2)), rng.uniform(95, 100, (2000, 2))]
    crops = roi_align(features, boxes, 1)
    tracemalloc.start()
    crops.backward(np.ones(crops.shape, np.float32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


@pytest.mark.parametrize("whole", [False, True])
def test_pages_of_mapped_files_are_given_back(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(reader, "HELD_BYTES", 4 << 20)
    path = tmp_path / "f.npy"
    maps = np.lib.format.open_memmap(path, "w+", np.float32, (48, 4, 256, 256))  # of 1 MiB each
    maps[:, 0, 0, 0] = np.arange(48)
    del maps
    features = open_features(path, Axes("nchw"), None, None)
    reading = reader.Reader(features, 1)
    most = before = file_pages()
    for image in range(48):
        (part,) = reading.read_whole([image]) if whole else [reading.read(image, (slice(256),) * 2)]
        assert part.sum() == image
        most = max(most, file_pages())
    assert most - before < 16 << 20
    features.close()


def file_pages():
    """Return how many bytes of mapped files are counted as this process's own."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssFile:")[2].split()[0]) << 10


def test_what_a_caller_has_mapped_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "HELD_BYTES", 0)
    np.save(tmp_path / "f.npy", np.zeros((3, 2, 8, 8), np.float32))
    changed = np.load(tmp_path / "f.npy", mmap_mode="c")
    changed[:] = np.arange(3)[:, None, None, None]
    rois = [[image, 0, 0, 7, 7] for image in (0, 1, 2)]
    lucid.extract(changed, rois, tmp_path / "c.npy", output_size=1)
    assert np.load(tmp_path / "c.npy")[:, 0, 0, 0].tolist() == [0, 1, 2]
