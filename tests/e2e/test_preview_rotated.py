"""`preview` of rotated boxes: drawn where the operator reads them."""

import math

import numpy as np
import pytest
from command import run_here

import lucid
from lucid.viewer.scene import make_scene
from lucid.viewer.wishes import Wishes

TURNED = [[0, 90.0, 70.0, 60.0, 40.0, 30.0], [3, 200.0, 40.0, 90.0, 20.0, -100.0],
          [3, 10.0, 10.0, 70.0, 50.0, 45.0]]  # fmt: skip
OPTIONS = {"operator": "roi-align-rotated", "stride": 16, "output_size": (2, 3)}


@pytest.fixture
def rois(files):
    np.save("t.npy", TURNED)
    return np.array(TURNED)


def seen(**wishes):
    scene = make_scene(Wishes(features="f.npy", rois="t.npy", **OPTIONS, **wishes))
    return {roi.row: roi for roi in scene.rois}


def turned(box, v, u, scale=1 / 16, offset=0.5):
    """Return y and x in cells of what lies at fractions of a box, 0 at its centre."""
    cx, cy, w, h, angle = box
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    along, down = u * w, v * h
    x, y = cx + along * cosine + down * sine, cy - along * sine + down * cosine
    return y * scale - offset, x * scale - offset


def test_crops_are_those_that_extract_writes(rois):
    lucid.extract("f.npy", "t.npy", "crops.h5", **OPTIONS)
    lucid.extract("f.npy", "t.npy", "crops.npy", **OPTIONS)
    crops = np.load("crops.npy").mean(axis=1, dtype=np.float64)
    recorded = {roi.row: roi for roi in make_scene(Wishes(crops="crops.h5")).rois}
    for found in (seen(), recorded):
        assert sorted(found) == [0, 1, 2]
        for row, roi in found.items():
            np.testing.assert_array_equal(roi.crop, crops[row])
            assert roi.box == tuple(rois[row, 1:])


def test_outlines_bins_and_samples_lie_where_a_plain_loop_has_them(rois):
    for row, roi in seen().items():
        box = rois[row, 1:]
        (top, bottom), (left, right) = (roi.grid.ends(axis, (2, 3)[axis]) for axis in (0, 1))
        corners = [roi.grid.at(v, u) for v in (top, bottom) for u in (left, right)]
        expected = [turned(box, v, u) for v in (-0.5, 0.5) for u in (-0.5, 0.5)]
        np.testing.assert_allclose(corners, expected, atol=1e-9)
        around = np.array(expected)
        np.testing.assert_allclose(roi.cells, [*around.min(axis=0), *around.max(axis=0)])
        down, across = (roi.grid.positions(axis, (2, 3)[axis]) for axis in (0, 1))
        assert len(down) == 2 * math.ceil(box[3] / 16 / 2)
        last = roi.grid.at(down[-1], across[0])
        v, u = 0.5 - 0.5 / len(down), -0.5 + 0.5 / len(across)
        np.testing.assert_allclose(last, turned(box, v, u), atol=1e-9)


def test_the_picture_has_them_as_polygons(rois):
    pytest.importorskip("matplotlib")
    figure = lucid.preview("f.npy", "t.npy", bins=True, samples=True, **OPTIONS)
    drawn = {one.get_gid(): one for axes in figure.axes for one in axes.get_children()}
    for row in range(3):
        corners = drawn[f"roi-{row}"].get_xy()[:4]
        expected = [turned(rois[row, 1:], *at)[::-1] for at in ((-0.5, -0.5), (0.5, 0.5))]
        np.testing.assert_allclose([corners[0], corners[2]], expected, atol=1e-9)
        (line,) = drawn[f"rows-{row}"].get_segments()
        expected = [turned(rois[row, 1:], 0, u)[::-1] for u in (-0.5, 0.5)]
        np.testing.assert_allclose(line, expected, atol=1e-9)


def test_the_odd_and_the_invalid_are_found_among_them(rois):
    np.save("t.npy", [*TURNED, [0, 5, 5, -1, 2, 0], [1, 5, 5, 1, np.nan, 0], [0, 900, 9, 9, 9, 9]])
    found = seen(worst=True)
    assert found[3].fact.startswith("w must be at least 0")
    assert "invalid" in found[4].kinds
    assert "outside" in found[5].kinds


def test_what_is_not_drawn_is_said(rois):
    done = run_here("preview", "--features", "f.npy", "--rois", "t.npy",
                    "--operator", "roi-align-3d", text=True)  # fmt: skip
    assert done.returncode == 2
    assert "preview draws boxes on planes, and --operator roi-align-3d has volumes" in done.stderr
