"""Where arrays lie in files: values read from there are those that the format gives."""

import errno
import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from lucid import LucidError, SinkError, SourceError
from lucid.errors import MissingFileError, OutputExistsError
from lucid.stream.read.arrays import look_source, open_source
from lucid.stream.read.fingerprint import FilesSeen, fingerprint_of_many
from lucid.stream.read.hdf5_headers import Headers
from lucid.stream.read.hdf5_plain import place_in_hdf5
from lucid.stream.read.npy import place_in_npy
from lucid.stream.read.placed import SMALL_BYTES, PlacedSource


def place_of(spec, **options):
    with open_source(spec, ("features",), lambda *array: None, **options) as source:
        return source.place


def place_of_npy(path):
    return place_in_npy(*FilesSeen().look(path)[:2])


def looked_at(path):
    about = None, Path(path).read_bytes()[:64], ("features",), lambda *array: None
    return look_source(Path(path), *about)


def place_at_first_look(name):
    with h5py.File("a.h5") as file:
        return place_in_hdf5(file.id, name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">i2", "u1", "?", "<f8"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_a_contiguous_dataset_is_read_from_its_place(folder, rng, dtype, userblock):
    array = (rng.standard_normal((3, 4, 5)) * 10).astype(dtype)
    with h5py.File("a.h5", "w", userblock_size=userblock) as file:
        file["other"] = np.arange(1000)
        file["group/a"] = array
        file["soft"] = h5py.SoftLink("/group/a")
    for name in ("group/a", "soft"):
        place = place_of(f"a.h5::{name}")
        np.testing.assert_array_equal(PlacedSource("a.h5", place)[:, 1:3, ::], array[:, 1:3])
        assert place.dtype == array.dtype
    first = place_at_first_look("group/a")
    assert first == (place if dtype in {"<f4", ">f4", "<f2", "u1", "<f8"} else None)
    assert place_at_first_look("soft") is None


@pytest.mark.parametrize("options", [{}, {"userblock_size": 512}, {"libver": "latest"}])
def test_many_datasets_have_the_places_that_hdf5_says(folder, rng, options):
    shapes = [(2, 3, 4), (2, 3, 4), (2, 5, 4), (3, 4), (2, 3, 4), (2, 5, 4)] * 3
    with h5py.File("a.h5", "w", **options) as file:
        for k, shape in enumerate(shapes):
            file[f"{k}/map"] = rng.standard_normal(shape).astype("f4")
        file["5/map"].attrs["scale_factor"] = 2.0
        file["late/map"] = file["9/map"]
        file["soft/map"] = h5py.SoftLink("/9/map")
        file["ints/map"] = np.ones((2, 3, 4), "i4")
        file.create_dataset("chunked/map", data=np.ones((2, 3, 4), "f4"), chunks=(1, 3, 4))
        file.create_dataset("unwritten/map", (2, 3, 4), "f4")
        begin = file["12/map"].id.get_offset() - options.get("userblock_size", 0)
        names = sorted(file, key=str)
    damaged = Path("a.h5").read_bytes().replace(begin.to_bytes(8, "little"), b"\xf0" * 7 + b"\0")
    Path("b.h5").write_bytes(damaged)
    for path in ("a.h5", "b.h5"):
        with h5py.File(path) as file:
            headers = Headers(file.id)
            for name in [f"{one}/map" for one in [*names, *names, "none"]]:
                assert headers.place(name) == place_in_hdf5(file.id, name), name


def test_what_lies_otherwise_has_no_place(folder):
    halves = h5py.h5t.IEEE_F32LE.copy()
    halves.set_fields(15, 7, 8, 0, 7)
    halves.set_size(2)
    halves.set_ebias(127)  # as bfloat16, which h5py reads as float32
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("chunked", data=np.ones((4, 4)), chunks=(2, 2))
        file.create_dataset("unwritten", (4, 4), "f4")
        file.create_dataset("outside", (4,), "u1", external=[("raw.bin", 0, 4)])
        file["linked"] = h5py.ExternalLink("b.h5", "/a")
        h5py.h5d.create(file.id, b"halves", halves, h5py.h5s.create_simple((4, 4)))
        file["halves"][...] = 1
        file["scaled"] = np.ones((4, 4), "i2")
        file["scaled"].attrs["scale_factor"] = 2.0
        layout = h5py.VirtualLayout((4, 4), "f4")
        layout[...] = h5py.VirtualSource(".", "unwritten", (4, 4))
        file.create_virtual_dataset("virtual", layout)
    with open("raw.bin", "wb") as stream:
        stream.write(b"abcd")
    with h5py.File("b.h5", "w") as file:
        file["a"] = np.ones(4)
    names = ["chunked", "unwritten", "outside", "linked", "halves", "scaled", "virtual"]
    for name in names:
        assert place_of(f"a.h5::{name}", trust=True) is None
    for name in [*names, "missing", "", ".", "/", "linked/a", "\0", "\udcff"]:
        assert place_at_first_look(name) is None


def test_a_dataset_of_fewer_bytes_than_it_promises_has_no_place(folder):
    with h5py.File("a.h5", "w", libver="latest") as file:
        file["a"] = np.ones((4, 4), "f4")
    with open("a.h5", "r+b") as stream:
        held = stream.read()
        at = held.index((4).to_bytes(8, "little") * 2)  # its shape
        stream.seek(at)
        stream.write((4_000_000).to_bytes(8, "little") * 2)
    with pytest.raises(SourceError):
        place_of("a.h5::a")
    assert place_at_first_look("a") is None


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("length", [7, SMALL_BYTES // 16])
def test_a_npy_file_is_read_from_its_place(folder, rng, order, length):
    array = np.asarray(rng.standard_normal((3, length)), order=order)
    np.save("a.npy", array)
    source = PlacedSource("a.npy", place_of_npy("a.npy"))
    np.testing.assert_array_equal(source[1], array[1])
    np.testing.assert_array_equal(source[:, 2:5], array[:, 2:5])
    small = array.nbytes <= SMALL_BYTES
    assert not small or source[:, 2:5].base is None  # it does not keep the whole array


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_small_deflated_member_is_unpacked_from_its_place(folder, rng, order):
    array = np.asarray(rng.integers(0, 9, (3, 40)), order=order)
    np.savez_compressed("a.npz", features=array)
    source = looked_at("a.npz")
    assert isinstance(source, PlacedSource)
    np.testing.assert_array_equal(source[1:, ::2], array[1:, ::2])
    room = np.empty(array.shape, array.dtype)
    source.read_to(room)
    np.testing.assert_array_equal(room, array)
    np.savez_compressed("a.npz", features=np.zeros(SMALL_BYTES // 8 + 1))
    with looked_at("a.npz") as source:
        assert not isinstance(source, PlacedSource)


@pytest.mark.parametrize("cut", [False, True])
def test_a_deflated_member_that_has_changed_since_is_refused(folder, rng, cut):
    np.savez_compressed("a.npz", features=rng.integers(0, 9, (30, 40)))
    held, sources = bytearray(Path("a.npz").read_bytes()), [looked_at("a.npz") for _ in range(2)]
    held[300] ^= 255
    Path("a.npz").write_bytes(held[:100] if cut else held)
    with pytest.raises(SourceError, match=r"^a\.npz::features cannot be read: "):
        sources[0][...]
    with pytest.raises(SourceError, match=r"^a\.npz::features cannot be read: "):
        sources[1].read_to(np.empty((30, 40), np.int64))
    os.unlink("a.npz")
    with pytest.raises(MissingFileError):
        sources[0].read_to(np.empty((30, 40), np.int64))


def test_what_takes_a_closer_look_is_not_placed(folder):
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    np.save("long.npy", np.zeros(1, [("x" * 5000, "f4")]))
    np.save("cut.npy", np.zeros(100))
    os.truncate("cut.npy", 500)
    with open("text.npy", "wb") as stream:
        stream.write(b"no array at all")
    open("empty.npy", "wb").close()
    os.mkfifo("fifo.npy")
    os.mkdir("folder.npy")
    for name in ("objects", "long", "cut", "text", "empty"):
        assert place_of_npy(f"{name}.npy") is None
    for name in ("fifo", "folder"):  # not waited for, and not counted
        seen = FilesSeen()
        with pytest.raises(OSError, match="seek|directory"):
            seen.look(f"{name}.npy")
        assert seen.count == 0


def test_a_fingerprint_taken_in_passing_is_that_of_the_files(folder, rng):
    names = ["a.npy", "b.npy", "c.npy"]
    seen = FilesSeen()
    for k, name in enumerate(names):
        np.save(name, rng.standard_normal(100 * 10**k))
        os.utime(name, ns=(0, 10 - k))
        assert place_in_npy(*seen.look(name)[:2]) is not None
    assert (seen.text(), seen.modified) == (fingerprint_of_many(names), 10)
    assert fingerprint_of_many([*names, "gone.npy"]) != seen.text()
    assert seen.look("gone.npy") is None
    assert fingerprint_of_many([*names, "gone.npy"]) == seen.text()


@pytest.mark.parametrize("length", [1000, SMALL_BYTES])
def test_a_file_that_has_gone_or_become_shorter_is_an_error(folder, length):
    np.save("a.npy", np.zeros(length))
    place = place_of_npy("a.npy")
    os.truncate("a.npy", 500)
    with pytest.raises(SourceError, match="a.npy cannot be read"):
        PlacedSource("a.npy", place)[0]
    os.remove("a.npy")
    with pytest.raises(FileNotFoundError, match="a.npy cannot be opened: No such file") as caught:
        PlacedSource("a.npy", place)[0]
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "a.npy")


@pytest.mark.parametrize(
    ("kind", "parent", "builtin", "code"),
    [
        (MissingFileError, SourceError, FileNotFoundError, errno.ENOENT),
        (OutputExistsError, SinkError, FileExistsError, errno.EEXIST),
    ],
)
def test_errors_about_files_are_those_of_the_system_too(kind, parent, builtin, code):
    error = kind("a.npy is so", "a.npy")
    for one in (error, pickle.loads(pickle.dumps(error))):
        for each in (parent, builtin, LucidError):
            assert isinstance(one, each)
        assert (str(one), one.errno, one.filename) == ("a.npy is so", code, "a.npy")
