"""Arrays in safetensors files: mapped as they are, and a header that lies is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SourceError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays
from lucid.stream.read.arrays import open_container

KINDS = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BOOL": "?", "I64": "i8", "I32": "i4", "I16": "i2",
    "I8": "i1", "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1",
}  # fmt: skip
NAMES = {np.dtype(dtype): kind for kind, dtype in KINDS.items()}


def save(path, arrays, metadata=None, **changed):
    """Write a file by hand; what is changed replaces or adds to what the header says."""
    at, header = 0, {"__metadata__": metadata} if metadata else {}
    for name, array in arrays.items():
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape),
                        "data_offsets": [at, at := at + array.nbytes]}  # fmt: skip
    for name, changes in changed.items():
        header[name] = header.get(name, {}) | changes
    values = b"".join(array.tobytes() for array in arrays.values())
    return write(path, json.dumps(header), values)


def write(path, header, values=b""):
    data = header.encode()
    Path(path).write_bytes(len(data).to_bytes(8, "little") + data + values)
    return path


def crops_of(features, rois="r.npy", **options):
    options = {"spatial_scale": 1 / 16, "overwrite": True, **options}
    lucid.extract(features, rois, "c.npy", **options)
    return np.load("c.npy")


def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


def test_everything_that_a_run_reads_may_be_in_one_file(files):
    arrays = {
        "x": files.features,
        "boxes": files.rois[:, 1:],
        "index": files.rois[:, 0].astype(int),
    }
    save("a.safetensors", arrays, {"spatial_scale": "0.0625", "note": "made by hand"})
    for features in ("a.safetensors", "a.safetensors::x"):
        crops = crops_of(features, "a.safetensors", batch_index="a.safetensors::index",
                         spatial_scale=None)  # fmt: skip
        np.testing.assert_array_equal(crops, expected(files))


def test_a_key_per_image(files):
    save("a.safetensors", {f"img.{k}.map": one for k, one in enumerate(files.features)})
    np.testing.assert_array_equal(crops_of("a.safetensors::img.{id}.map"), expected(files))


def test_files_of_the_library_itself(files):
    library = pytest.importorskip("safetensors.numpy")
    arrays = {kind: (files.features * 9).astype(dtype) for kind, dtype in KINDS.items()}
    library.save_file(arrays, "a.safetensors", metadata={"a": "b"})
    container = open_container(Path("a.safetensors"), False)
    assert [info.dataset for info in container.infos()] == sorted(KINDS)
    for kind, array in arrays.items():
        found = container.open(kind)[...]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
    container.close()


def test_bfloat16_is_widened(files):
    halves = (files.features.view("u4") >> 16).astype("u2")
    save("a.safetensors", {"x": halves}, x={"dtype": "BF16"})
    (info,) = list_arrays("a.safetensors")
    assert (info.kind, info.dtype, info.roles) == ("bfloat16", np.float32, ["features"])
    wide = (halves.astype("u4") << 16).view("f4")
    crops = crops_of("a.safetensors")
    assert crops.dtype == np.float32
    np.testing.assert_array_equal(crops, roi_align(wide, files.rois, 7, spatial_scale=1 / 16))


X = np.zeros((1, 2, 3, 4), "f4")
HOSTILE = {
    "no JSON": lambda: write("h.safetensors", "{no", b""),
    "no object": lambda: write("h.safetensors", "[1]"),
    "many levels": lambda: write("h.safetensors", '{"x":' + "[" * 100_000),
    "no text": lambda: write("h.safetensors", '{"\udcff": 1}'.encode("utf-8", "replace").decode()),
    "a key twice": lambda: write("h.safetensors", '{"x": {}, "x": {}}'),
    "a key twice inside": lambda: write("h.safetensors", '{"x": {"dtype": "F32", "dtype": "F32"}}'),
    "a header without end": lambda: Path("h.safetensors").write_bytes(b"\xff" * 7 + b"\0{}"),
    "a header longer than the file": lambda: Path("h.safetensors").write_bytes(
        (99).to_bytes(8, "little") + b"{}"
    ),
    "nothing more": lambda: Path("h.safetensors").write_bytes(b"\2"),
    "an entry that is none": lambda: write("h.safetensors", '{"x": 1}'),
    "more in an entry": lambda: save("h.safetensors", {"x": X}, x={"more": 1}),
    "metadata that are none": lambda: write("h.safetensors", '{"__metadata__": {"a": 1}}'),
    "a hole": lambda: save("h.safetensors", {"x": X, "y": X}, y={"data_offsets": [97, 193]}),
    "an overlap": lambda: save("h.safetensors", {"x": X, "y": X}, y={"data_offsets": [95, 191]}),
    "one place": lambda: save("h.safetensors", {"x": X, "y": X}, y={"data_offsets": [0, 96]}),
    "a hole at the beginning": lambda: save("h.safetensors", {"x": X}, x={"data_offsets": [1, 97]}),
    "a hole at the end": lambda: save("h.safetensors", {"x": X}, x={"shape": [1, 2, 3, 3],
                                                             "data_offsets": [0, 72]}),
    "a shape too large": lambda: save("h.safetensors", {"x": X}, x={"shape": [2**62, 2, 3, 4]}),
    "a shape too small": lambda: save("h.safetensors", {"x": X}, x={"shape": [1, 2, 3]}),
    "a length that is true": lambda: save("h.safetensors", {"x": X}, x={"shape": [True, 2, 3, 4]}),
    "a length below zero": lambda: save("h.safetensors", {"x": X}, x={"shape": [-1, -2, 3, 4]}),
    "many axes": lambda: save("h.safetensors", {"x": X}, x={"shape": [1] * 99 + [24]}),
    "offsets backwards": lambda: save("h.safetensors", {"x": X}, x={"data_offsets": [96, 0]}),
    "three offsets": lambda: save("h.safetensors", {"x": X}, x={"data_offsets": [0, 96, 96]}),
    "values of another size": lambda: save("h.safetensors", {"x": X}, x={"dtype": "F64"}),
    "values that are not read": lambda: save("h.safetensors", {"x": X}, x={"dtype": "F8_E4M3"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_header_that_lies_is_refused(files, kind):
    HOSTILE[kind]()
    with pytest.raises(SourceError, match=r"^h.safetensors") as refused:
        crops_of("h.safetensors")
    assert "\n" not in str(refused.value)


def test_the_fact_is_told(files):
    save("h.safetensors", {"x": X, "y": X}, y={"data_offsets": [97, 193]})
    with pytest.raises(SourceError, match="'y' begins at byte 97, what is before ends at 96"):
        crops_of("h.safetensors")
    save("h.safetensors", {"x": X}, x={"dtype": "F8_E4M3"})
    with pytest.raises(SourceError, match="::x holds values of F8_E4M3, which are not read"):
        crops_of("h.safetensors")
