"""Files with any bytes in them: a clear error or crops, in little time, and no other file read."""

import base64
import contextlib
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch_files
from hypothesis import given, settings
from hypothesis import strategies as st

import lucid
from lucid import LucidError
from lucid.stream import list_arrays

pytestmark = pytest.mark.fuzz


@contextlib.contextmanager
def in_little_time():
    """Hold what is done to five seconds of work; what waits for a minute is ended."""
    signal.alarm(60)
    start = time.process_time()
    try:
        yield
    finally:
        signal.alarm(0)
    assert time.process_time() - start < 5


def refuses_or_works(path):
    """Hold a file against what may happen: a clear error, or crops; in little time."""
    with in_little_time(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # values that are not finite
        with contextlib.suppress(LucidError):
            list_arrays(path)
        with contextlib.suppress(LucidError):
            lucid.extract(path, "r.npy", "crops.npy", memory="64M")
    for left in Path().glob("crops.npy*"):
        left.unlink()


HEADERS = st.one_of(
    st.text(max_size=120),
    st.builds(
        "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
        st.sampled_from(["'<f4'", "'>f8'", "'|O'", "'<f2'", "'<c8'", "'S0'", "'V0'", "()", "1",
                         "('<f4',)", "'<f4' * 9", "[('a', '<f4')]", "'<M8[s]'", "'<f16'"]),
        st.sampled_from(["False", "True", "0", "'no'", "None"]),
        st.one_of(
            st.lists(st.integers(-5, 2**70), max_size=6).map(tuple),
            st.lists(st.integers(0, 9), max_size=5).map(tuple),
            st.sampled_from(["(True, 2, 4, 4)", "(1.0, 1, 1, 1)", "1", "'x'", "((((", "-" * 900,
                             "(1,) * 70", "(99999999999999999999, 0, 4, 4)"]),
        ),
    ),
)  # fmt: skip


@settings(max_examples=600)
@given(HEADERS, st.binary(max_size=64), st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]))
def test_any_npy_header(files, header, values, version):
    text = header.encode("utf-8", "surrogatepass")
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    Path("fuzz.npy").write_bytes(b"\x93NUMPY" + bytes(version) + length + text + values)
    refuses_or_works("fuzz.npy")


def mutated(data, draw):
    """Return a file with some bytes changed, cut out or put in."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, min(len(data), 4096) - 1))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data[at] = draw(st.integers(0, 255))
        elif kind == 1:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == 2:
            del data[at : at + draw(st.integers(1, 64))]
        else:
            data[at : at + 8] = draw(
                st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7])
            )
    return bytes(data)


@settings(max_examples=600)
@given(st.data())
def test_mutated_npy_files(files, data):
    Path("fuzz.npy").write_bytes(mutated(Path("f.npy").read_bytes(), data.draw))
    refuses_or_works("fuzz.npy")


def written(kind, files):
    """Return a file of a container, and how its arrays are named."""
    maps = files.features[:, :2]
    if kind == "torch":
        torch_files.save("whole", {"features": maps, "deep": [maps[0], {"x": maps[1]}], "n": 1.5})
    elif kind == "safetensors":
        library = pytest.importorskip("safetensors.numpy")
        library.save_file({"features": maps, "x": maps[0]}, "whole", metadata={"a": "1"})
    elif kind == "zarr":
        zarr = pytest.importorskip("zarr")
        store = zarr.storage.ZipStore("whole", mode="w")
        zarr.open_group(store, mode="w").create_array("x", data=maps, chunks=(1, 2, 12, 17))
        store.close()
    else:
        save = np.savez if kind == "npz" else np.savez_compressed
        save("whole.npz", features=maps, x=maps[0])
        Path("whole.npz").rename("whole")
    return Path("whole").read_bytes()


@pytest.mark.parametrize("kind", ["npz", "npz, deflated", "safetensors", "torch", "zarr"])
def test_mutated_containers(files, kind):
    whole = written(kind, files)
    ending = {"torch": "pt", "safetensors": "safetensors"}.get(kind, "npz")

    @settings(max_examples=250)
    @given(st.data(), st.booleans())
    def check(data, backwards):
        changed = mutated(whole[::-1] if backwards else whole, data.draw)
        Path(f"fuzz.{ending}").write_bytes(changed[::-1] if backwards else changed)
        refuses_or_works(f"fuzz.{ending}")

    check()


@settings(max_examples=600)
@given(
    st.lists(
        st.sampled_from(
            [bytes([code]) for code in range(256)]
            + [
                b"ctorch._utils\n_rebuild_tensor_v2\n",
                b"ccollections\nOrderedDict\n",
                b"ctorch\nFloatStorage\n",
                b"cos\nsystem\n",
                b"X\x07\0\0\0storage",
                b"X\x01\0\0\0000",
                b"K\x05",
                b"h\x01",
                b"q\x01",
                b"((",
                b"tQ",
            ]
        ),
        max_size=60,
    )
)
def test_any_pickle(files, codes):
    torch_files.save("fuzz.pt", {"a": files.features[:1, :1], "b": b"N" + b"".join(codes)})
    refuses_or_works("fuzz.pt")


def refuses_or_works_as_rois(path):
    """Hold a file against the same as a table of RoIs."""
    with in_little_time(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with contextlib.suppress(LucidError):
            lucid.extract("f.npy", path, "crops.npy", memory="64M", invalid="zero")
    for left in Path().glob("crops.npy*"):
        left.unlink()


@settings(max_examples=150)
@given(st.data(), st.sampled_from([f"fuzz.{one}" for one in ("npy", "csv", "txt", "tsv", "xml")]))
def test_mutated_tables_of_rois(files, data, name):
    rows = files.rois[:20]
    records = np.zeros(
        20, [("image_index", "i4"), *((one, "f8") for one in ("x1", "y1", "x2", "y2"))]
    )
    for field, column in zip(records.dtype.names, rows.T, strict=True):
        records[field] = column
    np.save("whole.npy", records)
    lines = ["image_index,id,x1,y1,x2,y2", *(f"{int(row[0])},7,1,2,30,{row[4]}" for row in rows)]
    Path("whole.csv").write_text("\n".join(lines))
    Path("whole.txt").write_text("\n".join(lines).replace(",", " "))
    boxes = base64.b64encode(np.ones((3, 4), np.float32)).decode()
    Path("whole.tsv").write_text(f"1\t9\t9\t3\t{boxes}\tAAAA\n" * 3)
    box = "".join(f"<{one}>1</{one}>" for one in ("xmin", "ymin", "xmax", "ymax"))
    Path("whole.xml").write_text(
        "<annotation><size><width>9</width><height>9</height></size>"
        f"<object><name>a</name><bndbox>{box}</bndbox></object></annotation>"
    )
    whole = Path(name.replace("fuzz", "whole")).read_bytes()
    Path(name).write_bytes(mutated(whole, data.draw))
    refuses_or_works_as_rois(name)


FUZZ_HDF5 = """
import os, random, signal, sys, time, warnings
warnings.simplefilter("ignore")
import resource
import lucid
import numpy as np
from lucid.stream import list_arrays

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
lucid.extract("f.h5", "r.npy", "c.npy")
os.unlink("c.npy")
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (64 << 20),) * 2)
seed, count = int(sys.argv[1]), int(sys.argv[2])
whole = open("small.h5", "rb").read()
LINK = "fuzz.h5::link"
for number in range(seed, seed + count):
    rng = random.Random(number)
    data = bytearray(whole)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(min(len(data), 6000))
        data[at] = rng.choice([rng.randrange(256), data[at] ^ 1 << rng.randrange(8), 0, 255])
    open("fuzz.h5", "wb").write(data)
    print(number, flush=True)
    start = time.process_time()
    signal.alarm(60)
    for rois in ("fuzz.h5::records", "fuzz.h5::frame", "fuzz.h5"):
        try:
            lucid.extract("f.npy", rois, "c.npy", memory="64M", overwrite=True, invalid="zero")
        except lucid.LucidError as error:
            assert "\\n" not in str(error), error
    for spec in ("fuzz.h5", "fuzz.h5::features", "fuzz.h5::zipped", "fuzz.h5::{id}_map", LINK):
        for attempt in (lambda: list_arrays("fuzz.h5"), lambda: lucid.extract(
                spec, "r.npy", "c.npy", memory="64M", overwrite=True)):
            try:
                attempt()
                if os.path.exists("c.npy"):
                    assert not (np.load("c.npy") == 12345).any(), "read another file"
            except lucid.LucidError as error:
                assert "\\n" not in str(error), error
    assert time.process_time() - start < 5, "takes long"
    for name in os.listdir():
        if name.startswith("c.npy"):
            os.unlink(name)
"""


@pytest.mark.parametrize("count", [600])
def test_mutated_hdf5_files(files, count):
    """In a process of its own, as a fault inside of HDF5 ends the process."""
    with h5py.File("small.h5", "w") as file:
        file["features"] = files.features[:, :2]
        file["features"].attrs["spatial_scale"] = 0.5
        options = {"chunks": (1, 2, 12, 17), "compression": "gzip"}
        file.create_dataset("zipped", data=files.features[:, :2], **options)
        file["a_map"] = files.features[0, :2]
        file["link"] = h5py.ExternalLink("other.h5", "features")
        names = ("batch_index", "x1", "y1", "x2", "y2")
        file["records"] = np.zeros(9, [(name, "f8") for name in names])
        frame = file.create_group("frame")
        frame.attrs["pandas_type"] = np.bytes_(b"frame")
        frame["axis0"] = frame["block0_items"] = np.array(names, "S")
        frame["block0_values"] = files.rois[:9]
    with h5py.File("other.h5", "w") as file:
        file["features"] = np.full(files.features.shape, 12345.0)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ_HDF5, str(count * 1000), str(count)],
        capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    seed = done.stdout.split()[-1:]
    assert done.returncode == 0, (seed, done.returncode, done.stderr[-2000:])
