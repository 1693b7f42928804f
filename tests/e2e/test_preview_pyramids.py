"""`preview` of pyramids: each RoI on the map of the level that it is pooled from."""

import numpy as np
import pytest
from chromium import Page
from command import run_here
from scenes import rois_of, written

import lucid
from lucid.models.utils import roi_align
from lucid.viewer.scene import make_scene
from lucid.viewer.wishes import Wishes

SCALES = 1 / 4, 1 / 8, 1 / 16
CANONICAL = (3, 32)
ROIS = [
    [1, 3, 5, 20, 18], [0, 2, 2, 35, 40], [1, 0, 0, 100, 90], [1, 10, 4, 30, 16],
    [0, -9, 7, 70, 80], [0, 9, 9, 5, 12], [5, 1, 1, 2, 2],
]  # fmt: skip
LEVELS = [0, 1, 2, 0, 2]


@pytest.fixture
def levels(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    maps = [
        rng.standard_normal((2, 3, int(96 * s), int(112 * s))).astype(np.float32) for s in SCALES
    ]
    for k, one in enumerate(maps):
        np.save(f"p{k}.npy", one)
    np.save("r.npy", ROIS)
    return maps


WISHES = {
    "level": [(scale, f"p{k}.npy") for k, scale in enumerate(SCALES)],
    "rois": "r.npy",
    "canonical": CANONICAL,
}


def seen(**wishes):
    return make_scene(Wishes(**WISHES | wishes))


def test_crops_are_those_that_extract_writes_and_lie_on_the_map_of_their_level(levels):
    options = {"canonical": CANONICAL, "invalid": "zero"}
    lucid.extract(None, "r.npy", "c.h5", level=WISHES["level"], **options)
    lucid.extract(None, "r.npy", "c.npy", level=WISHES["level"], **options)
    crops = np.load("c.npy").mean(axis=1, dtype=np.float64)
    for scene in (seen(rows="0:7"), make_scene(Wishes(crops="c.h5", rows="0:7"))):
        found = {roi.row: image for image in scene.images for roi in image.rois}
        assert [found[row].level for row in range(5)] == LEVELS
        assert [found[row].number for row in range(5)] == [row[0] for row in ROIS[:5]]
        assert [roi.row for roi in scene.strays] == [6]
        rois = rois_of(scene)
        for row, level in enumerate(LEVELS):
            np.testing.assert_array_equal(rois[row].crop, crops[row])
            np.testing.assert_allclose(
                rois[row].cells[:2], [ROIS[row][2] * SCALES[level], ROIS[row][1] * SCALES[level]]
            )
            assert rois[row].input_box == rois[row].box == tuple(ROIS[row][1:])
            plane = levels[level][ROIS[row][0]].mean(axis=0, dtype=np.float64)
            np.testing.assert_array_equal(found[row].plane, plane)
        assert rois[5].fact
        assert found[5].number == 0


def test_maps_come_image_by_image_and_images_are_chosen_as_such(levels):
    def drawn(**wishes):
        return [(image.number, image.level) for image in seen(**wishes).images]

    assert drawn(rows="0:5") == [(0, 1), (0, 2), (1, 0), (1, 2)]
    assert drawn(image=[1]) == [(1, 0), (1, 2)]
    assert drawn(image=[1], rows="0") == [(1, 0)]
    assert drawn(image=[1], rows="1") == [(1, 0)]  # without RoIs, the first level
    worst = rois_of(seen(worst=True))
    assert "largest" in worst[2].kinds
    assert "outside" in worst[4].kinds


def test_a_photograph_lies_under_each_level_as_under_one_map_of_its_scale(levels, rng):
    Image = pytest.importorskip("PIL.Image")
    Image.fromarray(rng.integers(0, 255, (96, 112, 3), np.uint8)).save("1.png")
    scene = seen(image=1, image_file="1.png")
    assert len(scene.images) == 2
    for image in scene.images:
        height, width = image.size
        assert image.backdrop.edges == (-0.5, -0.5, height - 0.5, width - 0.5)


def test_the_command_is_that_of_extract(levels):
    pytest.importorskip("matplotlib")
    line = ["--level", "1/4=p0.npy", "--level", "1/8=p1.npy", "--rois", "r.npy", "--rows", "0:2"]
    done = run_here("preview", *line, text=True)
    assert done.returncode == 0, done.stderr
    assert "level 1   p1.npy  (2, 3, 12, 14)" in done.stdout
    done = run_here("preview", "--features", "p0.npy", *line, "--overwrite", text=True)
    assert done.returncode == 2
    assert "contradict" in done.stderr
    figure = lucid.preview(None, "r.npy", level=WISHES["level"], canonical=CANONICAL, rows="0:5")
    assert "Image 0, level 1" in [text.get_text() for text in figure.texts]


def test_levels_take_the_place_of_what_a_file_of_crops_records(levels):
    lucid.extract("p0.npy", "r.npy", "c.h5", spatial_scale=1 / 4, invalid="zero")
    scene = make_scene(Wishes(crops="c.h5", level=WISHES["level"], canonical=CANONICAL, rows="0:5"))
    assert {image.level for image in scene.images} == {0, 1, 2}
    done = run_here("preview", "--crops", "c.h5", "--normalized", "--html", "p.html", text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 4)
    assert "--normalized needs --image-size" in done.stderr


@pytest.mark.slow
def test_a_page_pools_from_the_map_of_the_level(levels, tmp_path):
    page = written(tmp_path / "p.html", **WISHES, rows="0:5", aligned=True)
    with Page(page) as opened:
        for row, level in enumerate(LEVELS):
            plane = levels[level].mean(axis=1, keepdims=True)
            expected = roi_align(plane, ROIS[row : row + 1], 7, SCALES[level], aligned=True)
            found = opened.run(f"lucid.crop({row})")
            np.testing.assert_allclose(found, expected[0, 0], atol=1e-4)
        assert opened.run("document.getElementById('scale').disabled")
        command = opened.run("document.getElementById('command').value")
        assert "--level 0.125=p1.npy" in command
        assert "--spatial-scale" not in command
        assert opened.errors == []
