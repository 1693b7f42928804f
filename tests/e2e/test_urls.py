"""Inputs with URLs, read by fsspec: in ranges, from any protocol that it knows."""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import h5py
import numpy as np
import pytest
import torch_files

import lucid
from lucid import SinkError, SourceError
from lucid.models.utils import roi_align
from lucid.stream import describe, list_arrays
from lucid.stream.read.fingerprint import fingerprint_of_url
from lucid.stream.read.url import Url

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory():
    """Return fsspec's file system in memory, empty."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


def npy(maps):
    np.save("a.npy", maps)
    return "a.npy", ""


def fortran(maps):
    np.save("a.npy", np.asfortranarray(maps))
    return "a.npy", ""


def npz(maps):
    np.savez("a.npz", x=maps)
    return "a.npz", ""


def deflated(maps):
    np.savez_compressed("a.npz", x=maps)
    return "a.npz", "::x"


def hdf5(maps):
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("deep/x", data=maps, chunks=(1, 2, 5, 7), compression="gzip")
        file.create_dataset("y", data=maps[0, 0])
    return "a.h5", "::deep/x"


def safetensors(maps):
    pytest.importorskip("safetensors.numpy").save_file({"x": maps, "y": maps[0]}, "a.safetensors")
    return "a.safetensors", "::x"


def zarr(maps, **options):
    group = pytest.importorskip("zarr").open_group("a.zarr", mode="w")
    group.create_array("deep/x", data=maps, chunks=(1, 3, 12, 17), **options)
    return "a.zarr", "::deep/x"


def sharded(maps):
    return zarr(maps, shards=(5, 6, 12, 17))


CONTAINERS = [npy, fortran, npz, deflated, hdf5, safetensors, zarr, sharded]


def crops_of(features, rois="r.npy", **options):
    options = {"spatial_scale": 1 / 16, "overwrite": True, **options}
    lucid.extract(features, rois, "c.npy", **options)
    return np.load("c.npy")


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each.__name__)
def test_every_container(files, memory, expected, container):
    name, dataset = container(files.features)
    memory.put(name, "/box/" + name, recursive=True)
    for protocol in ("memory://box/", f"file://{Path.cwd()}/"):
        where = f"{protocol}{name}{dataset}"
        np.testing.assert_array_equal(crops_of(where), expected)
        described = list_arrays(f"{protocol}{name}")
        assert described == list_arrays(name)


@pytest.mark.parametrize("memory_limit", ["44M", "512M"])
def test_windows_are_read_in_ranges(files, memory, rng, monkeypatch, memory_limit):
    """Few RoIs on a large map: what lies between their windows is not read."""
    maps = rng.normal(size=(2, 6, 300, 400)).astype(np.float32)
    rois = np.array([[1, 10, 10, 60, 50], [0, 300, 200, 390, 290]], float)
    np.save("big.npy", maps)
    memory.put("big.npy", "/big.npy")
    read, real = [], type(memory.open("/big.npy")).read

    def counted(self, size=-1):
        read.append(size)
        return real(self, size)

    monkeypatch.setattr(type(memory.open("/big.npy")), "read", counted)
    monkeypatch.setattr("lucid.stream.read.url.BLOCK_BYTES", 1 << 12)
    monkeypatch.setattr("lucid.stream.read.pread.GAP_BYTES", 1 << 12)
    found = crops_of("memory://big.npy", rois, spatial_scale=1.0, memory=memory_limit)
    np.testing.assert_array_equal(found, roi_align(maps, rois, 7))
    assert sum(read) < maps.nbytes / 2


def test_a_file_for_each_image_and_several_files(files, memory, expected):
    for image, alone in enumerate(files.features):
        np.save(f"{image}.npy", alone)
        np.savez(f"{image}.npz", feat=alone)
    for path in Path().glob("[0-9].np?"):
        memory.put(str(path), f"/each/{path}")
    for features in ("memory://each/{id}.npy", "memory://each/{id}.npz::feat"):
        np.testing.assert_array_equal(crops_of(features), expected)
    several = [f"memory://each/{image}.npy" for image in range(5)]
    np.testing.assert_array_equal(crops_of(several), expected)
    np.testing.assert_array_equal(crops_of("memory://each/*.npy"), expected)
    np.testing.assert_array_equal(crops_of("memory://each/{id}.npy", ids=list("01234")), expected)


def test_rois_too(files, memory, expected):
    memory.put("r.npy", "/r.npy")
    np.testing.assert_array_equal(crops_of("f.npy", "memory://r.npy"), expected)


def test_a_run_is_resumed_unless_the_store_says_that_an_input_changed(files, memory):
    for name in ("f.npy", "a.zarr"):
        if name == "a.zarr":
            zarr(files.features)
        memory.put(name, f"/{name}", recursive=True)
        options = {"spatial_scale": 1 / 16}
        lucid.extract(f"memory://{name}", "r.npy", "c.h5", overwrite=True, **options)
        with h5py.File("c.h5") as file:
            assert file["crops"].attrs["features"] == f"memory://{name}"
        lucid.extract(f"memory://{name}", "r.npy", "c.h5", resume=True, **options)
        memory.rm(f"/{name}", recursive=True)
        memory.put(name, f"/{name}", recursive=True)
        with pytest.raises(SinkError, match="other contents of features"):
            lucid.extract(f"memory://{name}", "r.npy", "c.h5", resume=True, **options)


def test_user_password_and_signature_are_not_recorded():
    from lucid.stream.read.url import Url, without_secrets

    assert without_secrets(Url("https://me:word@host/a/f.npy?sig=1")) == "https://host/a/f.npy"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://none.npy", "memory://none.npy cannot be opened: "),
        ("memory://none.zarr::x", "memory://none.zarr cannot be opened: "),
        ("nosuch://b/f.npy", "nosuch://b/f.npy cannot be opened: Protocol not known: nosuch"),
        ("reference://b", "what reference:// leads to is not read"),
        ("memory://each/{id}.npy", "memory://each cannot be opened: "),
        ("memory://short.npy", "memory://short.npy is truncated"),
        (
            "memory://text.npy",
            "memory://text.npy must be a .npy, ",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(files, memory, url, message):
    memory.pipe("/short.npy", Path("f.npy").read_bytes()[:-1])
    memory.pipe("/text.npy", b"text")
    with pytest.raises(SourceError, match=message) as caught:
        crops_of(url)
    assert "\n" not in str(caught.value)


def test_without_fsspec(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(SourceError, match=r"is a URL, .*: pip install 'lucid-roialign\[fsspec\]'"):
        crops_of("s3://bucket/f.npy")


def test_an_hdf5_file_leads_nowhere_even_if_trusted(files, memory):
    with h5py.File("out.h5", "w") as file:
        file["link"] = h5py.ExternalLink("f.h5", "features")
        layout = h5py.VirtualLayout(files.features.shape, "f4")
        layout[:] = h5py.VirtualSource("f.h5", "features", files.features.shape)
        file.create_virtual_dataset("virtual", layout)
    memory.put("out.h5", "/out.h5")
    for name in ("link", "virtual"):
        for trust in (False, True):
            with pytest.raises(SourceError, match="which is never followed from a URL"):
                crops_of(f"memory://out.h5::{name}", trust_input=trust)


TABLES = {
    "boxes.csv": "image_id,x1,y1,x2,y2\n37209,8,16,100,120\n5,0,0,200,100\n",
    "r.json": '[{"image_id": 37209, "bbox": [8, 16, 92, 104]},'
    ' {"image_id": 5, "bbox": [0, 0, 200, 100]}]',
    "ids.txt": "12\n5\n37209\n7\n184613\n",
    "sizes.csv": "image_id,height,width\n37209,192,272\n5,192,272\n",
    "b37209.csv": "x1,y1,x2,y2\n8,16,100,120\n",
    "b5.csv": "x1,y1,x2,y2\n0,0,200,100\n",
}


@pytest.fixture
def tables(files, memory):
    """Texts and torch files in the store; what the crops of the boxes are."""
    ids = [12, 5, 37209, 7, 184613]
    torch_files.save("a.pt", {"deep": {"x": files.features, "ids": ids}})
    memory.put("a.pt", "/box/a.pt")
    memory.put("f.npy", "/box/f.npy")
    for name, text in TABLES.items():
        memory.pipe_file(f"/box/{name}", text.encode())
    boxes = np.array([[2, 8, 16, 100, 120], [1, 0, 0, 200, 100]])
    return roi_align(files.features, boxes, 7, spatial_scale=1 / 16)


@pytest.mark.parametrize(
    ("features", "rois", "options"),
    [
        ("a.pt::deep.x", "boxes.csv", {}),
        ("a.pt::deep.x", "r.json", {"image_size": "sizes.csv", "resize": "stretch:192x272"}),
        ("f.npy", "boxes.csv", {"ids": "ids.txt"}),
        ("f.npy", "boxes.csv", {"ids": "a.pt::deep.ids", "image_size": "sizes.csv"}),
        ("a.pt::deep.x", "b{id}.csv", {}),
    ],
)
def test_texts_and_torch_files(tables, features, rois, options):
    where = {
        name: value if name == "resize" else f"memory://box/{value}"
        for name, value in options.items()
    }
    crops = crops_of(f"memory://box/{features}", f"memory://box/{rois}", **where)
    if rois.startswith("b{"):
        crops = crops[::-1]  # in the order of images
    np.testing.assert_array_equal(crops, tables)
    assert describe("memory://box/ids.txt").roles == ["ids"]


def test_what_is_not_there_is_named(tables):
    for features, rois in (("no.pt", "boxes.csv"), ("a.pt::deep.x", "no.csv")):
        with pytest.raises(FileNotFoundError, match="no.* cannot be opened: No such file or dir"):
            crops_of(f"memory://box/{features}", f"memory://box/{rois}")


class Ranges(SimpleHTTPRequestHandler):
    """Serves files, in ranges, and notes how much."""

    protocol_version, sent = "HTTP/1.1", 0

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        data = path.read_bytes() if path.is_file() else None
        if data is None:
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        begin, end = asked.removeprefix("bytes=").split("-") if asked else ("0", "")
        part = data[int(begin) : int(end or len(data)) + 1]
        self.send_response(206 if asked else 200)
        if asked:
            last = int(begin) + len(part) - 1
            self.send_header("Content-Range", f"bytes {begin}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        type(self).sent += len(part)

    def log_message(self, *about):
        pass


@pytest.fixture
def server(files, monkeypatch):
    """Return the URL of a server of the current folder."""
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(Ranges, "sent", 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_web(server, files, expected):
    np.savez_compressed("a.npz", x=files.features)
    torch_files.save("a.pt", {"x": files.features})
    Path("ids.txt").write_text("a\nb\nc\nd\ne\n")
    for features in ("f.npy", "a.npz", "a.pt::x"):
        crops = crops_of(f"{server}/{features}", f"{server}/r.npy", ids=f"{server}/ids.txt")
        np.testing.assert_array_equal(crops, expected)
    for image, alone in enumerate(files.features):
        np.save(f"{image}.npy", alone)
    crops = crops_of(f"{server}/{{id}}.npy", ids=list("01234"))
    np.testing.assert_array_equal(crops, expected)
    with pytest.raises(FileNotFoundError):
        crops_of(f"{server}/none.npy")


def test_a_large_file_of_the_web_is_never_read_whole(server, files):
    np.save("large.npy", np.zeros((100, 8, 100, 100), np.float32))
    crops_of(f"{server}/large.npy", np.array([[70, 0, 0, 10, 10]]), spatial_scale=1.0)
    assert Ranges.sent < 2 << 20


def test_a_store_of_the_web_is_known_by_its_metadata(server, files, expected):
    zarr(files.features)
    np.testing.assert_array_equal(crops_of(f"{server}/a.zarr::deep/x"), expected)
    before = fingerprint_of_url(Url(f"{server}/a.zarr"))
    with open("a.zarr/zarr.json", "a") as file:
        file.write(" ")
    assert fingerprint_of_url(Url(f"{server}/a.zarr")) != before
