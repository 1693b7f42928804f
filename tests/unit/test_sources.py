"""Opening arrays in files: what is chosen, and what is refused in one clear sentence."""

import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from lucid import DTypeError, ShapeError, SourceError
from lucid.roi.pooling import require_features
from lucid.roi.table import require_table
from lucid.stream import list_arrays
from lucid.stream.read import arrays


def open_source(spec, role, **options):
    check = {"features": require_features, "rois": require_table}[role]
    return arrays.open_source(spec, (role,), check, **options)


def test_a_npy_file_is_mapped(files):
    with open_source("f.npy", "features") as source:
        assert source.mapped
        assert isinstance(source[1], np.memmap)
        np.testing.assert_array_equal(source[1:3, :, 2:5], files.features[1:3, :, 2:5])


@pytest.mark.parametrize("order", ["C", "F"])
def test_either_order_of_axes_in_a_npy_file(files, order):
    np.save("ordered.npy", np.asarray(files.features, order=order))
    with open_source("ordered.npy", "features") as source:
        np.testing.assert_array_equal(source[2], files.features[2])


@pytest.mark.parametrize("dataset", ["features", "deep/zipped", "/deep/zipped", "channels"])
def test_a_dataset_is_chosen_by_name(files, dataset):
    with open_source(f"f.h5::{dataset}", "features") as source:
        np.testing.assert_array_equal(source[3], files.features[3])


def test_without_a_name_the_one_called_as_its_role_is_chosen(files):
    with open_source("f.h5", "features") as source:
        assert source.name == "f.h5::features"
        assert source.said() == ({"spatial_scale": 1 / 16}, {})


def test_without_a_name_the_only_one_that_could_be_meant_is_chosen(files):
    with h5py.File("one.h5", "w") as file:
        file["a/maps"] = files.features
        file["a/labels"] = np.arange(5)
        file["a/names"] = ["one", "two"]
        file["nothing"] = h5py.Empty("f4")
    with open_source("one.h5", "features") as source:
        assert source.name == "one.h5::a/maps"


def test_a_file_with_colons_in_its_name_is_a_file(files):
    shutil.copy("f.npy", "odd::name.npy")
    with open_source("odd::name.npy", "features") as source:
        assert source.shape == files.features.shape


def test_a_dataset_with_colons_in_its_name_can_be_chosen_for_the_caller(files):
    with h5py.File("colons.h5", "w") as file:
        file["a::b"] = files.features
    with open_source("colons.h5", "features") as source:
        assert source.name == "colons.h5::a::b"
        assert str(source.path) == "colons.h5"
        assert source.as_input("features").dataset == "a::b"


def test_an_array_without_values_opens(files):
    np.save("none.npy", np.empty((0, 5)))
    with open_source("none.npy", "rois") as source:
        assert source.shape == (0, 5)


def write(path, data):
    Path(path).write_bytes(data)
    return path


def header(text):
    """Return a .npy file of version 1.0 with this header and no values."""
    data = text.encode()
    return b"\x93NUMPY\x01\x00" + len(data).to_bytes(2, "little") + data


def npy_header(shape, descr="'<f4'"):
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")


REFUSED = {
    "missing.npy": (lambda path: path, "missing.npy cannot be opened: No such file"),
    "void": (lambda path: Path(path).mkdir() or path, "void is an empty folder"),
    "folder": (
        lambda path: Path(path).mkdir() or Path(path, "a.npz").touch() or path,
        "folder is a folder; if it has a file for each image, pass folder/{id}.npz",
    ),
    "f.jpg": (lambda path: write(path, b"\xff\xd8\xff\xe0.."), "it is a JPEG picture"),
    "f.npy.gz": (lambda path: write(path, b"\x1f\x8b\x08.."), "unpack it with gunzip"),
    "lfs.npy": (
        lambda path: write(path, b"version https://git-lfs.github.com/spec/v1\n"),
        "fetch that with git lfs pull",
    ),
    "empty.npy": (lambda path: write(path, b""), "must be a .npy, .* file; it is empty"),
    "text.npy": (
        lambda path: write(path, b"1,2,3"),
        "text.npy must be a .npy, .* file; as rois also .csv",
    ),
    "f.tif": (lambda path: write(path, b"II*\0.."), "it is a TIFF: np.save"),
    "x.mdb": (
        lambda path: write(path, bytes(10) + b"\x08" + bytes(5) + b"\xde\xc0\xef\xbe\1\0\0\0"),
        "it is an LMDB database",
    ),
    "p.pkl": (lambda path: write(path, pickle.dumps([1])), "looks like a pickle"),
    "cut.h5": (
        lambda path: write(path, Path("f.h5").read_bytes()[:3000]),
        "cut.h5 cannot be read as HDF5",
    ),
    "cut.npy": (
        lambda path: write(path, Path("f.npy").read_bytes()[:-1]),
        "cut.npy is truncated: its header promises 24608 bytes, it has 24607",
    ),
    "head.npy": (lambda path: write(path, Path("f.npy").read_bytes()[:40]), "no valid .npy header"),
    "magic.npy": (lambda path: write(path, b"\x93NUMPY"), "no valid .npy header"),
    "v3.npy": (lambda path: write(path, b"\x93NUMPY\x03\x00abcd"), "no valid .npy header"),
    "long.npy": (
        lambda path: write(path, b"\x93NUMPY\x02\x00" + (2**31 - 1).to_bytes(4, "little")),
        "no valid .npy header: it would be 2147483647 bytes long",
    ),
    "code.npy": (lambda path: write(path, header("__import__('os')")), "no valid .npy header"),
    "minus.npy": (lambda path: write(path, npy_header("(-1, 1, 4, 4)")), "no valid .npy header"),
    "bomb.npy": (lambda path: write(path, npy_header("(9999999999, 9999, 99, 99)")), "truncated"),
    "over.npy": (lambda path: write(path, npy_header(f"({2**62}, 4, 1, 1)")), "truncated"),
    "objects.npy": (
        lambda path: np.save(path, np.array([[{}]]), allow_pickle=True) or path,
        "pickled Python objects, which are never loaded",
    ),
    "f.npy::x": (lambda path: path, "f.npy is a .npy file, without datasets; drop '::x'"),
    "f.h5::x": (
        lambda path: path,
        r"f.h5 has no dataset 'x'; it holds .*'features' \(5, 6, 12, 17\) float32"
        r".* Choose with f.h5::NAME",
    ),
    "f.h5::deep": (lambda path: path, "f.h5 has no dataset 'deep'; it holds"),
    "::x": (lambda path: path, "must be PATH or PATH::DATASET"),
    "f.h5::": (lambda path: path, "must be PATH or PATH::DATASET"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sound_array_is_refused(files, name):
    make, message = REFUSED[name]
    with pytest.raises(SourceError, match=message):
        open_source(make(name), "features")


def test_several_candidates_are_listed(files):
    with h5py.File("many.h5", "w") as file:
        for k in range(12):
            file[f"layer{k:02}"] = files.features
    with pytest.raises(
        SourceError,
        match="several datasets usable as features; it holds "
        r"'layer00' .*'layer07' .*, and 4 more. Choose with many.h5::NAME",
    ):
        open_source("many.h5", "features")  # fmt: skip


def test_a_file_without_candidates_says_what_it_holds(files):
    with h5py.File("few.h5", "w") as file:
        file["labels"] = np.arange(5)
    with pytest.raises(ShapeError, match=r"few.h5::labels must have shape \(K, 5\)"):
        open_source("few.h5", "rois")
    with h5py.File("few.h5", "a") as file:
        file["more"] = np.arange(5)
    with pytest.raises(SourceError, match=r"no dataset usable as rois; it holds 'labels' \(5,"):
        open_source("few.h5", "rois")
    h5py.File("bare.h5", "w").close()
    with pytest.raises(SourceError, match="it holds no arrays"):
        open_source("bare.h5", "rois")


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (np.zeros((3, 4, 5), np.float32), ShapeError),
        (np.zeros((1, 1, 0, 5), np.float32), ShapeError),
        (np.zeros((1, 1, 4, 4), np.complex64), DTypeError),
        (np.zeros((1, 1, 4, 4), [("a", "f4")]), DTypeError),
        (np.zeros((1, 1, 4, 4), "S3"), DTypeError),
    ],
)
def test_an_array_of_another_kind_is_refused_by_its_name(files, array, error):
    np.save("a.npy", array)
    with pytest.raises(error, match="a.npy must h"):
        open_source("a.npy", "features")
    with h5py.File("a.h5", "w") as file:
        file["given"] = array
    with pytest.raises(error, match="a.h5::given must h"):
        open_source("a.h5::given", "features")


def test_damage_found_while_reading_is_an_error_about_the_file(files):
    with h5py.File("f.h5") as file:
        block = file["deep/zipped"].id.get_chunk_info(0)
    data = bytearray(Path("f.h5").read_bytes())
    data[block.byte_offset : block.byte_offset + block.size] = bytes(block.size)
    write("f.h5", data)
    with (
        open_source("f.h5::deep/zipped", "features") as source,
        pytest.raises(SourceError, match="f.h5::deep/zipped cannot be read"),
    ):
        source[0]


def test_arrays_are_listed_with_what_they_could_be(files):
    infos = {info.dataset: info for info in list_arrays("f.h5")}
    assert list(infos) == ["by_two", "channels", "deep/zipped", "features"]
    assert infos["deep/zipped"].compression == "gzip"
    assert infos["deep/zipped"].chunks == (2, 3, 12, 17)
    assert infos["features"].roles == ["features"]
    (info,) = list_arrays("r.npy")
    assert (info.dataset, info.shape, info.roles) == (None, (60, 5), ["rois"])


def test_a_contiguous_dataset_of_bfloat16_is_whole_though_h5py_shows_wider_values(files):
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)  # sign; place and size of the exponent, and of the mantissa
    kind.set_size(2)
    kind.set_ebias(127)
    space = h5py.h5s.create_simple((1, 2, 40, 50))
    with h5py.File("bf16.h5", "w") as file:
        dataset = h5py.Dataset(h5py.h5d.create(file.id, b"features", kind, space))
        dataset[...] = np.arange(4000.0, dtype=np.float32).reshape(1, 2, 40, 50) % 256
    with open_source("bf16.h5", "features") as source:
        assert source.dtype == np.float32
        assert source[0, 1, 39, 49] == 3999 % 256
