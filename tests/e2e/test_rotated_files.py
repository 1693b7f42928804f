"""Rotated boxes as files have them: columns, four corners, tables, a file of each image."""

from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid.models.utils import MultiScaleROIAlign, roi_align_3d, roi_align_rotated

ROTATED = {"operator": "roi-align-rotated", "output_size": 3}
CORNERS = ROTATED | {"boxes": "corners8"}


@pytest.fixture
def turned(tmp_path, monkeypatch, rng):
    """Write two maps and 30 rotated boxes in order of their images; return boxes and crops."""
    monkeypatch.chdir(tmp_path)
    features = rng.standard_normal((2, 4, 20, 30), np.float32)
    np.save("f.npy", features)
    Path("maps").mkdir()
    for image, one in enumerate(features):
        np.save(f"maps/map{image}.npy", one)
    image = np.sort(rng.integers(0, 2, 30))
    sides, angle = rng.uniform(1, 12, (30, 2)), rng.integers(-180, 180, 30)
    rows = np.column_stack([image, rng.uniform(2, 25, (30, 2)), sides, angle]).round(3)
    rows[:4, 5] = [0, 90, 180, -90]
    return rows, roi_align_rotated(features, rows, 3)


def corners_of(rows):
    """Return corners clockwise from the object's own top left, (K, 8), as one walks there."""
    found = []
    for _, cx, cy, w, h, angle in rows:
        turn = np.exp(-1j * np.radians(angle))  # y points down: against the clock is upwards
        walk = [complex(x * w, y * h) / 2 for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        at = [complex(cx, cy) + step * turn for step in walk]
        found.append([part for one in at for part in (one.real, one.imag)])
    return np.array(found)


def crops_of(rois, features="f.npy", **options):
    lucid.extract(features, rois, "c.npz", overwrite=True, **options)
    return np.load("c.npz")["crops"]


@pytest.mark.parametrize(
    "unit", [{}, {"clockwise": True}, {"angle": "radians"}, {"angle": "radians", "clockwise": True}]
)
def test_four_corners_are_the_box_that_they_are_of(turned, unit):
    rows, expected = turned
    np.save("c.npy", np.column_stack([rows[:, 0], corners_of(rows)]))
    np.testing.assert_allclose(crops_of("c.npy", **CORNERS, **unit), expected, atol=2e-6)
    found = np.load("c.npz")["rois"]
    np.testing.assert_allclose(found[:, :5], rows[:, :5], atol=1e-12)
    angle = np.degrees(found[:, 5]) if "angle" in unit else found[:, 5]
    turn = (-1 if "clockwise" in unit else 1) * angle - rows[:, 5]
    np.testing.assert_allclose(np.exp(1j * np.radians(turn)), 1, atol=1e-12)
    if not unit:
        np.testing.assert_array_equal(abs(found[:4, 5]), [0, 90, 180, 90])


def test_boxes_are_expanded_and_pooled_on_the_level_that_suits_them(turned):
    rows, _ = turned
    options = {"mode": "max", "outside": "renormalize", "expand": 1.5}
    features = np.load("f.npy")
    found = crops_of(rows, **ROTATED, **options)
    np.testing.assert_array_equal(found, roi_align_rotated(features, rows, 3, **options))
    maps, scales = [features, np.ascontiguousarray(features[:, :, ::2, ::2])], [1, 0.5]
    options = {"mode": "max", "outside": "renormalize"}
    pyramid = MultiScaleROIAlign(
        3, pooler="roi-align-rotated", aligned=None, canonical_level=1, canonical_scale=6, **options
    )
    levels = list(zip(scales, maps, strict=True))
    found = crops_of(rows, None, **ROTATED, **options, level=levels, canonical=(1, 6))
    np.testing.assert_array_equal(found, pyramid(maps, rows, scales))
    assert set(np.load("c.npz")["levels"]) == {0, 1}


def test_sides_of_corners_that_are_no_rectangle_are_means(turned):
    crooked = [[0, 0, 0, 10, 0, 12, 6, 0, 4.0]]
    crops_of(np.array(crooked), **CORNERS)
    w, h = (10 + np.hypot(12, 2)) / 2, (np.hypot(2, 6) + 4) / 2
    np.testing.assert_allclose(np.load("c.npz")["rois"], [[0, 5.5, 2.5, w, h, 0]])


def test_images_may_be_told_beside_corners_and_boxes_come_image_by_image(turned):
    rows, expected = turned
    corners, image = corners_of(rows), rows[:, 0].astype(int)
    counts = np.bincount(image)
    parts = np.split(corners, counts.cumsum()[:-1])
    for rois, more in (
        (corners, {"batch_index": image}),
        (corners, {"box_counts": counts}),
        (parts, {}),
    ):
        np.testing.assert_allclose(crops_of(rois, **CORNERS, **more), expected, atol=2e-6)
    found = crops_of(np.split(rows[:, 1:], counts.cumsum()[:-1]), **ROTATED)
    np.testing.assert_array_equal(found, expected)
    padded = np.zeros((2, counts.max(), 5))
    for one, own in zip(padded, np.split(rows[:, 1:], counts.cumsum()[:-1]), strict=True):
        one[: len(own)] = own
    np.testing.assert_array_equal(crops_of(padded, **ROTATED, box_counts=counts), expected)


def written(rows, folder, suffix, line="{}"):
    """Write the boxes of each image to a file of its own; return how they are named."""
    Path(folder).mkdir()
    for image in (0, 1):
        own, path = rows[rows[:, 0] == image, 1:], Path(folder, f"map{image}{suffix}")
        if suffix == ".npy":
            np.save(path, own)
        else:
            text = [line.format(" ".join(map(repr, row.tolist()))) for row in own]
            path.write_text("\n".join(text))
    return f"{folder}/{{id}}{suffix}"


def test_a_file_of_each_image_holds_boxes_or_corners(turned):
    rows, expected = turned
    corners = np.column_stack([rows[:, 0], corners_of(rows)])
    each = {"features": "maps/{id}.npy"}
    np.testing.assert_array_equal(
        crops_of(written(rows, "boxes", ".npy"), **ROTATED, **each), expected
    )
    for name, more in (
        (written(corners, "corners", ".npy"), {}),
        (
            written(corners, "aerial", ".txt", "{} large-vehicle 0"),
            {"columns": "x1,y1,x2,y2,x3,y3,x4,y4"},
        ),
    ):
        np.testing.assert_allclose(crops_of(name, **CORNERS, **each, **more), expected, atol=2e-6)


def test_texts_of_aerial_sets_may_begin_with_remarks(turned):
    rows, expected = turned
    corners = np.column_stack([rows[:, 0], corners_of(rows)])
    spec = written(corners, "labels", ".txt", "{} plane 1")
    for path in Path("labels").iterdir():
        path.write_text("imagesource:GoogleEarth\ngsd:0.146\n" + path.read_text())
    columns = "x1,y1,x2,y2,x3,y3,x4,y4"
    found = crops_of(spec, "maps/{id}.npy", **CORNERS, columns=columns)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_fractions_become_pixels_before_corners_become_boxes(turned):
    rows, expected = turned
    size = (40, 90)  # other than square, which would turn boxes
    fractions = corners_of(rows) / np.tile(size[::-1], 4)
    spec = written(np.column_stack([rows[:, 0], fractions]), "yolo", ".txt", "3 {}")
    columns = "-,x1,y1,x2,y2,x3,y3,x4,y4"
    options = {"normalized": True, "image_size": size, "columns": columns}
    np.testing.assert_allclose(
        crops_of(spec, "maps/{id}.npy", **CORNERS, **options), expected, atol=2e-6
    )


def test_tables_name_the_columns_of_rotated_boxes(turned):
    rows, expected = turned
    lines = [",".join(map(repr, row.tolist())) for row in rows]
    Path("b.csv").write_text("\n".join(["batch_index,cx,cy,w,h,theta", *lines]))
    np.testing.assert_array_equal(crops_of("b.csv", **ROTATED), expected)
    Path("other.csv").write_text("\n".join(["photo,mx,my,b,h,turn", *lines]))
    columns = "image=photo,cx=mx,cy=my,w=b,h=h,angle=turn"
    found = crops_of("other.csv", **ROTATED, columns=columns, index_by="position")
    np.testing.assert_array_equal(found, expected)
    names = ("batch_index", "cx", "cy", "w", "h", "angle")
    np.save("records.npy", np.rec.fromarrays(rows.T, names=",".join(names)))
    np.testing.assert_array_equal(crops_of("records.npy", **ROTATED), expected)
    np.save("wide.npy", np.insert(rows, 3, 7.0, axis=1))  # a column more
    found = crops_of("wide.npy", **ROTATED, columns="image,cx,cy,-,w,h,angle")
    np.testing.assert_array_equal(found, expected)


def test_tables_name_the_columns_of_boxes_of_volumes(turned):
    volumes = np.arange(2 * 60.0).reshape(2, 1, 3, 4, 5)
    Path("v.csv").write_text("batch_index,z1,y1,x1,z2,y2,x2\n1,0,1,2,2,3,4\n0,1,1,1,2,2,2\n")
    expected = roi_align_3d(volumes, [[1, 2, 1, 0, 4, 3, 2], [0, 1, 1, 1, 2, 2, 2]], 2)
    found = crops_of("v.csv", volumes, operator="roi-align-3d", output_size=2)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": "corners8", "operator": "roi-align"}, "corners8 are rotated"),
        ({"boxes": "corners8", "operator": "roi-align-3d"}, "corners8 are rotated"),
        ({"boxes": "cxcywh"}, "takes boxes of cx, cy, w, h, angle; boxes cxcywh are upright"),
        ({"normalized": True, "image_size": 9}, "normalized is for upright ones and for boxes cor"),
        ({"rois": "coco.json"}, "and rois in COCO's JSON are upright"),
        ({"spatial_scale": (1, 2)}, "spatial_scale must be one number for operator roi-align-rot"),
        ({"stride": (4, 8)}, "stride must be one number for operator roi-align-rotated: other"),
        ({"mode": "max", "sampling_ratio": float("inf")}, "inf means nothing to operator roi-al"),
        ({"max_samples": 2, "sampling_ratio": 2}, "sampling_ratio must be -1 with it, got 2"),
    ],
)
def test_formats_that_mean_nothing_are_refused_before_files_are_opened(options, message):
    arguments = {"features": "no.npy", "rois": "no.npy", "operator": "roi-align-rotated"}
    with pytest.raises(ValueError, match=message):
        lucid.extract(**arguments | options)


def test_files_of_other_boxes_are_named_with_their_columns(turned):
    rows, _ = turned
    for rois, options, message in (
        (rows, CORNERS, r"shape \(K, 9\) with columns \(batch_index, x1, y1, x2, y2, x3, y3, x4"),
        (rows[:, :5], ROTATED, r"\(K, 6\) with columns .*, or \(K, 5\) with batch_index,"),
        ([rows[:, :5], rows[:, :4]], ROTATED, r"boxes \(n, 5\) for each image, got \(30, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            crops_of(rois, **options)
    Path("b.csv").write_text("batch_index,cx,cy,w,h\n0,1,2,3,4\n")
    with pytest.raises(lucid.ShapeError, match="b.csv must have columns cx, cy, w, h, angle; its"):
        crops_of("b.csv", **ROTATED)
    spec = written(rows, "boxes", ".npy")
    with pytest.raises(lucid.ShapeError, match=r"the boxes \(n, 8\) of one image, got"):
        crops_of(spec, "maps/{id}.npy", **CORNERS)


@pytest.mark.slow
def test_only_what_rois_touch_of_an_aerial_map_is_read_within_the_memory(
    tmp_path, monkeypatch, rng
):
    import h5py
    from test_memory import peak_beyond_libraries

    from lucid.stream.read.maps import Maps

    monkeypatch.chdir(tmp_path)
    top, left, side = 2500, 1200, 400
    with h5py.File("f.h5", "w") as file:  # of 8 GB, most of which was never written
        shape, chunks = (1, 256, 4000, 4000), (1, 64, 16, 16)
        maps = file.create_dataset("map", shape, np.float16, chunks=chunks)
        part = rng.standard_normal((256, side, side)).astype(np.float16)
        maps[0, :, top : top + side, left : left + side] = part
    centre = np.concatenate(
        [
            np.array([left, top]) + rng.uniform(60, side - 60, (150, 2)),
            rng.uniform(0, 4000, (150, 2)),
        ]
    )
    sides, angle = rng.uniform(4, 60, (300, 2)), rng.uniform(-180, 180, 300)
    rois = np.column_stack([np.zeros(300), centre, sides, angle])
    with h5py.File("r.h5", "w") as file:
        file["rois"] = rois
    options = "operator='roi-align-rotated', output_size=7"
    assert peak_beyond_libraries("map", "256M", options) < 256 << 20
    moved = rois[:150] - [0, left, top, 0, 0, 0]
    expected = roi_align_rotated(part[None].astype(np.float32), moved, 7)
    np.testing.assert_allclose(np.load("c.npy")[:150], expected, atol=2e-3)
    windows, read = [], Maps.read
    monkeypatch.setattr(
        Maps,
        "read",
        lambda maps, image, window: windows.append(window) or read(maps, image, window),
    )
    lucid.extract("f.h5::map", rois, "c.npy", overwrite=True, memory="256M", **ROTATED)
    cells = sum(np.prod([side.stop - side.start for side in window]) for window in windows)
    radius = np.hypot(*sides.T) / 2 + 2
    assert cells < 2 * (4 * radius**2).sum()
