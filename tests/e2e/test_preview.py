"""`preview`: what is drawn is what a run would do, whatever picture it is drawn to."""

import io
import re
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here
from hypothesis import given
from hypothesis import strategies as st
from lucid_cli import terminal

import lucid
from lucid.errors import FrameError, RoiError, ShapeError, SinkError, SourceError
from lucid.stream.read.maps import Features
from lucid.viewer.labels import place_labels
from lucid.viewer.planes import plane_of
from lucid.viewer.scene import make_scene
from lucid.viewer.wishes import Wishes

ROOT = Path(__file__).parents[2]
F, R = (str(ROOT / "sample_data" / name) for name in ("features.h5", "rois.npy"))
PHOTOS = str(ROOT / "sample_data" / "photos" / "*.jpg")


def seen(features=F, rois=R, **wishes):
    return make_scene(Wishes(features=features, rois=rois, **wishes))


def rois_of(scene):
    return {roi.row: roi for roi in scene.rois}


# What is drawn.


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


# What is chosen.


def test_rows_images_and_the_first_of_each_image(files):
    index = files.rois[:, 0].astype(int)
    assert sorted(rois_of(seen("f.npy", "r.npy", rows="3,17,50:52"))) == [3, 17, 50, 51]
    assert sorted(rois_of(seen("f.npy", "r.npy", rows=[7]))) == [7]
    of_two = np.flatnonzero(np.isin(index, [1, 3])).tolist()
    assert sorted(rois_of(seen("f.npy", "r.npy", image=[1, "3"]))) == of_two
    first = [np.flatnonzero(index == image)[:12] for image in range(4)]
    assert sorted(rois_of(seen("f.npy", "r.npy"))) == sorted(np.concatenate(first).tolist())
    with pytest.raises(RoiError, match="has 60 RoIs and no row 60"):
        seen("f.npy", "r.npy", rows="60")


def test_rows_of_a_table_that_is_read_in_slices(files, tuned):
    tuned(slice_rows=7)
    rows = slice(3, 58, 5)
    assert sorted(rois_of(seen("f.npy", "r.npy", rows=rows))) == list(range(60))[rows]
    assert len(rois_of(seen("f.npy", "r.npy", random=20, seed=1))) == 20


def test_a_random_choice_is_the_same_for_a_seed_and_within_what_is_named(files):
    some = [sorted(rois_of(seen("f.npy", "r.npy", random=9, seed=seed))) for seed in (4, 4, 5)]
    assert some[0] == some[1] != some[2]
    assert set(rois_of(seen("f.npy", "r.npy", random=5, image=2))) <= set(
        np.flatnonzero(files.rois[:, 0] == 2).tolist()
    )


def test_an_image_is_found_by_its_id_before_its_number(tmp_path, rng):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["features"] = rng.standard_normal((3, 2, 8, 8))
        file["ids"] = ["2.jpg", "cat.jpg", "dog.jpg"]
    scene = seen(tmp_path / "f.h5", [[0, 0, 0, 5, 5]], image=["dog", "2", "1"])
    assert [image.number for image in scene.images] == [2, 0, 1]
    assert [len(image.rois) for image in scene.images] == [0, 1, 0]
    with pytest.raises(SourceError, match="has no image 'bird'.*ids such as '2.jpg'"):
        seen(tmp_path / "f.h5", [[0, 0, 0, 5, 5]], image="bird")


def test_the_worst_are_those_that_are_odd(rng):
    plain = np.c_[np.zeros(40), rng.uniform(8, 20, (40, 2)), rng.uniform(21, 30, (40, 2))]
    odd = {
        3: ([0, 100, 5, 120, 20], "outside"),
        8: ([0, 4, 4, 4.2, 4.3], "tiny"),
        13: ([0, 2, 10, 50, 11], "thin"),
        21: ([0, 0, 0, 50, 40], "largest"),
        30: ([0, 9, 9, 4, 12], "invalid"),
        35: ([7, 1, 1, 4, 4], "invalid"),
    }
    for row, (roi, _) in odd.items():
        plain[row] = roi
    scene = seen(rng.standard_normal((2, 3, 40, 50)), plain, worst=True)
    found = {roi.row: roi.kinds for roi in [*scene.rois, *scene.strays]}
    for row, (_, kind) in odd.items():
        assert kind in found.pop(row)
    assert all(set(kinds) <= {"largest"} for kinds in found.values())
    assert [roi.fact for roi in scene.strays] == ["batch_index must be in [0, 2), got 7 at row 35"]
    (invalid,) = (roi for roi in scene.rois if roi.row == 30)
    assert invalid.crop is None
    assert "x2 must be at least x1" in invalid.fact


def test_a_huge_map_is_drawn_from_every_so_many_cells(rng):
    class Counted(Features):
        name, images, channels, dtype = "f", 1, 3, np.dtype(np.float64)
        sizes, largest, kind = np.array([[101, 67]]), 0, "float64"

        def read(self, image, window):
            part = values[:, *window]
            self.largest = max(self.largest, part.nbytes)
            return part

    values = rng.standard_normal((3, 101, 67))
    for room, most in ((1, 400), (20_000, 400), (10**9, 400), (20_000, 10**6)):
        features = Counted(None)
        plane, step = plane_of(features, 0, lambda part: part.mean(axis=0), most, room)
        np.testing.assert_array_equal(plane, values.mean(axis=0)[::step, ::step])
        assert plane.size <= most
        assert features.largest <= max(room, 3 * 67 * 8)


# The file of crops.


@pytest.mark.parametrize("name", ["crops.h5", "crops.npz", "crops.safetensors", "crops.zarr"])
def test_a_file_of_crops_is_enough_wherever_it_lies_with_its_inputs(files, tmp_path, name):
    if name.endswith(".zarr"):
        pytest.importorskip("zarr")
    options = {"stride": 16, "aligned": True, "output_size": (3, 4), "boxes": "xyxy"}
    (tmp_path / "in").mkdir()
    for one in ("f.h5", "r.h5"):
        shutil.move(one, f"in/{one}")
    (tmp_path / "out").mkdir()
    lucid.extract("in/f.h5::features", "in/r.h5", f"out/{name}", **options)
    lucid.extract("in/f.h5::features", "in/r.h5", "plain.npy", **options)
    crops = np.load("plain.npy")
    (tmp_path / "moved").mkdir()
    for one in ("in", "out"):
        shutil.move(one, f"moved/{one}")
    scene = make_scene(Wishes(crops=f"moved/out/{name}", rows="0:60"))
    assert scene.report.features == "moved/out/../in/f.h5::features"
    for row, roi in rois_of(scene).items():
        np.testing.assert_array_equal(roi.crop, crops[row].mean(axis=0, dtype=np.float64))
    changed = make_scene(Wishes(crops=f"moved/out/{name}", rows="0:60", stride=8, aligned=False))
    assert changed.report.spatial_scale == (0.125, 0.125)
    assert not changed.report.aligned


def test_crops_of_a_file_that_its_inputs_do_not_give_any_more_are_drawn_and_named(files):
    lucid.extract("f.npy", "r.npy", "crops.h5", stride=16)
    with h5py.File("crops.h5", "r+") as file:
        file["crops"][3, 2] += 1
    scene = make_scene(Wishes(crops="crops.h5", rows="0:10"))
    assert scene.warnings == (
        "crops.h5 has other crops than its inputs give now, in row 3 of 10 that are drawn",
    )
    with h5py.File("crops.h5") as file:
        np.testing.assert_array_equal(rois_of(scene)[3].crop, file["crops"][3].mean(0, np.float64))
    assert make_scene(Wishes(crops="crops.h5", rows="0:3")).warnings == ()
    assert make_scene(Wishes(crops="crops.h5", rows="0:10", aligned=True)).warnings == ()


def test_options_of_a_file_of_crops_are_understood_again(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    for name in ("a", "b"):
        np.save(f"maps/{name}.npy", rng.standard_normal((3, 8, 10)).astype(np.float32))
    Path("boxes.csv").write_text("photo,l,t,w,h\nb,1,2,30,20\na,0,0,40,32\n")
    lucid.extract(
        "maps/{id}.npy", "boxes.csv", "out.h5", columns="image=photo,x=l,y=t,w=w,h=h",
        resize="long:40", image_size=(64, 80), stride=4, reduce="mean", dtype="float16",
    )  # fmt: skip
    scene = make_scene(Wishes(crops="out.h5"))
    assert [image.name for image in scene.images] == ["a", "b"]
    assert scene.report.coordinates == "long:40"
    bins = {row: roi.crop.mean() for row, roi in rois_of(scene).items()}
    with h5py.File("out.h5") as file:
        np.testing.assert_allclose(file["crops"][:].mean(axis=1), [bins[0], bins[1]], atol=1e-3)


def test_a_scale_of_each_image_is_found_again(tmp_path, rng):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["features"] = rng.standard_normal((2, 3, 9, 9))
        file["features"].attrs["spatial_scale"] = [[0.25, 0.25], [0.5, 0.5]]
    np.save(tmp_path / "r.npy", [[0, 1, 2, 20, 20], [1, 1, 2, 9, 9]])
    lucid.extract(tmp_path / "f.h5", tmp_path / "r.npy", tmp_path / "crops.h5")
    scene = make_scene(Wishes(crops=tmp_path / "crops.h5"))
    with h5py.File(tmp_path / "crops.h5") as file:
        for row, roi in rois_of(scene).items():
            np.testing.assert_allclose(roi.crop, file["crops"][row].mean(axis=0))


def test_files_that_do_not_say_their_inputs_are_refused(files):
    lucid.extract("f.npy", files.rois, "memory.h5", stride=16)
    with pytest.raises(SourceError, match="was made from rois in memory.*; pass rois$"):
        make_scene(Wishes(crops="memory.h5"))
    assert len(rois_of(make_scene(Wishes(crops="memory.h5", rois="r.npy", rows="2")))) == 1
    for name in ("f.h5", "f.npy"):
        with pytest.raises(SourceError, match=f"{name} does not say from what it was made"):
            make_scene(Wishes(crops=name))
    with pytest.raises(SourceError, match="cannot be (read|opened)"):
        make_scene(Wishes(crops="missing.h5"))


# Mistakes.


@pytest.mark.parametrize(
    ("wishes", "error", "fact"),
    [
        ({"features": None}, ValueError, "needs features and rois, or crops"),
        ({"rois": "-"}, ValueError, "cannot be piped in"),
        ({"image_file": "a.jpg", "images": "b.jpg"}, ValueError, "contradict"),
        ({"worst": True, "random": 3}, ValueError, "contradict"),
        ({"rows": "3-7"}, ValueError, "ranges with an exclusive end"),
        ({"rows": "7:3"}, ValueError, "ranges with an exclusive end"),
        ({"random": -1}, ValueError, "random must be at least 0"),
        ({"show": "max"}, ValueError, "show must be one of mean, norm, pca"),
        ({"show": 24}, ShapeError, "has 24 channels, from 0, and no channel 24"),
        ({"output": "a.gif"}, ValueError, "must end in .png, .svg, .pdf"),
        ({"html": "a.png"}, ValueError, "must end in .html"),
        ({"html": "a.html", "sampling_ratio": float("inf")}, SinkError, "a page pools means"),
        ({"html": "a.html", "mode": "max"}, SinkError, "a page pools means"),
        ({"html": "a.html", "max_samples": 2}, SinkError, "a page pools means"),
        ({"reduce": "mean"}, TypeError, "unexpected keyword argument 'reduce'"),
        ({"images": "nowhere/*.jpg"}, SourceError, "matches no file"),
        ({"images": "nowhere/{id}.jpg"}, SourceError, "nowhere/0.jpg cannot be opened"),
        ({"images": R}, SourceError, "is 1 pictures of 4 images"),
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


# Pictures.


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


# Terminals.


@pytest.mark.usefixtures("_matplotlib")
def test_a_terminal_that_shows_no_pictures_is_refused_and_one_that_does_is_shown_it(monkeypatch):
    monkeypatch.setattr("lucid_cli.console.stdout_is_terminal", lambda: True)
    line = ["preview", "--features", F, "--rois", R, "--rows", "11", "-q", "-o", "-"]
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TMUX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    done = run_here(*line)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"this terminal shows no pictures" in done.stderr
    monkeypatch.setenv("TERM", "xterm-kitty")
    assert run_here(*line).stdout.startswith(b"\x1b_Ga=T,f=100,m=1;iVBOR")


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iTerm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iTerm2"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}, None),
    ],
)
def test_terminals_are_known_by_their_environment(environment, way):
    assert terminal.pictures_of(environment) == way


def test_kitty_and_iterm_get_the_png_itself():
    from base64 import b64decode

    png = bytes(range(256)) * 40
    kitty = terminal.shown(png, "kitty")
    parts = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty)
    assert b64decode(b"".join(data for _, data in parts)) == png
    assert [keys[-3:] for keys, _ in parts] == [b"m=1"] * (len(parts) - 1) + [b"m=0"]
    assert parts[0][0] == b"a=T,f=100,m=1"
    (iterm,) = re.findall(
        rb"\x1b\]1337;File=inline=1;size=10240:(.*)\x07", terminal.shown(png, "iTerm2")
    )
    assert b64decode(iterm) == png


def decoded_sixels(text):
    """Return the picture that a terminal would show, (h, w, 3) in hundredths."""
    width, height = map(int, re.match(rb'\x1bPq"1;1;(\d+);(\d+)', text).groups())
    picture = np.full((height + 6, width, 3), -1)
    colors, color, x, y = {}, None, 0, 0
    body = re.sub(rb'^\x1bPq"[\d;]*', b"", text.rstrip()[:-2])
    for token in re.findall(rb"#\d+;2;\d+;\d+;\d+|#\d+|!\d+.|[$-]|[?-~]", body):
        if token.startswith(b"#"):
            number, *rest = map(int, token[1:].split(b";"))
            if rest:
                colors[number] = rest[1:]
            color = colors[number]
        elif token in b"$-":
            x, y = 0, y + 6 * (token == b"-")
        else:
            count = int(token[1:-1]) if token.startswith(b"!") else 1
            for bit in range(6):
                if (token[-1] - 63) >> bit & 1:
                    picture[y + bit, x : x + count] = color
            x += count
    return picture[:height]


def test_sixels_are_the_picture(rng):
    Image = pytest.importorskip("PIL.Image")
    values = rng.integers(0, 2, (17, 23, 3)).astype(np.uint8) * 255
    values[:, 5:19] = values[:, 5:6]  # a run
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    shown = decoded_sixels(terminal.shown(stream.getvalue(), "sixel"))
    np.testing.assert_array_equal(shown, values.astype(int) * 100 // 255)


@pytest.mark.parametrize(("answer", "way"), [(b"\x1b[?62;4;22c", "sixel"), (b"\x1b[?62;22c", None)])
def test_a_terminal_is_asked_for_sixels(monkeypatch, answer, way):
    import os
    import pty
    import threading
    import tty

    master, slave = pty.openpty()
    tty.setraw(master)
    asked = []

    def terminal_answers():
        asked.append(os.read(master, 64))
        os.write(master, answer)

    thread = threading.Thread(target=terminal_answers)
    thread.start()
    for name, mode in (("stdin", "r"), ("stdout", "w")):
        monkeypatch.setattr(sys, name, os.fdopen(os.dup(slave), mode))
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TMUX", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert terminal.way_to_show() == way
    thread.join()
    assert asked == [b"\x1b[c"]
    sys.stdin.close()
    sys.stdout.close()
    for file in (master, slave):
        os.close(file)


# Notebooks.


def test_a_report_is_the_text_of_the_command(files):
    report = lucid.extract("f.npy", "r.npy", "crops.h5", stride=16)
    done = run_here(
        "extract", "--features", "f.npy", "--rois", "r.npy", "--stride", "16", "-o", "crops.h5",
        "--overwrite", text=True,
    )  # fmt: skip
    assert f"{report}\n" == done.stdout


def test_a_notebook_shows_the_text_of_a_report_and_the_crops_of_a_file_that_says_its_job(files):
    pytest.importorskip("matplotlib")
    shown = {}
    for name in ("crops.h5", "crops.npy"):
        report = lucid.extract("f.npy", "r.npy", name, stride=16)
        shown[name] = report._repr_html_()
        assert str(report).splitlines()[0] in shown[name]
    assert re.search(r'<img alt="[^"]+" src="data:image/png;base64,iVBOR', shown["crops.h5"])
    assert "<img" not in shown["crops.npy"]
