"""Outputs in which each image has its crops apart: files named by ids, or groups of one file."""

import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import SinkError
from lucid.stream.write import images

IDS = ["a", "b_2", "007", "7", "é"]
OPTIONS = {"spatial_scale": 1 / 16, "output_size": 2, "ids": "ids.txt"}
FORMS = ["out/{id}.npz", "out/{id}.npy", "out/{id}.h5", "all.h5::{id}"]


@pytest.fixture
def named(files):
    """Maps of five images with ids, of which the third has no RoI."""
    rois = files.rois[files.rois[:, 0] != 2]
    np.save("r.npy", rois)
    Path("ids.txt").write_text("\n".join(IDS))
    Path("out").mkdir()
    lucid.extract("f.npy", "r.npy", "together.npy", **OPTIONS)
    files.rois, files.crops = rois, np.load("together.npy")
    return files


def extract(output, **options):
    return lucid.extract("f.npy", "r.npy", output, **OPTIONS | options)


def read(output, one):
    """Return the arrays of an image."""
    path = output.replace("{id}", one)
    if path.endswith(".npy"):
        return {"features": np.load(path)}
    if path.endswith(".npz"):
        with np.load(path) as file:
            return dict(file)
    path, _, group = path.partition("::")
    with h5py.File(path) as file:
        return {name: item[()] for name, item in file[group or "/"].items()}


def contents(output):
    """Return the bytes of each file of an output by its name."""
    places = Path("out").iterdir() if output.startswith("out") else [Path("all.h5")]
    return {path.name: path.read_bytes() for path in places}


@pytest.mark.parametrize("output", FORMS)
@pytest.mark.parametrize("reduce", [None, "mean"])
def test_each_image_has_its_rows_in_the_order_of_the_table(named, output, reduce):
    report = extract(output, image_size=(192, 272), reduce=reduce)
    assert (report.apart, report.output) == (5, output)
    crops = named.crops if reduce is None else named.crops.mean(axis=(2, 3))
    for image, one in enumerate(IDS):
        mine = named.rois[:, 0] == image
        found = read(output, one)
        np.testing.assert_array_equal(found["features"], crops[mine])
        if not output.endswith(".npy"):
            assert set(found) == {"features", "boxes", "image_h", "image_w", "num_boxes"}
            np.testing.assert_array_equal(found["boxes"], named.rois[mine, 1:])
            assert (found["image_h"], found["image_w"]) == (192, 272)
            assert found["num_boxes"] == mine.sum()
    assert read(output, "007")["features"].shape == (0, *crops.shape[1:])
    assert sorted(path.name for path in Path().glob("**/*.part*")) == []


def test_sizes_are_left_out_where_they_are_not_known(named):
    extract("out/{id}.npz")
    assert set(read("out/{id}.npz", "a")) == {"features", "boxes", "num_boxes"}


def test_images_without_ids_are_called_by_their_numbers(named):
    lucid.extract("f.npy", "r.npy", "out/im{id}.npy", spatial_scale=1 / 16, output_size=2)
    assert sorted(os.listdir("out")) == [f"im{image}.npy" for image in range(5)]
    np.testing.assert_array_equal(np.load("out/im4.npy"), named.crops[named.rois[:, 0] == 4])


def test_rows_that_name_no_image_are_of_none(named):
    rois = named.rois.copy()
    rois[:7, 0] = [-1, np.nan, 5, 0.5, -np.inf, 1e300, -7]
    np.save("r.npy", rois)
    extract("out/{id}.npz", invalid="zero")
    for image, one in enumerate(IDS):
        mine = rois[:, 0] == image
        np.testing.assert_array_equal(read("out/{id}.npz", one)["boxes"], rois[mine, 1:])


@pytest.mark.parametrize("output", FORMS)
def test_the_bytes_do_not_depend_on_batches_or_times(named, tuned, monkeypatch, output):
    extract(output)
    first = contents(output)
    tuned(slice_rows=7, crops_bytes=300)
    monkeypatch.setattr(images, "PART_BYTES", 100)
    monkeypatch.setattr("time.time", lambda: 2e9)
    extract(output, overwrite=True)
    assert contents(output) == first


def test_a_zip_file_has_no_times_and_can_be_mapped(named):
    extract("out/{id}.npz")
    with zipfile.ZipFile("out/a.npz") as file:
        for info in file.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.compress_type == zipfile.ZIP_STORED


def test_groups_record_the_job(named):
    extract("all.h5::{id}", aligned=True)
    with h5py.File("all.h5") as file:
        assert set(file) == set(IDS)
        assert (file.attrs["features"], file.attrs["aligned"]) == ("f.npy", 1)
    before = contents("all.h5")
    assert extract("all.h5::{id}", aligned=True, resume=True).resumed == len(named.rois)
    assert contents("all.h5") == before
    with pytest.raises(SinkError, match="all.h5 is complete, but with aligned True, not False"):
        extract("all.h5::{id}", resume=True)
    with pytest.raises(SinkError, match="exists and is no output of this tool"):
        extract("all.h5", aligned=True, resume=True)


@pytest.mark.parametrize("output", FORMS[:3])
def test_an_existing_file_of_an_image_is_an_error_before_anything(named, output):
    Path(output.replace("{id}", "7")).write_bytes(b"precious")
    with pytest.raises(SinkError, match=r"out/7\.\w+ exists; pass overwrite=True"):
        extract(output)
    assert list(contents(output).values()) == [b"precious"]
    extract(output, overwrite=True)
    assert len(contents(output)) == 5


@pytest.mark.parametrize("output", FORMS[:3])
def test_complete_files_are_left_alone_by_resume(named, output):
    extract(output)
    before = contents(output)
    assert extract(output, resume=True).resumed == len(named.rois)
    assert contents(output) == before
    with pytest.raises(SinkError, match="is complete, but with dtype float32, not float64"):
        extract(output, resume=True, dtype="float64")
    Path(output.replace("{id}", "é")).unlink()
    with pytest.raises(SinkError, match=r"out/é\.\w+ is missing, but others of .* are there"):
        extract(output, resume=True)


@pytest.mark.parametrize("output", FORMS)
def test_an_interrupted_run_is_finished_to_the_same_bytes(named, tuned, output):
    extract(output)
    whole = contents(output)
    for path in [*Path("out").iterdir(), *Path().glob("all.h5")]:
        path.unlink()
    tuned(crops_bytes=400)

    def stop(rows_done):
        if rows_done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(output, on_progress=stop)
    with pytest.raises(SinkError, match="is unfinished"):
        extract(output)
    if "::" in output:
        with pytest.raises(SinkError, match="all.h5 was begun with per_image True, not None"):
            extract("all.h5", resume=True)
    assert extract(output, resume=True).resumed >= 20
    assert contents(output) == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "step", "number"),
    [("all.h5::{id}", "replace", 0), ("all.h5::{id}", "unlink", 3)]
    + [("out/{id}.npz", *at) for at in [("mkdir", 0), ("replace", 0), ("replace", 3), ("rmdir", 0)]]
    + [("out/{id}.npz", "unlink", number) for number in range(3, 7)],
)
def test_a_kill_at_any_step_of_the_end_is_mended(named, monkeypatch, output, step, number):
    """Files that have their names already are ours."""
    extract(output)
    whole = contents(output)
    for path in [*Path("out").iterdir(), *Path().glob("all.h5")]:
        path.unlink()
    calls, original = [], getattr(Path, step)

    def last(path, *arguments, **more):
        calls.append(path)
        if len(calls) > number:
            os._exit(9)
        return original(path, *arguments, **more)

    child = os.fork()
    if not child:
        monkeypatch.setattr(Path, step, last)
        extract(output)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    extract(output, resume=True)
    assert contents(output) == whole


def test_a_stranger_between_kill_and_resume_is_not_replaced(named, monkeypatch):
    publish = images.ImageFiles.publish
    monkeypatch.setattr(images.ImageFiles, "publish", lambda self, part: os.kill(os.getpid(), 2))
    with pytest.raises(KeyboardInterrupt):
        extract("out/{id}.npz")
    monkeypatch.setattr(images.ImageFiles, "publish", publish)
    Path("out/7.npz").write_bytes(b"precious")
    with pytest.raises(SinkError, match="out/7.npz exists"):
        extract("out/{id}.npz", resume=True)
    assert Path("out/7.npz").read_bytes() == b"precious"
    Path("out/7.npz").unlink()
    extract("out/{id}.npz", resume=True)
    assert len(contents("out")) == 5


@pytest.mark.parametrize("one", ["a/b", "/etc/passwd", "..", ".", "x\0y", "b\\c"])
@pytest.mark.parametrize("output", ["out/{id}.npz", "all.h5::{id}"])
def test_ids_that_lead_elsewhere_are_refused(named, output, one):
    np.save("ids.npy", np.array(["a", "b", "c", "d", one]))
    with pytest.raises(SinkError, match="cannot be written: the id .* of image 4"):
        extract(output, ids="ids.npy")
    assert not list(Path("out").iterdir())
    assert not Path("all.h5.part.journal").exists()


def test_a_name_that_no_file_can_have_is_refused_before_the_work(named):
    np.save("ids.npy", np.array(["a", "b", "c", "d", "n" * 250]))
    with pytest.raises(SinkError, match="cannot be the name of a file"):
        extract("out/im{id}.npz", ids="ids.npy")


def test_an_input_is_never_written_over(named):
    for image, one in enumerate(IDS):
        np.save(f"out/{one}.npy", named.features[image])
    with pytest.raises(SinkError, match=r"out/a\.npy is an input of this run"):
        lucid.extract("out/{id}.npy", "r.npy", "out/{id}.npy", **OPTIONS | {"overwrite": True})
    np.testing.assert_array_equal(np.load("out/a.npy"), named.features[0])


@pytest.mark.parametrize(
    "output",
    ["{id}/crops.npz", "out/{id}.txt", "out/{id}.h5::{id}", "all.npz::{id}", "all.h5::x{id}"],
)
def test_outputs_that_mean_nothing_are_refused(output):
    with pytest.raises(ValueError, match="output must"):
        extract(output)


def test_chunks_are_for_all_crops_together():
    with pytest.raises(ValueError, match="are for the crops of all images together"):
        extract("all.h5::{id}", compression="gzip")
    with pytest.raises(ValueError, match="are for HDF5"):
        extract("out/{id}.npz", chunks=3)


@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.slow
def test_processes_write_the_same_files(named):
    extract("out/{id}.npz")
    first = contents("out")
    extract("out/{id}.npz", jobs=2, overwrite=True)
    assert contents("out") == first
