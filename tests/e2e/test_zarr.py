"""Arrays in zarr stores, of formats 2 and 3, in folders and zip files: read chunk by chunk."""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SourceError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays
from lucid.stream.read import arrays

zarr = pytest.importorskip("zarr")

FORMS = {
    "format 3": {},
    "format 2": {"zarr_format": 2},
    "sharded": {"shards": (2, 6, 12, 34), "chunks": (1, 3, 6, 17)},
    "chunks that do not fit": {"chunks": (2, 4, 5, 7)},
    "not packed": {"compressors": None},
}


def save(path, maps, form="format 3", **attributes):
    options = {"chunks": (1, 6, 12, 17), **FORMS[form]}
    group = zarr.open_group(path, mode="w", zarr_format=options.pop("zarr_format", 3))
    array = group.create_array("deep/maps", data=maps, **options)
    array.attrs.update(attributes)
    return group


def zipped(path, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(f"{path}.zip", "w", method) as file:
        for each in sorted(Path(path).rglob("*")):
            if each.is_file():
                file.write(each, each.relative_to(path))
    return f"{path}.zip"


def crops_of(features, rois="r.npy", **options):
    options = {"spatial_scale": 1 / 16, "overwrite": True, **options}
    lucid.extract(features, rois, "c.npy", **options)
    return np.load("c.npy")


@pytest.fixture
def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["folder", "zip", "deflated zip"])
def test_every_form_of_store(files, expected, form, place):
    save("a.zarr", files.features, form)
    methods = {"zip": zipfile.ZIP_STORED, "deflated zip": zipfile.ZIP_DEFLATED}
    path = "a.zarr" if place == "folder" else zipped("a.zarr", methods[place])
    np.testing.assert_array_equal(crops_of(path), expected)
    (info,) = list_arrays(path)
    assert (info.dataset, info.shape, info.dtype) == ("deep/maps", (5, 6, 12, 17), np.float32)
    chunks = FORMS[form].get("shards") or FORMS[form].get("chunks") or (1, 6, 12, 17)
    assert info.chunks == chunks


def test_an_array_alone_and_one_per_image(files, expected):
    zarr.create_array("alone.zarr", data=files.features, chunks=(1, 6, 12, 17))
    np.testing.assert_array_equal(crops_of("alone.zarr"), expected)
    group = zarr.open_group("each.zarr", mode="w")
    for image, alone in enumerate(files.features):
        group.create_array(f"img{image}/map", data=alone)
        zarr.create_array(f"{image}_.zarr", data=alone)
    for features in ("each.zarr::img{id}/map", "{id}_.zarr"):
        np.testing.assert_array_equal(crops_of(features), expected)


def test_everything_that_a_run_reads_may_be_in_one_store(files, expected):
    group = save("a.zarr", files.features)
    group.create_array("boxes", data=files.rois[:, 1:])
    group.create_array("index", data=files.rois[:, 0].astype("i8"))
    group.attrs["spatial_scale"] = 1 / 16
    crops = crops_of("a.zarr", "a.zarr::boxes", batch_index="a.zarr::index", spatial_scale=None)
    np.testing.assert_array_equal(crops, expected)


def test_processes_and_resuming(files, expected, tuned):
    save("a.zarr", files.features, "sharded")
    tuned(crops_bytes=2000)

    def stop(rows_done):
        if rows_done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract("a.zarr", "r.npy", "c.npy", spatial_scale=1 / 16, on_progress=stop)
    report = lucid.extract("a.zarr", "r.npy", "c.npy", spatial_scale=1 / 16, resume=True)
    assert report.resumed
    np.testing.assert_array_equal(np.load("c.npy"), expected)
    lucid.extract("a.zarr", "r.npy", "c.h5", spatial_scale=1 / 16)
    save("a.zarr", files.features + 1)
    with pytest.raises(lucid.SinkError, match="features"):
        lucid.extract("a.zarr", "r.npy", "c.h5", spatial_scale=1 / 16, resume=True)


@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.slow
def test_processes_read_a_store_together(files, expected):
    save("a.zarr", files.features)
    np.testing.assert_array_equal(crops_of("a.zarr", jobs=2), expected)


def test_chunks_that_were_never_written_are_counted(files):
    group = zarr.open_group("a.zarr", mode="w")
    array = group.create_array("x", shape=(5, 6, 12, 17), dtype="f4", chunks=(1, 6, 12, 17))
    array[1] = files.features[1]
    report = lucid.extract("a.zarr", "r.npy", "c.npy", spatial_scale=1 / 16)
    assert report.missing_chunks == 4


def test_reads_touch_only_the_chunks_of_windows(files, monkeypatch):
    save("a.zarr", files.features)
    np.save("one.npy", [[3, 0, 0, 9, 9]])
    read = []
    keys = sys.modules.get("lucid.stream.read.zarr_keys")
    original = keys.Folder.read
    monkeypatch.setattr(
        keys.Folder, "read", lambda self, key, *part: read.append(key) or original(self, key, *part)
    )
    crops_of("a.zarr", "one.npy")
    assert {key for key in read if "/c/" in key} == {"deep/maps/c/3/0/0/0"}


def changed(path, change):
    about = json.loads(Path(path).read_text())
    change(about)
    Path(path).write_text(json.dumps(about))


def test_a_codec_that_loads_objects_is_refused(files):
    save("a.zarr", files.features, "format 2")
    changed("a.zarr/deep/maps/.zarray", lambda about: about.update(filters=[{"id": "pickle"}]))
    with pytest.raises(SourceError, match=r"a.zarr::deep/maps .*'?pickle'?"):
        crops_of("a.zarr::deep/maps")


@pytest.mark.parametrize("codec", ["zfpy", "pcodec"])
def test_a_codec_that_nothing_bounds_is_of_trusted_files(codec):
    from lucid.stream.read.zarr_file import _require_codecs

    for about in ({"filters": [{"id": codec}]}, {"codecs": [{"name": f"numcodecs.{codec}"}]}):
        with pytest.raises(SourceError, match=f"codec '{codec}', .* pass trust_input=True if you"):
            _require_codecs(about, "a.zarr", trust=False)
        _require_codecs(about, "a.zarr", trust=True)


def test_a_package_that_does_not_load_is_told(files, monkeypatch):
    def fail(name):
        raise ValueError("invalid literal")

    save("a.zarr", files.features)
    monkeypatch.setattr("lucid.stream.read.zarr_file.import_module", fail)
    with pytest.raises(SourceError, match=r"^a.zarr is zarr, whose package does not load: inv"):
        crops_of("a.zarr")


def test_a_link_out_of_the_folder_is_followed_only_if_it_is_trusted(files, expected):
    save("a.zarr", files.features, "not packed")
    chunk = Path("a.zarr/deep/maps/c/1/0/0/0")
    shutil.move(chunk, "elsewhere")
    chunk.symlink_to(Path("elsewhere").resolve())
    with pytest.raises(SourceError, match="is a link to another file; pass trust_input=True"):
        crops_of("a.zarr")
    np.testing.assert_array_equal(crops_of("a.zarr", trust_input=True), expected)


HOSTILE = {
    "no JSON": lambda path: Path(path).write_text("{"),
    "no object": lambda path: Path(path).write_text("[1]"),
    "many levels": lambda path: Path(path).write_text("[" * 100_000),
    "an unknown codec": lambda path: changed(path, lambda about: about.update(
        codecs=[{"name": "bytes"}, {"name": "evil"}])),
    "a shape below zero": lambda path: changed(path, lambda about: about.update(shape=[-1] * 4)),
    "another type": lambda path: changed(path, lambda about: about.update(data_type="no")),
    "a chunk that is cut off": lambda path: os.truncate(Path(path).parent / "c/0/0/0/0", 20),
    "other bytes": lambda path: (Path(path).parent / "c/0/0/0/0").write_bytes(b"x" * 999),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("spec", ["a.zarr", "a.zarr::deep/maps"])
def test_what_is_damaged_ends_in_one_line(files, kind, spec):
    save("a.zarr", files.features)
    HOSTILE[kind]("a.zarr/deep/maps/zarr.json")
    with pytest.raises(SourceError, match=r"a.zarr") as refused:
        crops_of(spec)
    assert "\n" not in str(refused.value)


def test_a_chunk_larger_than_the_memory_is_refused(files):
    group = zarr.open_group("a.zarr", mode="w")
    group.create_array("x", shape=(8, 64, 256, 256), dtype="f4", chunks=(8, 64, 256, 256))
    with pytest.raises(lucid.MemoryLimitError, match="memory must be at least"):
        crops_of("a.zarr", memory="100M")


def test_without_the_package_the_way_to_it_is_told(files, monkeypatch):
    save("a.zarr", files.features)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(SourceError, match=r"a.zarr is zarr, .* pip install 'lucid-roialign\[zarr"):
        arrays.list_arrays("a.zarr")


BOMB = b"\0" * (30 << 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "name"),
    [(2, name) for name in ("Zlib", "GZip", "Zstd", "Blosc", "LZ4", "BZ2", "LZMA")]
    + [(3, name) for name in ("GzipCodec", "ZstdCodec", "BloscCodec")],
)
def test_no_chunk_is_unpacked_to_more_than_it_can_need(files, expected, form, name):
    numcodecs = pytest.importorskip("numcodecs")
    codec = getattr(numcodecs if form == 2 else zarr.codecs, name)()
    packer = getattr(numcodecs, {"GzipCodec": "GZip"}.get(name, name.removesuffix("Codec")))()
    zarr.create_array("a.zarr", data=files.features, zarr_format=form, compressors=codec,
                      chunks=(1, 6, 12, 17))  # fmt: skip
    np.testing.assert_array_equal(crops_of("a.zarr"), expected)
    chunk = Path("a.zarr", "0.0.0.0" if form == 2 else "c/0/0/0/0")
    chunk.write_bytes(packer.encode(BOMB))
    with pytest.raises(SourceError, match="a chunk unpacks to more than 1087744 bytes"):
        crops_of("a.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "zip"])
def test_no_value_is_read_that_is_longer_than_a_chunk_can_be(files, place):
    save("a.zarr", files.features, "not packed")
    os.truncate("a.zarr/deep/maps/c/0/0/0/0", 1 << 40) if place == "folder" else None
    Path("a.zarr/deep/maps/c/1/0/0/0").write_bytes(bytes(65 << 20)) if place == "zip" else None
    path = "a.zarr" if place == "folder" else zipped("a.zarr")
    with pytest.raises(SourceError, match="has more than 67108864 bytes, which its chunk cannot"):
        crops_of(path)


def test_frames_of_zstd_that_do_not_say_their_size(files):
    """Blocks of a repeated byte, of which each unpacks to 128 KiB."""
    from lucid.stream.read.zarr_codecs import _said_by_zstd

    block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    few, many = (b"\x28\xb5\x2f\xfd\x00\x58" + block * count for count in (100, 10_000))
    assert _said_by_zstd(None, memoryview(few), 0) == 0
    assert _said_by_zstd(None, memoryview(many), 0) == 10_000 * (128 << 10)
    numcodecs = pytest.importorskip("numcodecs")
    for size in (0, 1, 300, 70_000, 20 << 20):
        frame = numcodecs.Zstd().encode(bytes(size))
        assert _said_by_zstd(None, memoryview(frame), 0) == size


@pytest.mark.filterwarnings("ignore:Consolidated metadata")  # of format 3
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [False, True])
def test_bfloat16_is_read_though_zarr_has_no_dtype_for_it(files, version, consolidated):
    halves = (files.features.view(np.uint32) >> 16).astype(np.uint16)
    group = zarr.open_group("h.zarr", mode="w", zarr_format=version)
    group.create_array("few", data=np.arange(6, dtype=np.uint16))
    array = group.create_array("deep/maps", shape=halves.shape, dtype="uint16", chunks=(1, 6, 5, 7))
    array[:4] = halves[:4]  # the last map is of the fill value
    if consolidated:
        zarr.consolidate_metadata("h.zarr")
    told = call_bfloat16("h.zarr", ("deep/maps", "deep/maps/.zarray"), 1.5)
    assert told == (2 if consolidated else 1)
    (info,) = (one for one in list_arrays("h.zarr") if one.dataset == "deep/maps")
    assert (info.kind, info.dtype, info.shape) == ("bfloat16", np.float32, halves.shape)
    maps = (np.uint32(1) * halves << 16).view(np.float32)
    maps[4] = 1.5
    expected = roi_align(maps, files.rois, 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(crops_of("h.zarr::deep/maps"), expected)


def call_bfloat16(folder, names, fill):
    """Call an array bfloat16 in all metadata; return how often it was described."""
    count = 0
    for path in [one for name in ABOUT for one in Path(folder).rglob(name)]:
        about = json.loads(path.read_text())
        within = (about.get("consolidated_metadata") or about).get("metadata") or {}
        own = about if str(path.parent.relative_to(folder)) == names[0] else {}
        for one in (own, *(within.get(name, {}) for name in names)):
            for word in {"data_type", "dtype"} & one.keys():
                one |= {word: "bfloat16", "fill_value": fill}
                count += 1
        path.write_text(json.dumps(about))
    return count


ABOUT = ("zarr.json", ".zarray", ".zmetadata")


@pytest.mark.parametrize("value", [0, -2.5, "NaN", "-Infinity", "0x7fc0"])
def test_missing_chunks_of_bfloat16_hold_what_is_said(files, value):
    zarr.create_array("h.zarr", shape=(1, 1, 4, 4), chunks=(1, 1, 4, 4), dtype="uint16")
    call_bfloat16("h.zarr", (".",), value)
    number = np.nan if value == "0x7fc0" else float(value)
    crops = crops_of("h.zarr", [[0, 0, 0, 16, 16]])
    np.testing.assert_array_equal(crops, np.full((1, 1, 7, 7), number, np.float32))


def test_chunks_are_not_counted_where_they_are_said_to_be_very_many(files):
    zarr.create_array(
        "many.zarr", shape=(10**9, 8, 10**4, 10**4), dtype="f4", chunks=(1, 8, 5, 5), fill_value=0
    )
    with pytest.raises(lucid.MemoryLimitError, match="for the 1000000000 images that"):
        lucid.extract("many.zarr", [[0, 0, 0, 4, 4]], "c.npy")
