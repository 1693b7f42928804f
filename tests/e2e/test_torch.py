"""Tensors in torch files: read as torch reads them, without it, and nothing in them is run."""

import os
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch_files
from torch_files import Tensor

import lucid
from lucid import ShapeError, SourceError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays
from lucid.stream.read.arrays import open_container
from lucid.stream.read.pickled import FEWEST_STEPS

DATA = Path(__file__).parents[1] / "data" / "torch"
MAPS = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
KINDS = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
    "uint64", "uint32", "uint16", "uint8", "bool",
]  # fmt: skip


def array_of(path, name=None):
    container = open_container(Path(path), False)
    try:
        source = container.open(name)
        return None if source is None else source[...]
    finally:
        container.close()


def crops_of(features, rois="r.npy", **options):
    options = {"spatial_scale": 1 / 16, "overwrite": True, **options}
    lucid.extract(features, rois, "c.npy", **options)
    return np.load("c.npy")


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_every_kind(kind):
    found = array_of(DATA / "kinds.pt", kind)
    expected = np.dtype("f4" if kind == "bfloat16" else kind)
    assert found.dtype == expected
    np.testing.assert_array_equal(found, MAPS.astype(expected))


NAMED = {
    ("tensor.pt", None): MAPS,
    ("protocol5.pt", "features"): MAPS,
    ("parameter.pt", None): MAPS,
    ("nested.pt", "features"): MAPS,
    ("nested.pt", "deep.inner"): MAPS[:1],
    ("nested.pt", "deep.a.b"): MAPS[1],
    ("nested.pt", "7"): MAPS * 2,
    ("nested.pt", "list.0"): MAPS[0],
    ("nested.pt", "list.1.0"): MAPS[1],
    ("views.pt", "steps"): MAPS[:, :, ::2, ::3],
    ("views.pt", "order"): MAPS.transpose(2, 0, 3, 1),
    ("views.pt", "expanded"): np.broadcast_to(MAPS[:, :1], (2, 6, 4, 5)),
    ("views.pt", "offset"): MAPS[1:, 1:, 1:, 1:],
    ("views.pt", "empty"): MAPS[:0],
    ("views.pt", "negative"): -MAPS,
}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_tensors_where_they_are(path, name):
    found = array_of(DATA / path, name)
    np.testing.assert_array_equal(found, NAMED[path, name])


def test_names_that_lead_to_no_tensor():
    for name in ("nothing", "deep", "other.4", "list.9", "list.-1", "deep.inner.0", "7.", ""):
        assert array_of(DATA / "nested.pt", name) is None
    with pytest.raises(SourceError, match="tensor.pt is a tensor, without keys; drop '::x'"):
        array_of(DATA / "tensor.pt", "x")


def test_what_a_file_holds_is_listed():
    infos = {info.dataset: info for info in list_arrays(DATA / "nested.pt")}
    tensors = ["7", "deep.a.b", "deep.inner", "features", "list.0", "list.1.0"]
    assert list(infos) == [*tensors, "other.7"]
    assert infos["other.7"].dtype.kind == "U"
    (alone,) = list_arrays(DATA / "tensor.pt")
    assert (alone.dataset, alone.shape) == (None, (2, 3, 4, 5))
    half = next(info for info in list_arrays(DATA / "kinds.pt") if info.dataset == "bfloat16")
    assert (half.kind, half.dtype) == ("bfloat16", np.float32)


REFUSED = {
    "quantized.pt": "holds torch._utils._rebuild_qtensor, a quantized tensor; only tensors",
    "sparse.pt": "holds torch._utils._rebuild_sparse_tensor, a sparse tensor",
    "complex.pt": "holds torch.ComplexFloatStorage, complex numbers",
    "float8.pt": "holds torch.float8_e4m3fn, values that are not read",
    "module.pt": "holds __main__.Nothing, an object; only tensors are read",
    "array.pt": r"holds numpy\._core\.multiarray\._reconstruct, a NumPy array or number",
    "old.pt": r"in torch's old format; with torch, .* torch.save\(torch.load\('.*old.pt', weights",
    "script.pt": "is a program of TorchScript",
    "program.pt2": "is a program of torch.export",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_tensor_is_refused_by_its_name(name):
    with pytest.raises(SourceError, match=f"{name} (is )?{REFUSED[name]}") as refused:
        list_arrays(DATA / name)
    assert "npz" not in str(refused.value)


@pytest.mark.parametrize("features", ["a.pt", "a.pt::features", "one.pt", "ids.pt::{id}.map"])
def test_crops_are_those_of_the_same_maps_in_an_array(files, features):
    torch_files.save("a.pt", {"features": files.features, "rois": files.rois, "one": 1})
    torch_files.save("one.pt", files.features)
    torch_files.save("ids.pt", {image: {"map": one} for image, one in enumerate(files.features)})
    expected = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(crops_of(features, "a.pt::rois"), expected)


def test_ids_in_keys(files):
    keys = {f"img.{image}.features": files.features[image] for image in range(5)}
    torch_files.save("keys.pt", {**keys, "spatial_scale": 1 / 16, "size": (1, 2)})
    expected = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(
        crops_of("keys.pt::img.{id}.features", spatial_scale=None), expected
    )
    np.save("ids.npy", [f"img.{image}" for image in range(5)])
    np.testing.assert_array_equal(crops_of("keys.pt::{id}.features", ids="ids.npy"), expected)


def test_byte_order_is_that_of_the_file(files):
    maps = files.features.astype(">f4")
    torch_files.save("big.pt", Tensor(maps, kind="Float"), order="big")
    np.testing.assert_array_equal(array_of("big.pt"), files.features)


ONE = np.zeros((1, 2, 3, 4), "f4")
NAME = torch_files.text("x")
HOSTILE = {
    "a call of the system": (
        b"cos\nsystem\n" + torch_files.text("touch pwned") + b"\x85R", "os.system, an object",
    ),
    "a lookup of what is allowed in another module": (b"cbuiltins\neval\n)R", "builtins.eval"),
    "a name with dots": (b"ctorch\n_utils._rebuild_tensor_v2.__globals__\n", "__globals__"),
    "a call of a text": (NAME + b")R", "a call of what is no function"),
    "a call of a dtype": (b"ctorch\nfloat32\n)R", "damaged pickle|no function"),
    "attributes of a list": (b"]}b", "sets attributes of what has none"),
    "an instance": (b"(ios\nsystem\n", "does what is not read"),
    "an extension": (b"\x82\x01", "does what is not read"),
    "a key of many levels": (b"}" + b")" + b"\x85" * 200_000 + b"Ns", "key that is neither"),
    "a storage too short": (Tensor(ONE, storage=bytes(95)), "reaches to byte 96 .* has 95"),
    "an offset": (Tensor(ONE, offset=1), "reaches to byte 100 of its storage, which has 96"),
    "strides": (Tensor(ONE, strides=(1, 99, 4, 1)), "reaches to byte 444"),
    "a shape": (Tensor(ONE, shape=(2**62, 2, 3, 4)), "reaches to byte"),
    "a shape without values in it": (
        Tensor(ONE, shape=(2**62, 2, 3, 2**62), strides=(0, 0, 0, 0)), "has a shape that no array",
    ),
    "a length below zero": (Tensor(ONE, shape=(-1, 2, 3, 4)), "no whole numbers"),
    "a stride below zero": (Tensor(ONE, strides=(1, -1, 4, 1)), "no whole numbers"),
    "fewer strides": (Tensor(ONE, strides=(1, 1)), "4 lengths and 2 strides"),
    "a length that is no number": (Tensor(ONE, shape=(1.5, 2, 3, 4)), "no whole numbers"),
    "another storage": (b"(" + NAME + b"tQ", "a reference to what is no storage"),
    "a long number": (b"\x8b" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20), "not read"),
    "a text that is cut off": (b"X\xff\xff\xff\xff", "is cut off"),
    "nothing": (b"", "damaged pickle"),
    "a place in the memory of the pickle": (b"Nr\xff\xff\xff\xff", "holds no arrays"),
    "many levels": (b"]" * 200_000 + b"a" * 199_999, "holds no arrays"),
    "many steps": (b"N" * (FEWEST_STEPS + 10_000), "takes more than"),
    "itself, again and again": (b"](q\x00" + b"h\x00" * 9 + b"e", "damaged|holds no arrays"),
    "many lists of many lists": (
        b"]q\x00" + b"".join(b"](" + b"h%c" % k * 99 + b"eq%c" % (k + 1) for k in range(40)),
        "holds no arrays",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_lies_is_refused_and_nothing_is_run(files, kind):
    value, message = HOSTILE[kind]
    torch_files.save("h.pt", value)
    with pytest.raises((SourceError, ShapeError), match=message) as refused:
        crops_of("h.pt")
    assert "\n" not in str(refused.value)
    assert not os.path.exists("pwned")


def test_a_missing_or_packed_storage_is_refused(files):
    torch_files.save("packed.pt", files.features, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(SourceError, match="packed.pt::any/.* is packed"):
        crops_of("packed.pt")
    data = Path(torch_files.save("a.pt", files.features)).read_bytes()
    Path("a.pt").write_bytes(data.replace(b"any/data/0", b"any/data/9"))
    with pytest.raises(SourceError, match="a.pt is in a storage '0', which is missing"):
        crops_of("a.pt")


def test_tensors_are_read_where_files_cannot_be_mapped(files, monkeypatch):
    def refuse(*arguments):
        raise OSError(19, "No such device")

    monkeypatch.setattr(np, "memmap", refuse)
    np.savez("a.npz", x=files.features)
    torch_files.save("a.pt", files.features)
    expected = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    for features in ("a.npz", "a.pt"):
        np.testing.assert_array_equal(crops_of(features), expected)
    with pytest.raises(SourceError, match="and its file system maps no files; save tensor.contig"):
        array_of(DATA / "views.pt", "steps")


def test_other_files_are_not_taken_for_torch_files(files):
    Path("p.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(SourceError, match="p.pkl must be a .*torch .pt.* file; it looks like a p"):
        crops_of("p.pkl")
    Path("cut.pt").write_bytes(Path(torch_files.save("a.pt", files.features)).read_bytes()[:-40])
    with pytest.raises(SourceError, match="cut.pt is a damaged zip file: it has no directory"):
        crops_of("cut.pt")


def test_files_of_torch_itself(files, tmp_path):
    torch = pytest.importorskip("torch")
    features = torch.from_numpy(files.features)
    cases = {"a": features, "b": {"x": features.double()}, "c": features.permute(0, 2, 3, 1),
             "d": {"x": features[::2], "y": [features.bfloat16(), features[:, 1:3]]}}  # fmt: skip
    for name, value in cases.items():
        torch.save(value, f"{name}.pt")
    for path, name, value in (
        ("a.pt", None, cases["a"]), ("b.pt", "x", cases["b"]["x"]), ("c.pt", None, cases["c"]),
        ("d.pt", "x", cases["d"]["x"]), ("d.pt", "y.0", cases["d"]["y"][0].float()),
        ("d.pt", "y.1", cases["d"]["y"][1]),
    ):  # fmt: skip
        np.testing.assert_array_equal(array_of(path, name), value.numpy())


def test_lists_of_texts_or_numbers_are_ids(files):
    ids = ["a", "bé", "c", "d", "e"]
    torch_files.save("in.pt", {"maps": files.features, "ids": ids, "numbers": [5, 6, 7, 8, 9]})
    listed = {info.dataset: (info.shape, info.dtype.kind) for info in list_arrays("in.pt")}
    assert listed["ids"] == ((5,), "U")
    for name, expected in (("ids", ids), ("numbers", [5, 6, 7, 8, 9])):
        lucid.extract("in.pt::maps", "r.npy", "c.h5", ids=f"in.pt::{name}", overwrite=True)
        with h5py.File("c.h5") as file:
            found = file["ids"]
            assert (found.asstr() if name == "ids" else found)[:].tolist() == expected


@pytest.mark.slow
def test_a_list_whose_array_would_be_much_larger_is_no_array(files):
    torch_files.save("in.pt", {"maps": files.features, "log": ["x" * 100_000, *["y"] * 100_000]})
    assert [info.dataset for info in list_arrays("in.pt")] == ["maps"]
