"""The page in a real browser, by operator: what it pools is what the library pools."""

import json
import math

import numpy as np
import pytest
from chromium import Page
from scenes import written

from lucid.errors import SinkError
from lucid.models.utils import prroi_pool, roi_align, roi_align_rotated, roi_pool

BINS = (3, 5)


def boxes(rng, turned):
    """Return boxes inside a map of 24 x 30 cells at stride 8, across its borders and off it."""
    centre, size = rng.uniform(0, [240, 192], (14, 2)), rng.uniform(1, 150, (14, 2))
    size[:2] = [[0, 30], [0, 0]]
    size[2:4] = [[4000, 3000], [9, 700]]
    centre[4] = -500
    if turned:
        angle = rng.uniform(-400, 400, 14)
        angle[5:8] = [90, -180, 270]
        return np.column_stack([np.zeros(14), centre, size, angle])
    corners = np.hstack([centre - size / 2, centre + size / 2])
    corners[8:] = np.rint(corners[8:] / 4) * 4  # on the borders of cells and between their centres
    return np.column_stack([np.zeros(14), corners])


SAMPLED = {"sampling_ratio": -1, "aligned": False}
CASES = {
    "roi-align": (roi_align, SAMPLED, {}),
    "inf": (roi_align, {"sampling_ratio": math.inf, "aligned": True}, {}),
    "inf, renormalized": (
        roi_align, {"sampling_ratio": math.inf, "aligned": False, "outside": "renormalize"}, {},
    ),
    "renormalized": (roi_align, SAMPLED | {"outside": "renormalize"}, {}),
    "max": (roi_align, SAMPLED | {"mode": "max"}, {}),
    "max, renormalized": (roi_align, SAMPLED | {"mode": "max", "outside": "renormalize"}, {}),
    "max_samples": (roi_align, SAMPLED | {"max_samples": 2}, {}),
    "prroi-pool": (prroi_pool, {}, {"operator": "prroi-pool"}),
    "roi-pool": (roi_pool, {}, {"operator": "roi-pool"}),
    **{
        f"rotated {kind}": (
            roi_align_rotated, {"sampling_ratio": -1, "aligned": True, **options},
            {"operator": "roi-align-rotated"},
        )
        for kind, options in {
            "": {}, "max": {"mode": "max"}, "clockwise": {"angle": "radians", "clockwise": True},
            "renormalized": {"outside": "renormalize", "max_samples": 3},
        }.items()
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "empty.html"
    path.write_text("<!doctype html><title>nothing</title>")
    with Page(path) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_crops_in_the_page_are_those_of_the_library(case, browser, tmp_path, rng):
    operator, options, named = CASES[case]
    features = rng.standard_normal((1, 1, 24, 30)).astype(np.float32)
    rois = boxes(rng, operator is roi_align_rotated)
    page = written(
        tmp_path / "p.html", features=features, rois=rois, rows="0:14", spatial_scale=1 / 8,
        output_size=BINS, **options, **named,
    )  # fmt: skip
    changes = [{}, {"spatial_scale": 0.31}]
    if "aligned" in options:
        changes.append({"aligned": not options["aligned"]})
    if options.get("sampling_ratio") and "max_samples" not in options:
        changes.append({"sampling_ratio": 2})
    browser.open(page)
    for change in changes:
        asked = {"spatial_scale": 1 / 8} | options | change
        expected = operator(features, rois, BINS, asked.pop("spatial_scale"), **asked)[:, 0]
        np.testing.assert_allclose(crops(browser, change), expected, atol=1e-4, err_msg=str(change))
    moved = rois + np.array([0, 3.5, -8, *([0, 0, 0] if rois.shape[1] == 6 else [3.5, -8])])
    expected = operator(features, moved, BINS, 1 / 8, **options)[:, 0]
    np.testing.assert_allclose(crops(browser, {"offset": [-8, 3.5]}), expected, atol=1e-4)
    for key in "]jab+0":
        browser.press(key)
    assert browser.errors == []


def crops(browser, changes):
    """Return what the page pools of all rows with other options."""
    words = {"spatial_scale": "spatialScale", "sampling_ratio": "samplingRatio"}
    asked = json.dumps({words.get(name, name): value for name, value in changes.items()})
    return browser.run(f"[...Array(14).keys()].map((row) => lucid.crop(row, {asked}))")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"operator": "ps-roi-align"}, "reads channels of its own"),
        ({"operator": "ps-roi-pool"}, "reads channels of its own"),
        ({"operator": "crop-and-resize"}, "its boxes are fractions"),
    ],
)
def test_what_a_page_cannot_follow_is_said_with_the_way_out(options, reason, tmp_path):
    features = np.zeros((1, 4, 8, 8), np.float32)
    with pytest.raises(SinkError, match=f"a page cannot follow .*{reason}.*; pass output for a"):
        written(
            tmp_path / "p.html", features=features, rois=[[0, 0, 0, 1, 1]], output_size=2, **options
        )
