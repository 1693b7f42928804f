"""The pictures that `preview` draws."""

import re
from pathlib import Path

import numpy as np
import pytest
from command import run_here
from hypothesis import given
from hypothesis import strategies as st
from scenes import F, R, rois_of, seen

import lucid
from lucid.viewer.labels import place_labels


@given(st.lists(st.tuples(*[st.floats(0, 100)] * 4), min_size=1, max_size=12))
def test_labels_stay_in_the_room(corners):
    boxes = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners]
    placed = place_labels(boxes, [(5.0, 3.0)] * len(boxes), (0, 0, 100, 100))
    for left, top, right, bottom in placed:
        assert left >= -1e-9
        assert top >= -1e-9
        assert right <= 100 + 1e-9
        assert bottom <= 100 + 1e-9


def test_labels_of_boxes_that_share_a_corner_do_not_overlap():
    boxes = [(10.0, 10.0, 20.0 + 9 * k, 20.0 + 7 * k) for k in range(5)]
    placed = place_labels(boxes, [(4.0, 3.0)] * 5, (0, 0, 100, 100))
    for k, one in enumerate(placed):
        for other in placed[:k]:
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert min(across, down) <= 0


@pytest.fixture
def _matplotlib():
    pytest.importorskip("matplotlib")


@pytest.mark.usefixtures("_matplotlib")
def test_the_figure_has_boxes_bins_and_samples_in_cells_and_crops_in_their_colours():
    wishes = {"aligned": True, "rows": [0, 5, 7]}
    figure = lucid.preview(F, R, bins=True, samples=True, colors="own", **wishes)
    drawn = {
        artist.get_gid(): artist
        for axes in figure.axes
        for artist in axes.get_children()
        if artist.get_gid()
    }
    scene = rois_of(seen(**wishes))
    for row in scene:
        x1, y1, x2, y2 = np.load(R)[row, 1:].astype(float)
        left, top, right, bottom = (one / 8 - 0.5 for one in (x1, y1, x2, y2))
        corners = drawn[f"roi-{row}"].get_corners()
        np.testing.assert_allclose(corners[[0, 2]], [[left, top], [right, bottom]])
        columns = [segment[0][0] for segment in drawn[f"columns-{row}"].get_segments()]
        np.testing.assert_allclose(columns, left + (right - left) * np.arange(1, 7) / 7)
        points = sum(len(drawn[f"{kind}-{row}"].get_xdata()) for kind in ("samples", "zeros"))
        assert points == 49 * np.prod(scene[row].grid.samples)
        y = drawn[f"samples-{row}"].get_ydata()
        assert ((y >= -1) & (y <= 40)).all()
    tiles = [axes.images[0].get_array() for axes in figure.axes if not len(axes.get_xticks())]
    by_image = [roi for image in seen(**wishes).images for roi in image.rois]
    for tile, roi in zip(tiles, by_image, strict=True):
        low, high = np.percentile(roi.crop, [0.5, 99.5])
        share = np.clip((roi.crop - low) / (high - low), 0, 1)
        import matplotlib

        np.testing.assert_array_equal(tile, matplotlib.colormaps["viridis"](share, bytes=True))


@pytest.mark.slow
@pytest.mark.usefixtures("_matplotlib")
def test_an_svg_has_boxes_at_the_points_that_the_map_says(tmp_path):
    figure = lucid.preview(F, R, tmp_path / "p.svg", rows=[0], aligned=True)
    text = (tmp_path / "p.svg").read_text()
    path = re.search(r'<g id="roi-0">\s*<path d="([^"]+)"', text)[1]
    found = np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2)
    height = figure.get_size_inches()[1] * 72
    (left, top), (right, bottom) = (
        figure.axes[0].transData.transform(point) * 72 / figure.dpi
        for point in [(138 / 8 - 0.5, 14 / 8 - 0.5), (327 / 8 - 0.5, 221 / 8 - 0.5)]
    )
    np.testing.assert_allclose(found.min(axis=0), [left, height - top], atol=0.01)
    np.testing.assert_allclose(found.max(axis=0), [right, height - bottom], atol=0.01)


@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["p.png", "p.svg", "p.pdf"])
def test_the_same_command_gives_the_same_bytes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    line = ["preview", "--features", F, "--rois", R, "--image", "2", "-q", "-o"]
    assert run_here(*line, name).returncode == 0
    first = Path(name).read_bytes()
    assert run_here(*line, name).stderr == (
        f"Error: {name} exists; pass --overwrite to replace it\n".encode()
    )
    assert run_here(*line, name, "--overwrite").returncode == 0
    assert Path(name).read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.parametrize(
    "rois",
    [
        np.empty((0, 5)),
        pytest.param([[0, 5, 5, 5, 5]], marks=pytest.mark.slow),
        pytest.param([[0, np.nan, 1, 2, 3]], marks=pytest.mark.slow),
    ],
)
def test_there_may_be_nothing_to_see(rois, tmp_path):
    features = np.full((1, 2, 3, 4), np.nan, np.float32)
    figure = lucid.preview(features, rois, tmp_path / "p.png", rows=slice(None), html=None)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes) == 2 + len(rois)


@pytest.mark.slow
@pytest.mark.usefixtures("_matplotlib")
def test_a_pipe_gets_the_picture_and_the_report_goes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_here("preview", "--features", F, "--rois", R, "--rows", "3", "-o", "-")
    assert done.returncode == 0
    assert done.stdout.startswith(b"\x89PNG")
    assert b"(12, 5) on 4 images" in done.stderr
    picture = done.stdout
    done = run_here("preview", "--features", F, "--rois", R, "--rows", "3")
    assert Path("preview.png").read_bytes() == picture
    assert done.stdout.splitlines()[-1].startswith(b"picture   preview.png  1 image, 1 RoI, ")


@pytest.mark.parametrize(
    "line",
    [
        ["--features", F],
        ["--features", F, "--rois", R, "--random", "x"],
        ["--features", F, "--rois", R, "--crops", "c.h5", "--worst", "--random", "2"],
        ["--features", F, "--rois", R, "--no-such"],
    ],
)
def test_usage_errors_are_of_the_command(line):
    assert run_here("preview", *line).returncode == 2


@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.parametrize("show", [3, "pca"])
def test_crops_on_scales_of_their_own_keep_their_box_and_say_their_range(show):
    wishes = {"rows": "0", "colors": "own", "show": show}
    texts = [text.get_text() for text in lucid.preview(F, R, **wishes).texts]
    assert "138, 14 – 327, 221" in texts
    (roi,) = seen(**wishes).rois
    low, high = np.percentile(roi.crop, [0.5, 99.5])
    assert (f"{low:.3g} … {high:.3g}" in texts) == (show == 3)
