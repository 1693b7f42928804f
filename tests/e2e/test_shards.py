"""Outputs that shards write, each on its own: the bytes of one run, whoever ends last."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command import run_here

import lucid
from lucid import SinkError
from lucid.errors import OutputExistsError
from lucid.stream.plan import shares
from lucid.stream.read.rois import RoiSource
from lucid.stream.write import unfinished
from lucid.stream.write.journal_file import read_journal
from lucid.stream.write.shards import Progress


def extract(output="c.npy", rois="r.npy", **options):
    return lucid.extract("f.npy", rois, output, spatial_scale=1 / 16, **options)


def bytes_of(output):
    path = Path(output)
    files = {each.name: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    return files or path.read_bytes()


@pytest.fixture
def whole(files):
    def of(output, **options):
        extract("whole" + output, **options)
        return bytes_of("whole" + output)

    return of


def left():
    return sorted(path.name for path in Path().glob("c.*"))


OUTPUTS = [
    ("c.npy", {}),
    ("c.h5", {}),
    ("c.h5", {"compression": "gzip", "checksum": True}),
    ("c.npz", {}),
    ("c.zarr", {"chunks": 7}),
    ("c.zarr", {"compression": "gzip"}),
]


@pytest.mark.parametrize(("output", "options"), OUTPUTS)
@pytest.mark.parametrize(
    "order", [(4, 2, 3, 1), pytest.param((1, 2, 3, 4), marks=pytest.mark.slow)]
)
def test_shards_in_any_order_make_the_output_of_one_run(whole, output, options, order):
    expected = whole(output, **options)
    for done, number in enumerate(order, start=1):
        assert not Path(output).exists()
        report = extract(output, shard=(number, 4), **options)
        assert set(report.shards_missing) == set(order[done:])
    assert bytes_of(output) == expected
    assert left() == [output]
    report = extract(output, shard="2/4", **options)  # complete: nothing is done
    assert report.shards_missing == ()
    assert bytes_of(output) == expected


@pytest.mark.parametrize("order", ["any", "sorted", "sorted in a sample"])
def test_each_row_is_written_by_one_shard(files, whole, rng, monkeypatch, order):
    monkeypatch.setattr(shares, "SAMPLES", 10)
    monkeypatch.setattr(shares, "SAMPLE_ROWS", 20)
    rois, is_sorted = np.concatenate([files.rois] * 30), order != "any"
    rois[:, 0] = np.sort(rng.integers(0, 5, len(rois))) if is_sorted else rois[:, 0]
    if order == "sorted in a sample":
        rois[30:150] = rois[150:30:-1]
        rois[900:910, 0] = 0
    rois[[7, 70], 1:3] = np.nan
    rois[51:91:4, 0] = [-1, np.nan, 0.5, 5, 1e9] * 2
    expected = whole("c.npy", rois=rois, invalid="zero")
    told = []
    for number in (1, 2, 3):
        rows = []
        extract(rois=rois, invalid="zero", shard=(number, 3), on_progress=rows.append)
        assert rows[-1] == len(rois)
        told.append(rows[-1] - rows[0])
    assert sum(told) == len(rois) - 12
    assert min(told) > (len(rois) / 4 if is_sorted else 0)
    assert bytes_of("c.npy") == expected


@pytest.mark.parametrize("is_sorted", [False, True])
def test_a_shard_reads_no_rows_of_others_where_that_can_be(
    tmp_path, monkeypatch, rng, tuned, is_sorted
):
    """Of a table in any order, no more than their images; a page of the output has 1024 rows."""
    monkeypatch.chdir(tmp_path)
    tuned(slice_rows=500)
    monkeypatch.setattr(shares, "SAMPLE_ROWS", 10)
    rois = np.zeros((8000, 5), np.float32)
    rois[:, 0], rois[:, 3:] = rng.integers(0, 50, len(rois)), 2
    rois[:, 0] = np.sort(rois[:, 0]) if is_sorted else rois[:, 0]
    np.save("f.npy", rng.standard_normal((50, 1, 4, 4), np.float32))
    np.save("r.npy", rois)
    read, examined = [], RoiSource.examined

    def counted(source, start, stop, *images):
        found = examined(source, start, stop, *images)
        read.append(len(found.numbers))
        return found

    monkeypatch.setattr(RoiSource, "examined", counted)
    for number in (1, 2, 3, 4):
        read.clear()
        lucid.extract("f.npy", "r.npy", "c.npy", output_size=1, shard=(number, 4))
        own = len(rois) / 4 + (1024 if is_sorted else np.bincount(rois[:, 0].astype(int)).max())
        assert sum(read) <= 2 * own + shares.SAMPLES * 10
    lucid.extract("f.npy", "r.npy", "whole.npy", output_size=1)
    assert bytes_of("c.npy") == bytes_of("whole.npy")


def test_more_shards_than_images_or_rows(files, whole):
    expected = whole("c.npy", rois=files.rois[:3])
    for number in range(1, 9):
        extract(rois=files.rois[:3], shard=(number, 8))
    assert bytes_of("c.npy") == expected


def test_shards_at_once(whole, tuned):
    tuned(crops_bytes=20_000)
    expected = whole("c.h5", compression="lzf")
    with ThreadPoolExecutor(7) as pool:
        shards = [(number, 7) for number in range(1, 8)]
        list(pool.map(lambda shard: extract("c.h5", shard=shard, compression="lzf"), shards))
    assert bytes_of("c.h5") == expected
    assert left() == ["c.h5"]


def test_the_files_of_a_shard_that_began_just_now_are_no_strangers(whole, monkeypatch):
    expected = whole("c.npy")
    check = unfinished.require_no_strangers

    def later(output):
        patch.undo()
        extract(shard=(2, 2))  # after the first found no run, before it looks for files of none
        check(output)

    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "require_no_strangers", later)
        extract(shard=(1, 2))
    assert bytes_of("c.npy") == expected
    assert left() == ["c.npy"]


@pytest.mark.parametrize("is_sorted", [False, True])
def test_a_shard_that_is_interrupted_is_run_again_by_the_same_line(files, whole, tuned, is_sorted):
    """Its journal is of its own rows, if they are a run."""
    tuned(crops_bytes=8000)
    rois = files.rois[np.argsort(files.rois[:, 0], kind="stable")] if is_sorted else files.rois
    expected = whole("c.npy", rois=rois)
    extract(rois=rois, shard=(1, 2))
    told = []

    def interrupt(rows_done):
        told.append(rows_done)
        if rows_done > told[0] + 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(rois=rois, shard=(2, 2), on_progress=interrupt)
    assert not Path("c.npy").exists()
    marks = read_journal(Path("c.npy.part.2-of-2.journal")).done
    assert 0 < marks.count() < marks.total == (len(rois) / 2 if is_sorted else len(rois))
    assert extract(rois=rois, shard=(2, 2)).resumed == marks.count()
    assert bytes_of("c.npy") == expected
    assert left() == ["c.npy"]


def test_shards_on_executors_and_processes(whole, tuned):
    tuned(task_bytes=8000)
    expected = whole("c.zarr", chunks=7)
    with ThreadPoolExecutor(2) as pool:
        for number in (1, 2):
            extract("c.zarr", chunks=7, shard=(number, 2), executor=pool)
    assert bytes_of("c.zarr") == expected
    assert left() == ["c.zarr"]


def test_one_shard_is_missing_and_several_are():
    assert str(Progress(3, [2])) == "1 of 3 shards is missing: 2"
    assert str(Progress(3, [1, 2])) == "2 of 3 shards are missing: 1, 2"


def test_other_shards_other_options_and_other_runs_are_refused(files, whole):
    expected = whole("c.npy")
    extract(shard=(1, 3))
    with pytest.raises(SinkError, match="was begun with shards 3, not 4"):
        extract(shard=(2, 4))
    with pytest.raises(SinkError, match="was begun with sampling_ratio -1, not 2"):
        extract(shard=(2, 3), sampling_ratio=2)
    for options in ({}, {"resume": True}):
        with pytest.raises(SinkError, match=r"unfinished \(2 of 3 shards are missing: 2, 3\)"):
            extract(**options)
    with pytest.raises(ValueError, match="overwrite and shard contradict each other"):
        extract(shard=(2, 3), overwrite=True)
    extract(overwrite=True)
    assert bytes_of("c.npy") == expected
    assert left() == ["c.npy"]
    np.save("c.npy", np.zeros(3))
    with pytest.raises(SinkError, match="is complete, but with dtype float64"):
        extract(shard=(2, 3))
    Path("c.h5").write_text("mine")
    with pytest.raises(OutputExistsError, match="is no output of this tool"):
        extract("c.h5", shard=(2, 3))


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b", (1,), (1, 2.5)])
def test_what_is_no_shard_is_refused(files, shard):
    with pytest.raises(ValueError, match="shard must be I/N"):
        extract(shard=shard)


def test_while_a_shard_is_at_work_nobody_else_does_it_or_starts_over(files, tuned):
    tuned(crops_bytes=8000)
    refused, told = [], []

    def meanwhile(rows_done):
        told.append(rows_done)
        if len(told) == 2:
            for options in ({"shard": (1, 2)}, {"overwrite": True}):
                with pytest.raises(SinkError, match="in use"):
                    extract(**options)
                refused.append(options)

    extract(shard=(1, 2), on_progress=meanwhile)
    assert len(refused) == 2


def test_info_says_which_shards_are_missing(files):
    for output, options in (("c.h5", []), ("d.h5", ["--compression", "gzip"])):
        command = ["extract", "--features", "f.npy", "--rois", "r.npy", "-o", output, *options]
        done = run_here(*command, "--shard", "2/3", text=True)
        assert done.returncode == 0, done.stderr
        assert "shard     2 of 3; to be done: 1, 3" in done.stdout
        said = run_here("info", f"{output}.part", text=True)
        assert said.returncode == 0, said.stderr
        assert f"{output}.part is unfinished: 2 of 3 shards are missing: 1, 3" in said.stdout
        said = json.loads(run_here("info", "--json", f"{output}.part", text=True).stdout)
        assert said["shards"] == {"shards": 3, "missing": [1, 3]}
        assert [one["dataset"] for one in said["arrays"]].count("crops") == (not options)


@pytest.mark.parametrize("step", ["publish", "clear"])
def test_a_kill_while_the_output_is_completed_is_mended_by_any_shard(whole, monkeypatch, step):
    from lucid.stream.write import layout, shard_sink

    expected = whole("c.h5", compression="gzip")
    extract("c.h5", compression="gzip", shard=(1, 2))

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        place = (layout.OneFile, "publish") if step == "publish" else (shard_sink, step)
        patch.setattr(*place, killed)
        with pytest.raises(KeyboardInterrupt):
            extract("c.h5", compression="gzip", shard=(2, 2))
    assert Path("c.h5").exists() == (step != "publish")
    extract("c.h5", compression="gzip", shard=(1, 2))
    assert bytes_of("c.h5") == expected
    assert left() == ["c.h5"]
