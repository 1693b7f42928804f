"""`verify`: a good file passes, and whatever was done to one, its inputs or its rows is found."""

import io
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import bytes_of, run_here

import lucid
from lucid.errors import RoiError, SinkError, SourceError
from lucid.roi.engines.selection import why_not_compiled
from lucid.verifier import tally
from lucid.verifier.verification import Verification

OPTIONS = {"stride": 16, "output_size": (3, 4)}
slow = [pytest.mark.slow]
FORMATS = [
    "c.h5",
    "c.npz",
    *(pytest.param(f"c.{kind}", marks=slow) for kind in ("safetensors", "zarr")),
]
FLAGS = {"lzf": {"compression": "lzf", "chunks": 7}, "sum": {"checksum": True, "chunks": 7}}
needs_compiled = pytest.mark.skipif(bool(why_not_compiled()), reason="there is no compiled engine")


def made(output="c.h5", features="f.npy", rois="r.npy", **options):
    lucid.extract(features, rois, output, **OPTIONS | options)
    return output


def opened(output):
    if output.endswith(".zarr"):
        pytest.importorskip("zarr")
    return output


@pytest.mark.parametrize("output", FORMATS)
def test_a_good_file_passes_in_every_format(files, output, engine):
    report = lucid.verify(made(opened(output)), all=True)
    assert report.good
    assert (report.rows, report.tally.equal) == (60, 60)
    assert {one.state for one in report.inputs} == {"same"}
    assert {one.name: one.state for one in report.beside}["rois"] == "same"


@pytest.mark.parametrize(
    "options",
    [
        {"reduce": "mean"},
        pytest.param({"dtype": "float16"}, marks=slow),
        pytest.param({"operator": "prroi-pool"}, marks=slow),
        pytest.param({"operator": "roi-pool", "channels": slice(1, 4)}, marks=slow),
        {"mode": "max", "outside": "renormalize", "coverage": True},
        pytest.param({"sampling_ratio": float("inf"), "expand": 1.5, "aligned": True}, marks=slow),
        pytest.param({"boxes": "xywh", "invalid": "zero"}, marks=slow),
        pytest.param({"normalized": True, "image_size": (192, 272)}, marks=slow),
    ],
)
def test_all_that_determines_crops_is_taken_from_the_file(files, options):
    report = lucid.verify(made(**options))
    assert report.good, str(report)
    assert report.tally.equal == 60
    assert {one.state for one in report.beside} == {"same"}


def test_a_pyramid_passes_and_its_levels_are_compared(files, rng):
    for level in (4, 5):
        with h5py.File(f"p{level}.h5", "w") as file:
            size = 256 >> level
            file["x"] = rng.standard_normal((5, 3, size, size)).astype(np.float32)
            file["x"].attrs["stride"] = 2**level
    lucid.extract(None, "r.npy", "c.h5", level=["p4.h5::x", "p5.h5"])
    report = lucid.verify("c.h5")
    assert report.good, str(report)
    assert "levels" in {one.name for one in report.beside}
    with h5py.File("c.h5", "a") as file:
        file["levels"][7] = 1 - file["levels"][7]
    report = lucid.verify("c.h5")
    assert [one.fact for one in report.beside if not one.is_good] == ["row 7"]


def test_invalid_rows_are_zeros_and_must_be(files):
    rois = files.rois.copy()
    rois[[3, 40], 3] = np.nan
    np.save("r.npy", rois)
    made(invalid="zero")
    assert lucid.verify("c.h5").good
    with h5py.File("c.h5", "a") as file:
        file["crops"][3, 0, 0, 0] = 1
    report = lucid.verify("c.h5")
    assert [(found.row, found.kind) for found in report.tally.found] == [(3, "differs")]


@pytest.mark.slow
def test_ids_of_images_and_rois_are_compared(files):
    with h5py.File("f.h5", "a") as file:
        file["ids"] = ["a.jpg", "bé.jpg", "c.jpg", "d.jpg", "e.jpg"]
    for output in ("c.npz", "c.safetensors", "c.h5"):
        made(output, "f.h5::features")
        assert {one.state for one in lucid.verify(output).beside} == {"same"}
    with h5py.File("c.h5", "a") as file:
        file["ids"][1] = "x"
    faults = lucid.verify("c.h5").as_dict()["faults"]
    assert faults == ["ids differs"]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("rois", np.zeros((60, 4))),
        ("rois", np.zeros(60)),
        ("rois", np.float64(3)),
        ("rois", np.full((60, 5), b"x")),
        ("ids", np.zeros(5)),
        ("ids", np.full((5, 2), b"x")),
        ("coverage", np.zeros((60, 7))),
        ("coverage", np.float64(3)),
        ("coverage", np.full((60, 7, 7), b"x")),
    ],
)
def test_arrays_of_another_kind_or_shape_differ(files, name, array):
    with h5py.File("f.h5", "a") as file:
        file["ids"] = ["a", "b", "c", "d", "e"]
    made("c.h5", "f.h5::features", coverage=True)
    with h5py.File("c.h5", "a") as file:
        del file[name]
        file[name] = array
    assert lucid.verify("c.h5", rows="0:9").as_dict()["faults"] == [f"{name} differs"]


def test_what_stands_beside_and_cannot_be_opened_is_not_taken_for_missing(files):
    made()
    with h5py.File("c.h5", "a") as file:
        del file["rois"]
    assert {one.name: one.state for one in lucid.verify("c.h5").beside}["rois"] == "missing"
    with h5py.File("c.h5", "a") as file:
        file["rois"] = h5py.ExternalLink("elsewhere.h5", "rois")
    report = lucid.verify("c.h5")
    assert report.as_dict()["faults"] == ["rois unreadable"]
    assert "a link to another file" in str(report)


@pytest.mark.parametrize(
    "said",
    [
        {"features": 3},
        {"rois": [1, 2]},
        {"boxes": "nonsense"},
        {"output_size": "x"},
        {"spatial_scale": "abc"},
        {"level_scales": [0.5, 0.25]},
    ],
)
def test_files_that_say_what_no_run_does_are_refused(files, said):
    made("c.h5")
    with h5py.File("c.h5", "a") as file:
        file["crops"].attrs.update(said)
    with pytest.raises(lucid.SourceError, match="c.h5 "):
        lucid.verify("c.h5")
    for command in ("verify", "info"):
        done = run_here(command, "c.h5", text=True)
        assert done.returncode == (command == "verify")
        assert len(done.stderr.splitlines()) == done.returncode


@pytest.mark.parametrize("crops", ["none.h5", "none.npz"])
def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path, monkeypatch, crops):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"{crops} cannot be opened: No such file or dir"):
        lucid.verify(crops)


# What is found.


def test_a_flipped_byte_is_found_wherever_it_is(files, rng):
    made()
    with h5py.File("c.h5") as file:
        begin, size = file["crops"].id.get_offset(), file["crops"].size * 4
    whole = Path("c.h5").read_bytes()
    for at in rng.integers(0, size, 3).tolist():
        data = bytearray(whole)
        data[begin + at] ^= 1 << int(rng.integers(8))
        Path("c.h5").write_bytes(data)
        report = lucid.verify("c.h5", engine="auto")
        (found,) = report.tally.found or [None]
        if report.tolerance is None:
            assert (found.row, found.kind, found.values) == (at // (size // 60), "differs", 1)


@needs_compiled
@pytest.mark.parametrize("output", FORMATS)
def test_a_swapped_row_is_found_and_named(files, output):
    made(opened(output))
    with_rows(output, lambda rows: rows.__setitem__([5, 9], rows[[9, 5]]))
    report = lucid.verify(output)
    assert not report.good
    assert [found.row for found in report.tally.found] == [5, 9]
    assert "row 5 holds the crop of row 9" in str(report)
    assert "row 9 holds the crop of row 5" in str(report)


def test_zeros_in_place_of_rows_are_found(files):
    made()
    crops = np.array(h5py.File("c.h5")["crops"])
    inside = np.flatnonzero(crops.any(axis=(1, 2, 3)))[[2, 3, 4, 20]]
    with_rows("c.h5", lambda rows: rows.__setitem__(inside, 0))
    report = lucid.verify("c.h5")
    assert [(found.row, found.kind) for found in report.tally.found] == [
        (row, "zeros") for row in inside
    ]
    assert report.tally.zeros == 4
    assert f"row {inside[3]} is zeros, and its RoI has a crop" in str(report)


def with_rows(output, change):
    """Change the crops of a file as a program that knows the format would."""
    if output.endswith(".h5"):
        with h5py.File(output, "a") as file:
            rows = file["crops"][:]
            change(rows)
            file["crops"][:] = rows
    else:
        data = next(Path(output).glob("crops/c.*")) if output.endswith(".zarr") else Path(output)
        lucid.extract("f.npy", "r.npy", "same.npy", **OPTIONS)
        rows = np.load("same.npy")
        before = rows.tobytes()
        change(rows)
        held = data.read_bytes()
        assert held.count(before) == 1
        data.write_bytes(held.replace(before, rows.tobytes()))


@pytest.mark.parametrize("kind", ["sum", pytest.param("lzf", marks=slow)])
def test_a_damaged_chunk_costs_its_rows_alone(files, kind):
    made(**FLAGS[kind])
    with h5py.File("c.h5") as file:
        chunk = file["crops"].id.get_chunk_info(2)
    data = bytearray(Path("c.h5").read_bytes())
    place = slice(chunk.byte_offset + 2, chunk.byte_offset + 40)
    data[place] = bytes(byte ^ 0x55 for byte in data[place])
    Path("c.h5").write_bytes(data)
    report = lucid.verify("c.h5", all=True)
    assert {found.row for found in report.tally.found} == set(range(14, 21))
    assert report.tally.unreadable == 7 or kind != "sum"
    assert (kind == "sum") == (report.checksums == "Fletcher-32 of each chunk that was read")


def test_the_checksum_of_a_member_is_looked_at(files):
    made("c.npz")
    data = bytearray(Path("c.npz").read_bytes())
    place = data.index(np.float64(files.rois[30, 3]).tobytes())
    data[place] ^= 1
    Path("c.npz").write_bytes(data)
    assert lucid.verify("c.npz").damaged == ("rois.npy",)
    made("d.npz")
    data = bytearray(Path("d.npz").read_bytes())
    data[-2000] ^= 1
    Path("d.npz").write_bytes(data)
    assert lucid.verify("d.npz", rows=0).good  # which is not that row
    assert lucid.verify("d.npz", all=True).damaged == ("crops.npy",)


@pytest.mark.parametrize("output", ["c.h5", "c.npz", pytest.param("c.safetensors", marks=slow)])
@pytest.mark.parametrize("left", [5000, *(pytest.param(left, marks=slow) for left in (0, 100, -1))])
def test_a_truncated_file_is_an_error_of_one_line(files, output, left):
    made(output)
    os.truncate(output, left if left >= 0 else os.path.getsize(output) - 1)
    done = run_here("verify", output, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert output in done.stderr


@pytest.mark.slow
def test_a_missing_chunk_of_zarr_is_found(files):
    pytest.importorskip("zarr")
    made("c.zarr", chunks=20)
    next(Path("c.zarr/crops").glob("c.1.*")).unlink()
    report = lucid.verify("c.zarr")
    assert report.tally.bad == report.tally.zeros > 10


@pytest.mark.parametrize("crops", ["gone.h5", "gone.npz", "gone/c.zarr"])
def test_a_file_that_is_not_there_is_named_without_the_words_of_a_library(files, crops):
    calls = [lucid.verify]
    if find_spec("matplotlib"):
        calls.append(lambda path: lucid.preview(crops=path))
    for call in calls:
        with pytest.raises(FileNotFoundError) as caught:
            call(crops)
        assert str(caught.value) == f"{crops} cannot be opened: No such file or directory"
    Path("gone").mkdir()
    Path("gone/c.zarr").mkdir()
    with pytest.raises(SourceError, match="does not say from what it was made"):
        lucid.verify("gone/c.zarr")


def test_changed_inputs_are_told_and_the_time_alone_is_not_a_change(files):
    made()
    os.utime("f.npy", (2e9, 2e9))
    report = lucid.verify("c.h5")
    assert report.good
    assert "f.npy, unchanged, though modified later" in str(report)
    features = files.features.copy()
    features[2] += 1
    np.save("f.npy", features)
    report = lucid.verify("c.h5")
    assert not report.good
    assert {one.role: one.state for one in report.inputs} == {"features": "changed", "rois": "same"}
    assert {found.row for found in report.tally.found} <= set(np.flatnonzero(files.rois[:, 0] == 2))
    np.save("f.npy", features[:, :5])
    report = lucid.verify("c.h5")
    assert report.rows == 0
    assert report.mismatch.startswith(
        "its crops are (60, 6, 3, 4) float32, and its inputs give (60, 5"
    )


def test_an_input_that_is_gone_is_an_error_that_names_the_option(files):
    made()
    os.rename("f.npy", "g.npy")
    with pytest.raises(SourceError, match="say where it is by now: features"):
        lucid.verify("c.h5")
    report = lucid.verify("c.h5", features="g.npy")
    assert report.good
    assert [one.state for one in report.inputs] == ["same", "same"]
    np.save("h.npy", np.asfortranarray(files.features))
    report = lucid.verify("c.h5", features="h.npy")
    assert report.good
    assert [one.state for one in report.inputs] == ["other", "same"]


@pytest.mark.slow
def test_inputs_are_looked_for_beside_the_file(files):
    os.mkdir("deep")
    made("deep/c.h5")
    shutil.copytree(".", "../elsewhere", dirs_exist_ok=True)
    for name in ("f.npy", "r.npy"):
        os.remove(name)
    assert lucid.verify("../elsewhere/deep/c.h5").good


# Which rows.


def test_the_same_seed_draws_the_same_rows(files, monkeypatch):
    made()
    drawn = []
    monkeypatch.setattr(Verification, "_plan", lambda self: drawn.append(self._rows) or 1 / 0)
    for options in ({"random": 9}, {"random": 9}, {"random": 9, "seed": 1}, {"rows": "0:12"}, {}):
        with pytest.raises(ZeroDivisionError):
            lucid.verify("c.h5", **options)
    one, same, other, named, default = drawn
    np.testing.assert_array_equal(one, same)
    assert len(set(one)) == 9
    assert set(one) != set(other)
    assert named.tolist() == list(range(12))
    assert default.tolist() == list(range(60))
    with pytest.raises(ZeroDivisionError):
        lucid.verify("c.h5", rows="3,17,50:90", random=4)
    assert set(drawn[-1]) <= {3, 17, *range(50, 60)}


def test_only_chosen_rows_are_looked_at(files):
    made()
    with_rows("c.h5", lambda rows: rows.__setitem__(17, 5))
    assert lucid.verify("c.h5", rows=[16, 18]).good
    assert not lucid.verify("c.h5", rows=17).good
    with pytest.raises(RoiError, match="60 crops and no row 60"):
        lucid.verify("c.h5", rows=60)


def test_all_goes_on_where_it_was_interrupted(files, tuned):
    tuned(crops_bytes=4000)
    made()
    with_rows("c.h5", lambda rows: rows.__setitem__(slice(None), rows + 1))
    told = []

    def stop(rows_done):
        told.append(rows_done)
        if rows_done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.verify("c.h5", all=True, on_progress=stop)
    assert Path("c.h5.verify").exists()
    after = []
    report = lucid.verify("c.h5", all=True, resume=True, on_progress=after.append)
    assert after[0] == told[-1]
    assert report.tally.differing == 60
    assert sorted(found.row for found in report.tally.found) == list(range(60))
    assert not Path("c.h5.verify").exists()
    with pytest.raises(KeyboardInterrupt):
        lucid.verify("c.h5", all=True, on_progress=stop)
    with_rows("c.h5", lambda rows: rows.__setitem__(slice(None), rows - 1))
    with pytest.raises(SinkError, match="drop resume to begin"):
        lucid.verify("c.h5", all=True, resume=True)


def test_no_row_is_counted_twice_where_a_signal_comes_within_a_batch(files, tuned, monkeypatch):
    tuned(crops_bytes=4000)
    made()
    take, batches = tally.Comparison._compare, []

    def stop(comparison, *batch):
        take(comparison, *batch)
        batches.append(batch)
        if len(batches) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tally.Comparison, "_compare", stop)
        with pytest.raises(KeyboardInterrupt):
            lucid.verify("c.h5", all=True)
    report = lucid.verify("c.h5", all=True, resume=True)
    assert report.tally.rows == report.tally.equal == 60


# Other engines, and files that say nothing.


@needs_compiled
def test_another_engine_is_given_a_tolerance(files):
    made(engine="compiled")
    report = lucid.verify("c.h5", engine="numpy")
    assert report.good
    assert report.tally.rounded
    assert report.tally.max_rounding < report.tolerance.value < 1e-4
    with_rows("c.h5", lambda rows: rows.__setitem__((4, 0, 0, 0), rows[4, 0, 0, 0] + 1e-3))
    report = lucid.verify("c.h5", engine="numpy")
    assert [(found.row, found.values) for found in report.tally.found] == [(4, 1)]
    assert lucid.verify(made("half.h5", dtype="float16"), engine="numpy").good


@pytest.mark.parametrize(
    "output",
    [
        "c.npy",
        "i/{id}.npz",
        *(pytest.param(one, marks=slow) for one in ("i/{id}.npy", "i/{id}.h5", "g.h5::{id}")),
    ],
)
def test_files_that_say_nothing_are_held_against_what_is_given(files, output):
    os.mkdir("i")
    made(output)
    given = {"features": "f.npy", "rois": "r.npy", **OPTIONS}
    assert lucid.verify(output, **given).good
    assert not lucid.verify(output, **given | {"aligned": True}).good
    if "::" in output:
        assert lucid.verify(output).good
        assert lucid.verify(output.removesuffix("::{id}"), all=True).tally.equal == 60
    else:
        with pytest.raises(SourceError, match="pass features and rois"):
            lucid.verify(output)


@pytest.mark.slow
def test_a_file_of_an_image_that_is_gone_costs_its_rows(files):
    os.mkdir("i")
    made("i/{id}.npz")
    os.remove("i/3.npz")
    report = lucid.verify("i/{id}.npz", "f.npy", "r.npy", **OPTIONS)
    assert {found.row for found in report.tally.found} == set(np.flatnonzero(files.rois[:, 0] == 3))
    assert report.tally.unreadable == report.tally.bad


# The command.


def test_the_command_says_it_by_its_exit_status(files):
    made()
    before = bytes_of("c.h5")
    done = run_here("verify", "c.h5", text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{lucid.verify('c.h5')}\n"
    assert done.stdout.splitlines()[-1].startswith("good      60 rows")
    assert max(map(len, done.stdout.splitlines())) < 80
    assert bytes_of("c.h5") == before
    with_rows("c.h5", lambda rows: rows.__setitem__(17, 5))
    done = run_here("verify", "c.h5", "--json", text=True)
    said = json.load(io.StringIO(done.stdout), parse_constant=pytest.fail)
    assert done.returncode == 1
    assert (said["schema"], said["good"], said["faults"]) == (1, False, ["1 row differs"])
    assert said["found"][0]["row"] == 17
    done = run_here("verify", "c.h5", "-q", text=True)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_environment_replaces_nothing_that_the_file_says(files, monkeypatch):
    made()
    monkeypatch.setenv("LUCID_ROIALIGN_ALIGNED", "true")
    monkeypatch.setenv("LUCID_ROIALIGN_SEED", "8")
    assert run_here("verify", "c.h5", "--random", "0").returncode == 2
    done = run_here("verify", "c.h5", "--random", "7", text=True)
    assert "with seed 8" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["c.txt"],
        ["-"],
        ["c.h5", "--all", "--random", "5"],
        ["c.h5", "--resume"],
        ["c.h5", "--rows", "5:3"],
        ["c.h5", "--operator", "roi-pool", "--aligned"],
        ["c.h5", "--jobs", "2"],
        ["c.h5", "--rois", "-"],
    ],
)
def test_mistakes_are_usage_errors(files, arguments):
    made()
    assert run_here("verify", *arguments).returncode == 2
