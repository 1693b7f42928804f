"""`preview`: what is drawn is what a run would do."""

import re
import sys

import h5py
import numpy as np
import pytest
from command import run_here
from scenes import F, R, rois_of, seen

import lucid
from lucid.errors import FrameError, ShapeError, SinkError, SourceError
from lucid.viewer.scene import make_scene
from lucid.viewer.wishes import Wishes


@pytest.fixture
def _matplotlib():
    pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    ("show", "reduced"),
    [
        ("mean", lambda crop: crop.mean(axis=0, dtype=np.float64)),
        ("norm", lambda crop: np.sqrt((crop.astype(np.float64) ** 2).sum(axis=0))),
        (5, lambda crop: crop[5]),
    ],
)
def test_crops_are_those_that_extract_writes(files, show, reduced):
    options = {"spatial_scale": 1 / 16, "output_size": (3, 5), "aligned": True}
    lucid.extract("f.npy", "r.npy", "crops.npy", **options)
    crops = np.load("crops.npy")
    found = rois_of(seen("f.npy", "r.npy", rows=slice(0, 60), show=show, **options))
    assert sorted(found) == list(range(60))
    for row, roi in found.items():
        np.testing.assert_array_equal(roi.crop, reduced(crops[row]))


@pytest.mark.parametrize(
    "options",
    [
        {"operator": "prroi-pool"},
        {"mode": "max", "outside": "renormalize"},
        {"sampling_ratio": float("inf"), "expand": 1.5, "channels": slice(1, 4)},
    ],
)
def test_crops_of_other_operators_are_those_that_extract_writes(files, options):
    lucid.extract("f.npy", "r.npy", "crops.npy", stride=16, **options)
    lucid.extract("f.npy", "r.npy", "crops.h5", stride=16, **options)
    crops = np.load("crops.npy")
    for scene in (
        seen("f.npy", "r.npy", rows="0:60", stride=16, **options),
        make_scene(Wishes(crops="crops.h5", rows="0:60", jobs=1, stride=16)),
    ):
        for row, roi in rois_of(scene).items():
            np.testing.assert_array_equal(roi.crop, crops[row].mean(axis=0, dtype=np.float64))


def test_principal_components_are_those_of_the_cells_and_the_same_for_crops(rng):
    mixing = rng.standard_normal((3, 6)) * [[9], [3], [1]]
    features = np.einsum("nkhw,kc->nchw", rng.standard_normal((2, 3, 20, 20)), mixing)
    scene = seen(features, [[0, 2, 3, 9, 12], [1, 0, 0, 5, 5]], show="pca")
    cells = np.concatenate([image.plane.reshape(-1, 3) for image in scene.images])
    assert np.allclose(np.cov(cells.T) - np.diag(np.var(cells, axis=0, ddof=1)), 0, atol=1e-6)
    assert (np.diff(np.var(cells, axis=0)) < 0).all()
    both = np.concatenate([image.plane for image in scene.images])
    pooled = lucid.models.utils.roi_align(
        both.transpose(2, 0, 1)[None], [[0, 0, 20, 5, 25]], (7, 7)
    )[0]  # of the second image, which lies under the first
    inner = rois_of(scene)[1].crop[1:]  # whose first bins would read the one above
    np.testing.assert_allclose(inner, pooled.transpose(1, 2, 0)[1:], atol=1e-9)


def test_bins_and_samples_lie_where_the_arithmetic_says():
    rois = np.array([[0, 8, 16, 64, 40], [0, 3, 5, 4, 6]])
    for aligned in (False, True):
        found = rois_of(seen(F, rois, aligned=aligned, output_size=(2, 7), sampling_ratio=3))
        for row, (_, x1, y1, x2, y2) in enumerate(rois):
            for axis, low, high, bins in ((0, y1, y2, 2), (1, x1, x2, 7)):
                start = low / 8 - 0.5 * aligned
                length = max((high - low) / 8, 0 if aligned else 1) / bins
                edges = [start + k * length for k in range(bins + 1)]
                points = [
                    start + p * length + (i + 0.5) * length / 3
                    for p in range(bins)
                    for i in range(3)
                ]
                grid = found[row].grid
                np.testing.assert_allclose(grid.edges(axis, bins), edges)
                np.testing.assert_allclose(grid.positions(axis, bins), points)


@pytest.mark.parametrize("rule", ["long:128", "letterbox:96x160", "crop:80,64", "center-pad:14"])
@pytest.mark.parametrize("normalized", [False, True])
def test_a_photograph_lies_where_the_box_of_all_of_it_does(tmp_path, rng, rule, normalized):
    """Aligned, that is: otherwise boxes are half a cell further on, which is to be seen."""
    Image = pytest.importorskip("PIL.Image")
    height, width = 60, 90
    Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(tmp_path / "a.png")
    box = [0, 0, 0, 1, 1] if normalized else [0, 0, 0, width, height]
    scene = seen(
        rng.standard_normal((1, 2, 30, 30)), [box], image_file=tmp_path / "a.png", stride=4,
        image_size=(height, width), resize=rule, normalized=normalized, aligned=True,
    )  # fmt: skip
    (image,) = scene.images
    np.testing.assert_allclose(image.backdrop.edges, image.rois[0].cells, atol=1e-9)
    assert image.backdrop.values.shape == (height, width, 3)


def test_a_photograph_lies_right_where_each_image_has_its_own_scale(tmp_path, rng):
    Image = pytest.importorskip("PIL.Image")
    for name in ("a", "b"):
        Image.new("RGB", (90, 60)).save(tmp_path / f"{name}.png")
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["features"] = rng.standard_normal((2, 3, 30, 30))
        file["features"].attrs["spatial_scale"] = [[0.25, 0.2], [0.5, 0.4]]
        file["ids"] = ["a.jpg", "b.jpg"]
    rois = [[0, 0, 0, 90, 60], [1, 0, 0, 90, 60]]
    scene = seen(tmp_path / "f.h5", rois, images=tmp_path / "{id}.png", aligned=True)
    for image in scene.images:
        np.testing.assert_allclose(image.backdrop.edges, image.rois[0].cells)


@pytest.mark.parametrize(
    ("wishes", "error", "fact"),
    [
        ({"features": None}, ValueError, "needs features (or level) and rois, or crops"),
        ({"rois": "-"}, ValueError, "cannot be piped in"),
        ({"image_file": "a.jpg", "images": "b.jpg"}, ValueError, "contradict"),
        ({"worst": True, "random": 3}, ValueError, "contradict"),
        ({"rows": "3-7"}, ValueError, "ranges with an exclusive end"),
        ({"rows": "7:3"}, ValueError, "ranges with an exclusive end"),
        ({"random": -1}, ValueError, "random must be at least 1"),
        ({"show": "max"}, ValueError, "show must be one of mean, norm, pca"),
        ({"show": 24}, ShapeError, "has 24 channels, from 0, and no channel 24"),
        ({"output": "a.gif"}, ValueError, "must end in .png, .svg, .pdf"),
        ({"html": "a.png"}, ValueError, "must end in .html"),
        ({"reduce": "mean"}, TypeError, "unexpected keyword argument 'reduce'"),
        ({"images": "nowhere/*.jpg"}, SourceError, "matches no file"),
        ({"images": "nowhere/{id}.jpg"}, SourceError, "nowhere/0.jpg cannot be opened"),
        ({"images": R}, SourceError, "is 1 picture for 4 images"),
        ({"images": "."}, SourceError, r"is a folder; pass the picture of each image: ./{id}.jpg"),
        ({"image_file": R}, SourceError, "the photograph of one image, and 4 are drawn"),
        ({"image_file": R, "image": 1}, SourceError, "cannot be read as a picture"),
        ({"spatial_scale": 20, "strict": True}, FrameError, "lie mostly"),
    ],
)
def test_what_cannot_be_drawn_is_said(wishes, error, fact):
    if "image_file" in wishes or "images" in wishes:
        pytest.importorskip("PIL")
    with pytest.raises(error, match=re.escape(fact)):
        seen(**wishes)


def test_without_matplotlib_a_line_says_how_to_get_it(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.chdir(tmp_path)
    done = run_here("preview", "--features", F, "--rois", R)
    assert done.returncode == 1
    assert done.stderr == (
        b"Error: preview draws with matplotlib: pip install 'lucid-roialign[preview]'\n"
    )
    with pytest.raises(SinkError, match="matplotlib"):
        lucid.preview(F, R)
    assert run_here("preview", "--features", F, "--rois", R, "--html", "p.html").returncode == 0
