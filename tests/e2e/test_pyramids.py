"""Pyramids in files: each RoI from the level that suits its size, and back in its row."""

import math
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid.models.utils import MultiScaleROIAlign, assign_levels

STRIDES = (4, 8, 16, 32)
SCALES = [1 / stride for stride in STRIDES]
LEVELS = [(scale, f"fpn.h5::p{2 + n}") for n, scale in enumerate(SCALES)]


@pytest.fixture
def maps(rng, tmp_path, monkeypatch):
    """Write a pyramid of three images, and boxes of all levels in no order."""
    monkeypatch.chdir(tmp_path)
    found = [
        rng.standard_normal((3, 4, 480 // stride, 640 // stride)).astype("f4") for stride in STRIDES
    ]
    with h5py.File("fpn.h5", "w") as file:
        for number, one in enumerate(found):
            file[f"p{2 + number}"] = one
            np.save(f"p{2 + number}.npy", one)
    sides = 2 ** rng.uniform(3, 8.8, (60, 2))
    sides[:4] = np.array([[470, 300, 150, 50]]).T
    corner = rng.uniform(0, 1, (60, 2)) * ([640, 480] - sides)
    np.save("r.npy", np.column_stack([rng.integers(0, 3, 60), corner, corner + sides]))
    return found


def crops_of(path):
    with h5py.File(path) as file:
        return file["crops"][...]


def test_gives_what_the_module_gives(maps, helpers_are_threads):
    rois = np.load("r.npy")
    expected = MultiScaleROIAlign(3, 2)(maps, rois, SCALES)
    report = lucid.extract(
        None, "r.npy", "c.h5", level=LEVELS, output_size=3, sampling_ratio=2, memory="64M"
    )
    np.testing.assert_array_equal(crops_of("c.h5"), expected)
    levels = assign_levels(rois[:, 1:], SCALES)
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["levels"], levels)
        np.testing.assert_array_equal(file["rois"], rois)
        np.testing.assert_array_equal(file["crops"].attrs["level_scales"], SCALES)
    assert [level["rois"] for level in report.levels] == np.bincount(levels).tolist()
    assert report.images == 3
    files = [(scale, f"p{2 + n}.npy") for n, scale in enumerate(SCALES)]
    lucid.extract(
        None, "r.npy", "j.npy", level=files, output_size=3, sampling_ratio=2, jobs=2, memory="256M"
    )
    np.testing.assert_array_equal(np.load("j.npy"), expected)


def test_the_order_of_levels_changes_their_numbers_alone(maps):
    lucid.extract(None, "r.npy", "c.npy", level=LEVELS, output_size=2)
    lucid.extract(None, "r.npy", "back.npy", level=LEVELS[::-1], output_size=2)
    np.testing.assert_array_equal(np.load("back.npy"), np.load("c.npy"))


def test_takes_what_decides_the_level_and_another_pooler(maps):
    pool = MultiScaleROIAlign(2, canonical_level=3, canonical_scale=100, pooler="prroi-pool")
    lucid.extract(
        *(None, "r.npy", "c.npy"), level=LEVELS, output_size=2, canonical=(3, 100),
        operator="prroi-pool",
    )  # fmt: skip
    np.testing.assert_array_equal(np.load("c.npy"), pool(maps, np.load("r.npy"), SCALES))


def test_expanded_boxes_stay_on_their_level(maps):
    rois = np.load("r.npy")
    rois[:3, 1:] = [[100, 100, 211, 211], [100, 100, 212, 212], [50, 50, 273, 273]]
    np.save("r.npy", rois)
    lucid.extract(None, "r.npy", "c.h5", level=LEVELS, output_size=2, expand=1.3)
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["levels"], assign_levels(rois[:, 1:], SCALES))


def test_frames_and_fractions_come_before_the_level(maps):
    rois = np.load("r.npy")
    expected = MultiScaleROIAlign(2)(maps, rois, SCALES)
    np.save("pictures.npy", rois * [1, 2, 2, 2, 2])
    lucid.extract(
        None, "pictures.npy", "c.npy", level=LEVELS, output_size=2, frame=np.full((1, 2), 0.5)
    )
    np.testing.assert_allclose(np.load("c.npy"), expected, atol=1e-5)
    np.save("fractions.npy", rois / [1, 640, 480, 640, 480])
    more = {"normalized": True, "image_size": (480, 640), "overwrite": True}
    report = lucid.extract(None, "fractions.npy", "c.npy", level=LEVELS, output_size=2, **more)
    np.testing.assert_allclose(np.load("c.npy"), expected, atol=1e-5)
    assert not report.warnings


def test_invalid_rows_are_named_as_they_are_or_zeros(maps):
    rois = np.load("r.npy")
    rois[7, 0], rois[9, 3] = 3, math.nan
    np.save("bad.npy", rois)
    with pytest.raises(lucid.RoiError, match=r"batch_index must be in \[0, 3\), got 3 at row 7"):
        lucid.extract(None, "bad.npy", "c.h5", level=LEVELS)
    lucid.extract(None, "bad.npy", "c.h5", level=LEVELS, output_size=2, invalid="zero")
    with h5py.File("c.h5") as file:
        assert file["levels"][...][[7, 9]].tolist() == [-1, -1]
        assert not file["crops"][...][[7, 9]].any()


def test_images_by_id_and_a_file_of_each(maps):
    for number in range(2):
        for image, name in enumerate(("ant", "bee", "cow")):
            np.save(f"{name}.p{2 + number}.npy", maps[number][image])
    rois = np.load("r.npy")
    names = np.array(["ant", "bee", "cow"])[rois[:, 0].astype(int)]
    lines = [
        f"{name},{x1},{y1},{x2},{y2}" for name, (_, x1, y1, x2, y2) in zip(names, rois, strict=True)
    ]
    with open("boxes.csv", "w") as file:
        file.write("\n".join(["image_id,x1,y1,x2,y2", *lines]))
    levels = [(1 / 4, "{id}.p2.npy"), (1 / 8, "{id}.p3.npy")]
    lucid.extract(None, "boxes.csv", "c.h5", level=levels, output_size=2)
    expected = MultiScaleROIAlign(2)(maps[:2], rois, SCALES[:2])
    np.testing.assert_array_equal(crops_of("c.h5"), expected)
    with h5py.File("c.h5") as file:
        assert [one.decode() for one in file["ids"][...]] == ["ant", "bee", "cow"]


def test_arrays_in_memory_are_levels_too(maps):
    rois = np.load("r.npy")
    lucid.extract(None, rois, "c.npy", level=list(zip(SCALES, maps, strict=True)), output_size=2)
    np.testing.assert_array_equal(np.load("c.npy"), MultiScaleROIAlign(2)(maps, rois, SCALES))


def test_is_resumed_as_the_same_job_alone(maps, monkeypatch):
    lucid.extract(None, "r.npy", "c.h5", level=LEVELS, output_size=2)
    with pytest.raises(lucid.SinkError, match=r"complete, but with .*level_scales"):
        lucid.extract(
            None,
            "r.npy",
            "c.h5",
            level=[*LEVELS[:-1], (0.03, LEVELS[-1][1])],
            output_size=2,
            resume=True,
        )
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    levels = [(scale, f"../{path}") for scale, path in LEVELS]
    report = lucid.extract(None, "../r.npy", "../c.h5", level=levels, output_size=2, resume=True)
    assert report.resumed == 60


def test_the_command_takes_scales_from_files_and_says_what_went_where(maps):
    with h5py.File("fpn.h5", "r+") as file:
        file["p3"].attrs["stride"] = 8
    levels = ["--level", "1/4=fpn.h5::p2", "--level", "fpn.h5::p3"]
    done = run_here("extract", *levels, "--rois", "r.npy", text=True)
    assert done.returncode == 0, done.stderr
    levels = assign_levels(np.load("r.npy")[:, 1:], SCALES[:2])
    counts = np.bincount(levels)
    said = "fpn.h5::{}  {} float32, spatial scale {}, {} RoIs"
    assert said.format("p2", (3, 4, 120, 160), 0.25, counts[0]) in done.stdout
    assert said.format("p3", (3, 4, 60, 80), 0.125, counts[1]) in done.stdout


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({}, "pass features, or level of a pyramid"),
        ({"features": "p2.npy", "level": LEVELS}, "features and level contradict each other"),
        ({"features": "p2.npy", "canonical": (4, 100)}, "canonical is for a pyramid"),
        ({"level": LEVELS, "spatial_scale": 0.5}, "level says the scales of its maps"),
        ({"level": LEVELS, "output": "{id}.npz"}, "not written image by image"),
        ({"level": [(0, "p2.npy")]}, "scale of a level must be finite and > 0"),
        ({"level": ["-"]}, "a level must be SCALE=PATH or PATH, not piped in"),
        ({"level": LEVELS, "canonical": (4, 0)}, "canonical must be finite, and its scale > 0"),
    ],
)
def test_says_what_contradicts(maps, arguments, fact):
    given = {"features": None, "rois": "r.npy", "output": "c.npy"} | arguments
    with pytest.raises(ValueError, match=fact):
        lucid.extract(**given)


def test_says_what_does_not_belong_together(maps):
    np.save("other.npy", maps[1][:2])
    with pytest.raises(lucid.ShapeError, match=r"other.npy must have the images of .*p2, 3, got 2"):
        lucid.extract(None, "r.npy", "c.npy", level=[LEVELS[0], (1 / 8, "other.npy")])
    np.save("other.npy", maps[1].astype("f8"))
    with pytest.raises(lucid.ShapeError, match=r"the dtype of .*p2, float32, got float64"):
        lucid.extract(None, "r.npy", "c.npy", level=[LEVELS[0], (1 / 8, "other.npy")])
    with pytest.raises(lucid.SourceError, match=r"p3 says no spatial_scale or stride; give one"):
        lucid.extract(None, "r.npy", "c.npy", level=[LEVELS[0], "fpn.h5::p3"])
