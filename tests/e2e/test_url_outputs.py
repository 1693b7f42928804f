"""Crops in zarr stores with URLs: complete or marked as not, and resumed."""

from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import SinkError, SourceError
from lucid.models.utils import roi_align

fsspec = pytest.importorskip("fsspec")
zarr = pytest.importorskip("zarr")

URL = "memory://box/run/c.zarr"
KINDS = [{}, {"compression": "gzip", "chunks": 7}]


@pytest.fixture(autouse=True)
def memory():
    """Return fsspec's file system in memory, empty."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def extract(output=URL, **options):
    return lucid.extract("f.npy", "r.npy", output, spatial_scale=1 / 16, **options)


def contents(memory, folder="/box/run/c.zarr"):
    return {path.removeprefix(f"{folder}/"): memory.cat_file(path) for path in memory.find(folder)}


def whole(**options):
    extract("whole.zarr", **options)
    files = [path for path in Path("whole.zarr").rglob("*") if path.is_file()]
    return {str(path.relative_to("whole.zarr")): path.read_bytes() for path in files}


def left():
    return list(Path().glob("c.zarr*"))


class FullStore:
    """What fails after so many writes to the store, and counts them."""

    def __init__(self, memory, monkeypatch, writes):
        self.left, self.names, self.real = writes, [], type(memory).pipe_file
        self.real_put = type(memory).put_file

        def pipe_file(system, path, *given, **options):
            self.count(path)
            self.real(system, path, *given, **options)

        def put_file(system, source, path, *given, **options):
            self.count(path)
            self.real_put(system, source, path, *given, **options)

        monkeypatch.setattr(type(memory), "pipe_file", pipe_file)
        monkeypatch.setattr(type(memory), "put_file", put_file)

    def count(self, path):
        self.names.append(path.removeprefix("/box/run/c.zarr/"))
        if self.left == 0:
            raise OSError("the store is full")
        self.left -= 1


@pytest.mark.parametrize("options", KINDS)
def test_it_is_what_it_would_be_in_a_folder(files, memory, options):
    extract(**options)
    assert contents(memory) == whole(**options)
    assert not left()
    assert extract(resume=True, **options).resumed == 60
    with pytest.raises(SinkError, match=f"{URL} exists; pass overwrite=True"):
        extract(**options)
    with pytest.raises(SinkError, match="is complete, but with aligned False, not True"):
        extract(resume=True, aligned=True, **options)
    extract(overwrite=True, aligned=True)
    assert contents(memory) == whole(aligned=True, overwrite=True)
    expected = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16, aligned=True)
    np.testing.assert_array_equal(zarr.open_group(URL, mode="r")["crops"][...], expected)


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("replaces", [False, True])
def test_wherever_copying_ends_the_store_is_marked_and_can_be_finished(
    files, memory, monkeypatch, options, replaces
):
    expected = whole(**options)
    writes = 1
    while True:
        if replaces:
            extract(overwrite=True, aligned=True, chunks=3)
        with monkeypatch.context() as patch:
            store = FullStore(memory, patch, writes)
            try:
                extract(overwrite=replaces, **options)
                break
            except SinkError as error:
                assert f"{URL} cannot be written: the store is full" in str(error)  # noqa: PT017
        if "unfinished" in contents(memory):
            with pytest.raises(SourceError, match="is being written, or its writing was"):
                lucid.stream.list_arrays(URL)
            with pytest.raises(SinkError, match="c.zarr is unfinished"):
                extract(**options)
        assert extract(resume=True, **options).resumed == 60
        assert contents(memory) == expected
        memory.rm("/box", recursive=True)
        writes += 1
    assert writes > 4
    assert store.names[-1] == "zarr.json"
    assert not left()


def test_what_another_place_has_begun_is_not_taken_for_complete(files, memory, monkeypatch):
    with monkeypatch.context() as patch:
        FullStore(memory, patch, 3)
        with pytest.raises(SinkError, match="the store is full"):
            extract()
    for path in left():
        path.unlink() if path.is_file() else __import__("shutil").rmtree(path)
    with pytest.raises(SinkError, match=f"{URL} exists; pass overwrite=True"):
        extract(aligned=True)
    with pytest.raises(SinkError, match="was begun from elsewhere and is not complete"):
        extract(resume=True, aligned=True)
    extract()  # the same job
    assert "unfinished" not in contents(memory)


def test_a_store_that_cannot_be_written_is_told_before_any_work(files, memory, monkeypatch):
    FullStore(memory, monkeypatch, 0)
    with pytest.raises(SinkError, match=f"{URL} cannot be written: the store is full"):
        extract(on_progress=lambda done: pytest.fail("it has begun") if done else None)
    assert not left()


def test_an_interrupted_run_is_resumed(files, memory, tuned):
    expected = whole()
    tuned(crops_bytes=20_000)

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(on_progress=stop)
    assert not contents(memory)
    assert extract(resume=True).resumed >= 15
    assert contents(memory) == expected


@pytest.mark.parametrize("options", KINDS)
def test_folders_are_made_where_a_file_system_has_such(files, options):
    url = f"file://{Path.cwd()}/c.zarr"
    extract(url, **options)
    found = {path.relative_to("c.zarr"): path for path in Path("c.zarr").rglob("*")}
    there = {str(name): path.read_bytes() for name, path in found.items() if path.is_file()}
    assert there == whole(**options)
    assert left() == [Path("c.zarr")]
    assert extract(url, resume=True, **options).resumed == 60
    extract(url, overwrite=True, aligned=True)
    with pytest.raises(SinkError, match="nowhere/c.zarr cannot be written: No such file or dir"):
        extract(f"file://{Path.cwd()}/nowhere/c.zarr")


def test_an_input_is_not_written_over(files, memory):
    memory.put("f.npy", "/box/run/c.zarr/f.npy")
    with pytest.raises(SinkError, match=f"{URL} is an input of this run"):
        lucid.extract(f"{URL}/f.npy", "r.npy", URL, overwrite=True)


@pytest.mark.parametrize("output", ["memory://c.h5", "https://example.org/c.zarr", "s3://b/c.npy"])
def test_other_outputs_have_no_url(files, output):
    with pytest.raises(ValueError, match="output with a URL must end in .zarr, and not be https"):
        extract(output)
