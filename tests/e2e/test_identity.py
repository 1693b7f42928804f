"""What a run takes for the same job: contents decide, not where files lie or when they changed."""

import os
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import SinkError
from lucid.stream.read.fingerprint import BLOCK_BYTES, BLOCKS, fingerprint


@pytest.fixture(autouse=True)
def small_batches(tuned):
    """Let a run of sixty rows have many batches."""
    tuned(crops_bytes=4000)


def leave_unfinished(features="f.h5", rois="r.npy", output="c.h5", **options):
    """Let a run be interrupted in its middle."""

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract(features, rois, output, on_progress=stop, **options)


def change_under_the_same_times(path, position):
    """Turn a byte of a file over; its size and times stay as they are."""
    before = os.stat(path)
    with open(path, "r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def large_file(path):
    """Write a .npy file of which only a sample is compared."""
    np.save(path, np.random.default_rng(1).standard_normal((5, 6, 200, 200)))
    assert os.stat(path).st_size > 2 * BLOCKS * BLOCK_BYTES


@pytest.mark.slow
def test_a_run_is_gone_on_with_from_elsewhere(files, monkeypatch):
    lucid.extract("f.h5", "r.npy", "whole.h5")
    leave_unfinished()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    report = lucid.extract("../f.h5", files.path / "r.npy", "./../c.h5", resume=True)
    assert report.resumed >= 30
    assert Path("../c.h5").read_bytes() == Path("../whole.h5").read_bytes()


def test_a_run_is_gone_on_with_where_it_was_moved_to(files, monkeypatch):
    leave_unfinished()
    Path("moved").mkdir()
    for path in [*files.path.glob("c.h5.*"), Path("f.h5"), Path("r.npy")]:
        shutil.copy(path, Path("moved", path.name))
    monkeypatch.chdir("moved")
    assert lucid.extract("f.h5", "r.npy", "c.h5", resume=True).resumed >= 30
    assert lucid.extract("f.h5", "r.npy", "c.h5", resume=True).resumed == 60


@pytest.mark.parametrize(
    "spelling", [("./f.h5", "r.npy"), ("x/../f.h5::features", "link.npy")], ids=str
)
def test_output_bytes_do_not_depend_on_how_a_path_is_spelled(files, spelling):
    Path("x").mkdir()
    Path("link.npy").symlink_to("r.npy")
    lucid.extract("f.h5", "r.npy", "c.h5")
    lucid.extract(*(os.path.abspath(name) for name in ("f.h5", "r.npy")), "d.h5")
    lucid.extract(*spelling, "e.h5")
    assert Path("c.h5").read_bytes() == Path("d.h5").read_bytes() == Path("e.h5").read_bytes()


def test_an_output_records_where_its_inputs_lie_and_what_they_are(files):
    Path("out").mkdir()
    lucid.extract("f.h5", "r.npy", "out/c.h5")
    with h5py.File("out/c.h5") as file:
        said = dict(file["crops"].attrs)
    assert (said["features"], said["features_dataset"]) == ("../f.h5", "features")
    assert (said["rois"], said["rois_fingerprint"]) == ("../r.npy", fingerprint(Path("r.npy")))
    assert "rois_dataset" not in said
    assert said["features_fingerprint"] == fingerprint(Path("f.h5"))


@pytest.mark.parametrize("name", ["features", "rois"])
def test_values_that_changed_under_the_same_size_and_times_are_noticed(files, name):
    path = {"features": "f.h5", "rois": "r.npy"}[name]
    leave_unfinished()
    change_under_the_same_times(path, os.stat(path).st_size - 100)
    with pytest.raises(SinkError, match=f"c.h5 was begun with other contents of {name}; repeat"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True)


def test_a_complete_output_is_not_taken_for_that_of_other_values(files):
    lucid.extract("f.h5", "r.npy", "c.h5")
    before = os.stat("c.h5")
    os.utime("r.npy")
    lucid.extract("f.h5", "r.npy", "c.h5", resume=True)  # time alone is nothing
    after = os.stat("c.h5")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    change_under_the_same_times("r.npy", 400)
    with pytest.raises(SinkError, match="c.h5 is complete, but with other contents of rois"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True)


def test_a_complete_output_that_says_nothing_must_be_younger_than_its_inputs(files):
    lucid.extract("f.h5", "r.npy", "c.npy")
    lucid.extract("f.h5", "r.npy", "c.npy", resume=True)
    np.save("r.npy", files.rois[::-1])
    with pytest.raises(SinkError, match=r"c.npy is complete, but r.npy changed since; pass overw"):
        lucid.extract("f.h5", "r.npy", "c.npy", resume=True)


def lists_beside_boxes(rois):
    """Return what the options that name a list may name, by option."""
    until = np.cumsum(np.bincount(rois[:, 0].astype(int), minlength=5))
    return {
        "batch_index": rois[:, 0],
        "box_ranges": np.c_[np.r_[0, until[:-1]], until],
        "box_counts": np.array([9, 10, 11, 12, 8]),
        "image_size": np.arange(1.0, 11).reshape(5, 2),
        "ids": np.arange(5),
    }


@pytest.mark.parametrize(
    ("role", "more"),
    [
        ("batch_index", {}),
        ("box_ranges", {}),
        ("box_counts", {}),
        ("image_size", {"normalized": True, "batch_index": "batch_index.npy"}),
        ("ids", {"batch_index": "batch_index.npy"}),
    ],
)
def test_each_of_several_input_files_counts(files, role, more):
    rois = files.rois[np.argsort(files.rois[:, 0], kind="stable")]
    lists = lists_beside_boxes(rois)
    for name, values in lists.items():
        np.save(f"{name}.npy", values)
    boxes = rois[:, 1:].reshape(5, 12, 4) if role == "box_counts" else rois[:, 1:]
    np.save("boxes.npy", boxes)
    with h5py.File("each.h5", "w") as file:
        for image, one in enumerate(files.features):
            file[str(image)] = one
    features = "each.h5::{id}" if role == "ids" else "f.npy"
    leave_unfinished(features, "boxes.npy", **{role: f"{role}.npy"}, **more)
    before = os.stat(f"{role}.npy")
    np.save(f"{role}.npy", lists[role][::-1])
    os.utime(f"{role}.npy", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SinkError, match=f"begun with other contents of {role}"):
        lucid.extract(features, "boxes.npy", "c.h5", resume=True, **{role: f"{role}.npy"}, **more)


def test_of_large_files_a_sample_is_compared_and_times_are_warned_of(files):
    large_file("large.npy")
    leave_unfinished("large.npy")
    os.utime("large.npy")
    with pytest.warns(UserWarning, match="large.npy was modified since c.h5 was begun; it is too"):
        lucid.extract("large.npy", "r.npy", "c.h5", resume=True)
    os.utime("large.npy")
    with pytest.warns(UserWarning, match="large.npy was modified since c.h5 was written"):
        lucid.extract("large.npy", "r.npy", "c.h5", resume=True)
    change_under_the_same_times("large.npy", os.stat("large.npy").st_size - 9)
    with pytest.raises(SinkError, match="c.h5 is complete, but with other contents of features"):
        lucid.extract("large.npy", "r.npy", "c.h5", resume=True)


def test_a_fingerprint_tells_blocks_apart_and_takes_milliseconds(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as stream:
        stream.truncate(1 << 34)
    seen = {fingerprint(path)}
    for block in (0, 1, 31, BLOCKS - 1):
        position = block * ((1 << 34) - BLOCK_BYTES) // (BLOCKS - 1) + block % 7
        change_under_the_same_times(path, position)
        seen.add(fingerprint(path))
    assert len(seen) == 5
    begin = time.process_time()
    fingerprint(path)
    assert time.process_time() - begin < 1


def test_a_journal_of_another_version_is_refused_clearly(files):
    Path("c.h5.part.journal").write_bytes(
        b'{"job": {"format": 1, "features": "f.h5::features"}, "replaces": false, "rows": 60, '
        b'"boot": null}\n' + bytes(16)
    )
    Path("c.h5.part").write_bytes(b"rows")
    with pytest.raises(SinkError, match="c.h5 was begun by another version of lucid-roialign"):
        lucid.extract("f.h5", "r.npy", "c.h5", resume=True)
    with pytest.raises(SinkError, match="c.h5 is unfinished"):
        lucid.extract("f.h5", "r.npy", "c.h5")
    lucid.extract("f.h5", "r.npy", "c.h5", overwrite=True)
    assert [path.name for path in files.path.glob("c.*")] == ["c.h5"]
