"""Arrays in .npz files: mapped or unpacked, chosen by name, and never more than they say."""

import io
import os
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SourceError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays
from lucid.stream.read import inflated, zip_file

SAVERS = {"stored": np.savez, "deflated": np.savez_compressed}


@pytest.fixture(params=SAVERS)
def save(request):
    return SAVERS[request.param]


def crops_of(features, rois="r.npy", **options):
    options = {"spatial_scale": 1 / 16, "overwrite": True, **options}
    lucid.extract(features, rois, "c.npy", **options)
    return np.load("c.npy")


def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


@pytest.mark.parametrize("name", ["features", "feat", "x", "anything"])
def test_the_member_that_can_only_be_meant_is_chosen(files, save, name):
    save("a.npz", **{name: files.features, "size": np.array([3, 4]), "one": files.features[0]})
    np.testing.assert_array_equal(crops_of("a.npz"), expected(files))
    np.testing.assert_array_equal(crops_of(f"a.npz::{name}"), expected(files))


def test_everything_that_a_run_reads_may_be_in_one_file(files, save):
    boxes, index = files.rois[:, 1:], files.rois[:, 0].astype(int)
    names = np.array([f"img{image}" for image in range(5)])
    frames = np.tile([0.5, 0.25, 3.0, 4.0], (5, 1))
    maps = {f"{name}_map": alone for name, alone in zip(names, files.features, strict=True)}
    save("all.npz", boxes=boxes, index=index, ids=names, frames=frames, **maps)
    crops = crops_of("all.npz::{id}_map", "all.npz::boxes", batch_index="all.npz::index",
                     ids="all.npz::ids", frame="all.npz::frames")  # fmt: skip
    moved = np.c_[index, boxes * [0.25, 0.5, 0.25, 0.5] + [4, 3, 4, 3]]
    reference = roi_align(files.features, moved, 7, spatial_scale=1 / 16)
    np.testing.assert_allclose(crops, reference, atol=1e-5)


def test_a_file_says_its_scale_by_a_member(files, save):
    save("a.npz", x=files.features, spatial_scale=1 / 16)
    np.testing.assert_array_equal(crops_of("a.npz", spatial_scale=None), expected(files))


def test_what_a_file_holds_is_listed(files, save):
    save("a.npz", b=files.features, a=files.rois)
    infos = list_arrays("a.npz")
    assert [(info.dataset, info.shape, str(info.dtype)) for info in infos] == [
        ("a", (60, 5), "float64"),
        ("b", (5, 6, 12, 17), "float32"),
    ]
    assert infos[1].compression == (None if save is np.savez else "deflate")


def test_a_stored_member_is_mapped_and_a_large_deflated_one_unpacked_once(
    files, tuned, monkeypatch
):
    tuned(unpacked_bytes=1000, crops_bytes=2000)
    spooled = []
    original = tempfile.TemporaryFile
    monkeypatch.setattr(inflated.tempfile, "TemporaryFile", lambda: spooled.append(1) or original())
    for save, size in ((np.savez, 0), (np.savez_compressed, files.features.nbytes)):
        save("a.npz", x=files.features)
        report = lucid.extract("a.npz", "r.npy", "c.npy", spatial_scale=1 / 16, overwrite=True)
        assert report.spooled_bytes == size
        assert len(spooled) == (size > 0)
        np.testing.assert_array_equal(np.load("c.npy"), expected(files))


def test_a_member_larger_than_the_room_for_it_is_refused_before_it_is_read(
    files, tuned, monkeypatch
):
    tuned(unpacked_bytes=1000)
    usage = type("Usage", (), {"free": 24479})
    monkeypatch.setattr(inflated.shutil, "disk_usage", lambda folder: usage)
    np.savez_compressed("a.npz", x=files.features)
    with pytest.raises(SourceError, match="temporary file of 24480 bytes, and .* has 24479 free"):
        lucid.extract("a.npz", "r.npy", "c.npy", dry_run=True)


@pytest.mark.slow
def test_small_unpacked_members_count_as_memory(files):
    np.savez_compressed("a.npz", x=np.random.default_rng(0).random((1, 32, 200, 200), "f4"))
    np.save("one.npy", files.rois[:1] * 0)
    with pytest.raises(lucid.MemoryLimitError, match="memory must be at least"):
        crops_of("a.npz", "one.npy", memory="30M")


def member(size, method=zipfile.ZIP_STORED, data=None):
    """Return a .npz of one member of maps, and the array."""
    array = np.random.default_rng(0).random((1, 2, 4, size), "f4")
    stream, values = io.BytesIO(), io.BytesIO()
    np.save(values, array)
    with zipfile.ZipFile(stream, "w", method) as file:
        file.writestr("x.npy", data or values.getvalue())
    return bytearray(stream.getvalue())


def header(shape):
    """Return what a .npy file of this shape begins with."""
    stream = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, about)
    return stream.getvalue()


def patched(data, marker, offset, form, value):
    """Change a number in the header that begins with a marker, the last of the file."""
    struct.pack_into(form, data, data.rindex(marker) + offset, value)
    return data


ENTRY, LOCAL, END = zip_file.ENTRY_MARK, zip_file.LOCAL_MARK, zip_file.END_MARK
DEFLATED = zipfile.ZIP_DEFLATED
HOSTILE = {
    "encrypted": (lambda: patched(member(4), ENTRY, 8, "<H", 1), "x.npy is encrypted"),
    "another method": (
        lambda: member(4, zipfile.ZIP_LZMA), "x.npy is packed by method 14; save it deflated",
    ),
    "a bomb": (
        lambda: patched(member(4, DEFLATED), ENTRY, 24, "<L", 2**31),
        r"x would unpack from \d+ to 2147483648 bytes, more than 1000 times",
    ),
    "a size that is too small": (
        lambda: patched(member(50, DEFLATED), ENTRY, 24, "<L", 1000),
        "x must have the 1728 bytes that its header promises, it has 1000",
    ),
    "a size that is a little too large": (
        lambda: patched(member(50, DEFLATED), ENTRY, 24, "<L", 1800),
        "x must have the 1728 bytes that its header promises, it has 1800",
    ),
    "another checksum": (
        lambda: patched(member(50, DEFLATED), ENTRY, 16, "<L", 7),
        "x cannot be read: its bytes are damaged",
    ),
    "two sizes": (
        lambda: patched(member(4), ENTRY, 24, "<L", 999), "has two sizes, though it is not packed",
    ),
    "a place behind the directory": (
        lambda: patched(member(4), ENTRY, 42, "<L", 9999), "overlaps what comes after it",
    ),
    "a place within its bytes": (
        lambda: patched(member(4), ENTRY, 42, "<L", 3), "overlaps what comes after it|is not where",
    ),
    "a longer name before its bytes": (
        lambda: patched(member(4), LOCAL, 26, "<H", 60000), "is not where the directory",
    ),
    "no directory": (lambda: member(4)[:-30], "has no directory; is it cut off"),
    "a directory too large": (
        lambda: patched(member(4), END, 12, "<L", 2**31), "its directory (would|does)",
    ),
    "too many members": (lambda: patched(member(4), END, 10, "<H", 60000), "60000 members"),
    "a name that leads out": (
        lambda: member(4).replace(b"x.npy", b"../xy").replace(b"../xy", b"/.npy"),
        "which leads out of it",
    ),
    "no array": (lambda: member(4, data=b"hello" * 99), "x has no valid .npy header"),
    "a header that is not the values'": (
        lambda: member(4, data=header((9, 9, 99, 999))),
        "x must have the 32044052 bytes",
    ),
    "nothing": (lambda: bytearray(b"PK\5\6" + bytes(18)), "it holds no arrays"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_lies_is_refused(files, kind):
    make, message = HOSTILE[kind]
    Path("h.npz").write_bytes(make())
    np.save("one.npy", [[0, 0, 0, 9, 9]])
    with pytest.raises(SourceError, match=message) as refused:
        crops_of("h.npz", "one.npy")
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("h.npz")


def test_two_members_of_one_name_are_refused(files):
    with zipfile.ZipFile("h.npz", "w") as file:
        file.writestr("x.npy", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("x.npy", b"2")
    with pytest.raises(SourceError, match="two members have the same name"):
        crops_of("h.npz")


def test_a_member_that_unpacks_to_more_than_it_says_is_not_unpacked_further(files):
    """The directory says 608 bytes, as the header of the array does; there is 1 MiB more."""
    values = io.BytesIO()
    np.save("one.npy", [[0, 0, 0, 9, 9]])
    np.save(values, np.zeros((1, 2, 4, 15), "f4"))
    data = member(4, DEFLATED, values.getvalue() + os.urandom(1 << 20))
    patched(data, ENTRY, 24, "<L", len(values.getvalue()))
    Path("h.npz").write_bytes(data)
    with pytest.raises(SourceError, match="it is longer than the zip file says"):
        crops_of("h.npz", "one.npy")


def test_objects_are_not_loaded_and_do_not_hide_arrays(files, save):
    save("a.npz", x=files.features, o=np.array([{}]))
    np.testing.assert_array_equal(crops_of("a.npz"), expected(files))
    with pytest.raises(SourceError, match="a.npz::o holds pickled Python objects, which are never"):
        crops_of("a.npz::o")
    save("o.npz", o=np.array([{}]))
    with pytest.raises(SourceError, match="o.npz::o holds pickled Python objects"):
        crops_of("o.npz")


def test_members_are_found_behind_a_directory_of_64_bits(files, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    np.savez("a.npz", x=files.features, y=files.features[:1])
    assert zip_file.LOCATOR_MARK in Path("a.npz").read_bytes()
    np.testing.assert_array_equal(crops_of("a.npz::x"), expected(files))
