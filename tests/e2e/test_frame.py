"""`frame`: what boxes were made from is ranked first, and what made crops is named."""

import json
import math

import numpy as np
import pytest
from command import run_here
from frameworks import FRAMEWORKS

import lucid
from lucid.errors import RoiError, ShapeError

slow = [pytest.mark.slow]
TRUTHS = dict(FRAMEWORKS) | {"": lambda h, w: (1, 1, 0, 0)}
SIZES = np.array([
    [480, 640], [640, 480], [427, 640], [500, 375], [333, 500], [720, 1280], [600, 800],
])  # fmt: skip
FORMS = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "cxcywh": lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    "yxyx": lambda x1, y1, x2, y2: (y1, x1, y2, x2),
}


def boxes_on(rng, sizes, each=12):
    """Return rows on pictures, some from border to border."""
    ends = np.sort(rng.uniform(0, 1, (len(sizes), each, 2, 2)), axis=2)
    ends[:, 0], ends[:, 1, 0], ends[:, 2, 1] = [[0, 0], [1, 1]], 0, 1
    index = np.repeat(np.arange(len(sizes)), each)
    return np.column_stack([index, ends.reshape(-1, 4) * sizes[index][:, [1, 0, 1, 0]]])


def in_cells(rows, sizes, rule, stride):
    """Return where a rule puts boxes, as its framework computes it."""
    frames = np.array([TRUTHS[rule](h, w) for h, w in sizes.tolist()])
    sy, sx, oy, ox = frames[rows[:, 0].astype(int)].T
    moved = rows[:, 1:] * np.column_stack([sx, sy, sx, sy]) + np.column_stack([ox, oy, ox, oy])
    return moved / stride


def maps_of(folder, sizes, rule, stride, exact=None):
    """Write maps of pictures, padded to whole cells; return what names them."""
    for image, (h, w) in enumerate(sizes.tolist()):
        sy, sx, *_ = TRUTHS[rule](h, w)
        height, width = exact or (math.ceil(h * sy / stride), math.ceil(w * sx / stride))
        np.save(folder / f"{image}.npy", np.zeros((1, height, width), np.float32))
    return str(folder / "{id}.npy")


def written(rows, form):
    return np.column_stack([rows[:, 0], *FORMS[form](*rows[:, 1:].T)])


def cells_under(folder, features, rois, arguments):
    """Return where `extract` puts boxes with some options: in crops of maps of coordinates."""
    settings = {"features": features, "rois": rois, **arguments}
    from contextlib import ExitStack

    from lucid.stream.plan.inputs import plan_inputs
    from lucid.stream.settings import Settings

    with ExitStack() as opened:
        job, _ = plan_inputs(Settings(**settings), opened)
        rows = job.rois.read(0, job.rois.rois).astype(np.float64)
        sy, sx = job.operator.spatial_scale
        return rows[:, 1:] * [sx, sy, sx, sy]


CASES = [  # rule, stride, size of maps if they are alike, form
    pytest.param("", 16, None, "xyxy", marks=slow),
    pytest.param("", 8, None, "cxcywh", marks=slow),
    ("letterbox:640", 32, (20, 20), "xywh"),
    pytest.param("letterbox:384x640", 8, (48, 80), "xywh", marks=slow),
    pytest.param("short:800,1333", 16, None, "xywh", marks=slow),
    pytest.param("short:800,1333", 32, None, "yxyx", marks=slow),
    pytest.param("short:800,1333,floor", 16, None, "xyxy", marks=slow),
    pytest.param("short:600,1000,exact", 16, None, "xyxy", marks=slow),
    pytest.param("stretch:224", 14, (16, 16), "xyxy", marks=slow),
    pytest.param("long:1024", 16, (64, 64), "xyxy", marks=slow),
    pytest.param("center-pad:14", 14, None, "xyxy", marks=slow),
    pytest.param("crop:512,448", 32, (14, 14), "xyxy", marks=slow),
]


@pytest.mark.parametrize(("rule", "stride", "exact", "form"), CASES)
def test_the_frame_that_boxes_are_in_is_ranked_first(tmp_path, rng, rule, stride, exact, form):
    rows = boxes_on(rng, SIZES)
    features = maps_of(tmp_path, SIZES, rule, stride, exact)
    report = lucid.frame(features, written(rows, form), image_size=SIZES, top=30)
    truth = in_cells(rows, SIZES, rule, stride)
    off = [
        np.abs(
            cells_under(
                tmp_path, features, written(rows, form), {"image_size": SIZES, **one.arguments}
            )
            - truth
        ).max()
        for one in report.candidates
        if one.rank == 1 and not one.note
    ]
    assert min(off) < 0.11  # what is shown may stand for another that is nearly the same
    assert all(one.arguments.get("boxes", "xyxy") == form for one in report.candidates[:1])


@pytest.mark.parametrize(
    "form", ["xyxy", "yxyx", *(pytest.param(f, marks=slow) for f in ("xywh", "cxcywh"))]
)
def test_without_sizes_stride_and_format_are_found_by_how_boxes_fill_maps(rng, form):
    sizes = np.array([[480, 640]] * 3)
    for stride in (8, 32):
        maps = np.zeros((3, 1, 480 // stride, 640 // stride), np.float32)
        best = lucid.frame(maps, written(boxes_on(rng, sizes), form)).candidates[0]
        expected = {"stride": stride} | ({} if form == "xyxy" else {"boxes": form})
        assert (best.rank, best.arguments) == (1, expected)
        assert best.inside == pytest.approx(1)


def test_fractions_are_recognized(rng):
    sizes = np.array([[1, 1]] * 3)
    rows, maps = boxes_on(rng, sizes), np.zeros((3, 1, 30, 40), np.float32)
    best = lucid.frame(maps, rows).candidates[0]
    found = cells_under(None, maps, rows, best.arguments)
    np.testing.assert_allclose(found, rows[:, 1:] * [40, 30, 40, 30])
    best = lucid.frame(maps, rows, image_size=(480, 640)).candidates[0]
    assert best.arguments == {"normalized": True, "stride": 16}


def test_swapped_sizes_are_recognized(tmp_path, rng):
    rows = boxes_on(rng, SIZES)
    features = maps_of(tmp_path, SIZES, "short:800,1333", 16)
    best = lucid.frame(features, rows, image_size=SIZES[:, ::-1]).candidates[0]
    assert best.arguments == {"stride": 16, "resize": "short:800,1333"}
    assert "swapped" in best.note
    one = np.array([[480, 640]])
    best = lucid.frame(
        np.zeros((1, 1, 30, 40)), boxes_on(rng, one), image_size=(640, 480), stride=16
    )
    assert best.candidates[0].arguments == {"image_size": (480, 640)}


def test_what_is_given_is_held_fixed(rng):
    sizes = np.array([[480, 640]])
    maps, rows = np.zeros((1, 1, 30, 40), np.float32), written(boxes_on(rng, sizes), "xywh")
    for given in ({"boxes": "xyxy"}, {"stride": 8}, {"spatial_scale": 1 / 4, "boxes": "yxyx"}):
        report = lucid.frame(maps, rows, **given)
        for one in report.candidates:
            assert not one.arguments.keys() & given.keys()
            words = " ".join(one.options)
            assert all(f"--{name.replace('_', '-')} " in words for name in given)


def test_those_that_fit_alike_share_a_rank_and_a_hint_says_what_tells_them_apart(tmp_path, rng):
    features = maps_of(tmp_path, SIZES, "letterbox:640", 32, (20, 20))
    report = lucid.frame(features, boxes_on(rng, SIZES), image_size=SIZES)
    rules = {one.arguments.get("resize", "").partition(":")[0] for one in report.candidates}
    assert {"letterbox", "stretch", "long"} <= rules
    assert {one.rank for one in report.candidates[:3]} == {1}
    assert report.candidates[1].apart > 1
    assert "; reference, crops that" in report.hints[0]
    assert "--" not in str(report)
    assert " --reference, crops that" in " ".join(report.lines(60, "--{}".format))


# The command.


def test_the_command_prints_a_table_and_json_whose_options_extract_takes(files):
    done = run_here("frame", "--features", "f.npy", "--rois", "r.npy", text=True)
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) < 80
    done = run_here(
        "frame", "--features", "f.npy", "--rois", "r.npy", "--aligned", "--json", text=True
    )
    said = json.loads(done.stdout, parse_constant=pytest.fail)
    assert said["schema"] == 1
    best = said["candidates"][0]
    assert best["rank"] == 1
    assert best["options"][0] == "--aligned"
    done = run_here("extract", "--features", "f.npy", "--rois", "r.npy", *best["options"])
    assert done.returncode == 0


@pytest.mark.slow
def test_candidates_are_drawn(files):
    pytest.importorskip("matplotlib")
    done = run_here(
        "frame", "--features", "f.npy", "--rois", "r.npy", "--top", 2, "--pictures", "x-{n}.png"
    )
    assert done.returncode == 0
    assert sorted(path.name for path in files.path.glob("x-*.png")) == ["x-1.png", "x-2.png"]


def test_where_pictures_cannot_be_is_told_before_any_work(files):
    pytest.importorskip("matplotlib")
    words = ["frame", "--features", "f.npy", "--rois", "r.npy", "--pictures"]
    (files.path / "x-1.png").touch()
    for path, fact in (("x-{n}.png", "x-1.png exists"), ("no/{n}.png", "no directory no")):
        done = run_here(*words, path, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert fact in done.stderr
    drawn = run_here("preview", *words[1:-1], "-o", "no/x.png", text=True)
    assert (drawn.returncode, drawn.stdout) == (1, "")
    assert "for pictures in a folder, no/{n}.png" in run_here(*words, "no", text=True).stderr


def test_mistakes_are_told(files):
    for more in (
        ["--rois", "-"],
        ["--pictures", "x.png"],
        ["--pictures", "x-{n}.gif"],
        ["--images", "x.jpg"],
        ["--level", "f.npy"],
    ):
        done = run_here(
            "frame", "--features", "f.npy", *(["--rois", "r.npy"] * (more[0] != "--rois")), *more
        )
        assert done.returncode == 2
    with pytest.raises(RoiError, match="no box"):
        lucid.frame("f.npy", [[-1, 0, 0, 1, 1]])
    with pytest.raises(ShapeError, match="upright"):
        lucid.frame("f.npy", [[0, 0, 0, 1, 1, 30]], operator="roi-align-rotated")
