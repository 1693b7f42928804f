"""Maps whose axes are in any order, lists of tokens, and values of bfloat16: the same crops."""

import io
from itertools import permutations
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid import DTypeError, ShapeError
from lucid.models.utils import roi_align

ORDER = "nchw"


def crops_of(features, rois="r.npy", **options):
    options = {"spatial_scale": 1 / 16, "overwrite": True, **options}
    lucid.extract(features, rois, "c.npy", **options)
    return np.load("c.npy")


@pytest.fixture
def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


LAYOUTS = ["".join(order) for order in permutations(ORDER)]


@pytest.mark.parametrize(
    ("layout", "form"),
    [*((each, "npy") for each in LAYOUTS), *((each, "chunks") for each in LAYOUTS[1::7])],
)
def test_axes_in_any_order(files, expected, layout, form):
    array = files.features.transpose([ORDER.index(letter) for letter in layout])
    if form == "npy":
        np.save("a.npy", array)
    else:
        with h5py.File("a.npy", "w") as file:
            file.create_dataset("x", data=array, chunks=(2, 3, 4, 2))
    np.testing.assert_array_equal(crops_of("a.npy", layout=layout), expected)


@pytest.mark.parametrize("layout", ["nchw", "chw", "hwc", "cwhn", "wchn"])
@pytest.mark.parametrize("leading", [True, False])
def test_axes_of_a_map_per_image(files, expected, layout, leading):
    one = layout.replace("n", "")
    for image, alone in enumerate(files.features):
        array = alone.transpose(["chw".index(letter) for letter in one])
        axis = max(layout.find("n"), 0)
        np.save(f"{image}_.npy", np.expand_dims(array, axis) if leading else array)
    np.testing.assert_array_equal(crops_of("{id}_.npy", layout=layout), expected)


def test_a_map_alone_is_image_0(files):
    np.save("one.npy", files.features[3])
    boxes = files.rois * [0, 1, 1, 1, 1]
    np.save("boxes.npy", boxes)
    expected = roi_align(files.features[3:4], boxes, 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(crops_of("one.npy", "boxes.npy"), expected)
    np.save("last.npy", files.features[3].transpose(1, 2, 0))
    np.testing.assert_array_equal(crops_of("last.npy", "boxes.npy", layout="hwc"), expected)


TOKENS = ["nlc", "lc", "ncl", "cl", "lnc", "cln"]


def tokens(files, layout, skip):
    """Return maps as tokens, with some in front of those of the grid."""
    array = files.features.reshape(5, 6, -1)
    array = np.concatenate([np.full((5, 6, skip), 1e9, "f4"), array], axis=2)
    letters = layout if "n" in layout else f"n{layout}"
    return array.transpose(["ncl".index(letter) for letter in letters])


@pytest.mark.parametrize("layout", TOKENS)
@pytest.mark.parametrize(("form", "skip"), [("npy", 0), ("chunks", 5)])
def test_tokens_are_cells_row_by_row(files, expected, layout, form, skip):
    array = tokens(files, layout, skip)
    if form == "npy":
        np.save("a.npy", array)
    else:
        with h5py.File("a.npy", "w") as file:
            file.create_dataset("x", data=array, chunks=(2, 5, 4))
    crops = crops_of("a.npy", layout=layout, grid=(12, 17), skip_tokens=skip)
    np.testing.assert_array_equal(crops, expected)


@pytest.mark.parametrize("grid", ["g.npy", "g.h5::{id}_size", "12x17", np.full((5, 2), [12, 17])])
@pytest.mark.parametrize("layout", ["nlc", "cl"])
def test_tokens_per_image_and_their_grids(files, expected, grid, layout):
    np.save("g.npy", np.full((5, 2), [12, 17]))
    with h5py.File("g.h5", "w") as file, h5py.File("t.h5", "w") as maps:
        for image, array in enumerate(tokens(files, layout, 1)):
            file[f"img{image}_size"] = [[12, 17]]
            maps[f"img{image}_grids"] = array
    crops = crops_of("t.h5::{id}_grids", layout=layout, grid=grid, skip_tokens=1)
    np.testing.assert_array_equal(crops, expected)


@pytest.mark.parametrize("packed", [True, False])
def test_grids_that_differ_though_they_have_as_many_cells(files, packed):
    """In one array, of which a chunk has several images."""
    grids = np.array([[12, 17], [17, 12], [4, 51], [204, 1], [12, 17]])
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("x", data=tokens(files, "nlc", 0), chunks=(2, 50, 6) * packed or None)
    crops = crops_of("a.h5", layout="nlc", grid=grids)
    for image, (height, width) in enumerate(grids):
        mine = files.rois[:, 0] == image
        alone = files.features[image].reshape(1, 6, height, width)
        boxes = files.rois[mine] * [0, 1, 1, 1, 1]
        np.testing.assert_array_equal(crops[mine], roi_align(alone, boxes, 7, 1 / 16))


def test_little_memory_reads_parts_of_tokens(files, tuned):
    whole = np.random.default_rng(0).random((1, 6, 300, 200), "f4")
    np.save("a.npy", whole.reshape(1, 6, -1).transpose(0, 2, 1))
    rois = np.c_[np.zeros(40), np.random.default_rng(1).uniform(0, 150, (40, 2)) @ np.eye(2, 4)]
    rois[:, 3:] = rois[:, 1:3] + 20
    np.save("b.npy", rois)
    tuned(slice_rows=7, slice_row_bytes=0, work_bytes=0, batch_rois=7)
    crops = crops_of("a.npy", "b.npy", layout="nlc", grid=(300, 200), memory=200_000,
                     spatial_scale=1)  # fmt: skip
    np.testing.assert_array_equal(crops, roi_align(whole, rois, 7))


@pytest.mark.parametrize("layout", ["nlc", "ncl"])
def test_tokens_can_be_piped_in(files, expected, layout):
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(tokens(files, layout, 1)))
    done = run_here("extract", "--features", "-", "--rois", "r.npy", "-o", "c.npy", "--layout",
                    layout, "--grid", "12x17", "--skip-tokens", 1, "--spatial-scale", "1/16",
                    stdin=stream.getvalue())  # fmt: skip
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load("c.npy"), expected)


def test_maps_that_do_not_come_one_after_the_other_cannot_be_piped_in(files):
    done = run_here("extract", "--features", "-", "--rois", "r.npy", "-o", "c.npy", "--layout",
                    "cwhn", stdin=Path("f.npy").read_bytes())  # fmt: skip
    assert done.returncode == 1
    assert b"has its images along axis 3, as layout cwhn says" in done.stderr


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 205, 6), {"grid": (12, 17)}, r"0 \+ 12 x 17 = 204 tokens, as .*, got 205 for image 0"),
        ((2, 205, 6), {"grid": 12, "skip_tokens": 1}, r"1 \+ 12 x 12 = 145 tokens, .* got 205"),
        ((2, 204, 6), {"grid": [[12, 17], [12, 18]]}, r"12 x 18 = 216 tokens, .* 204 for image 1"),
        ((2, 204, 6), {"grid": [[12, 17]] * 3}, "width for each of 2 images, got 3"),
        ((2, 204, 6), {"grid": np.array([12.5, 17])}, "whole numbers >= 1"),
        ((2, 204, 6), {"grid": np.array([0, 17])}, "whole numbers >= 1"),
        ((2, 204, 6), {"grid": np.array([12, 17, 1])}, "must have rows height, width"),
        ((2, 3, 204, 6), {"grid": 12}, r"must have shape \(N, L, C\), got \(2, 3, 204, 6\)"),
        ((2, 3, 6, 4, 4), {"layout": "nchw"}, r"\(N, C, H, W\), got .* for images, such as array."),
        ((6, 4), {"layout": "nhwc"}, r"must have shape \(N, H, W, C\), got \(6, 4\)"),
    ],
)
def test_what_does_not_fit_shows_both_numbers(files, shape, options, message):
    np.save("a.npy", np.zeros(shape, "f4"))
    with pytest.raises(ShapeError, match=message):
        crops_of("a.npy", **{"layout": "nlc", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "nlc"}, "layout with l for tokens needs grid: HxW"),
        ({"grid": 7}, "grid and skip_tokens are for tokens: layout nlc, lc, ncl or cl"),
        ({"skip_tokens": 1}, "grid and skip_tokens are for tokens"),
        ({"layout": "nchwl"}, "layout must have the letters"),
        ({"layout": "nlc", "grid": (7, 0)}, "grid must be"),
        ({"layout": "nlc", "grid": 7, "skip_tokens": -1}, "skip_tokens must be at least 0"),
        ({"features_dtype": "float8"}, "features_dtype must be one of bfloat16"),
    ],
)
def test_options_that_say_nothing_together_are_refused(files, options, message):
    with pytest.raises(ValueError, match=message):
        crops_of("f.npy", **options)


@pytest.mark.parametrize("form", ["npy", "per image", "HDF5", "chunks"])
def test_bfloat16_without_a_name(files, form):
    halves = (files.features.view("u4") >> 16).astype("<u2")
    wide = (halves.astype("u4") << 16).view("f4")
    spec, opaque = "a.npy", halves.view("V2")
    if form == "npy":
        np.save(spec, opaque)
    elif form == "per image":
        spec = "{id}_.npy"
        for image in range(5):
            np.save(f"{image}_.npy", opaque[image])
    else:
        with h5py.File(spec, "w") as file:
            file.create_dataset("x", data=opaque, chunks=(2, 3, 4, 5) if form == "chunks" else None)
    with pytest.raises((DTypeError, lucid.SourceError)):
        crops_of(spec)
    report = lucid.extract(spec, "r.npy", "c.npy", spatial_scale=1 / 16, features_dtype="bfloat16")
    assert report.features_dtype == "bfloat16"
    crops = np.load("c.npy")
    assert crops.dtype == np.float32
    np.testing.assert_array_equal(crops, roi_align(wide, files.rois, 7, spatial_scale=1 / 16))


def test_values_without_a_type_are_refused_with_what_they_may_be(files):
    np.save("a.npy", np.zeros((1, 2, 3, 4), "V2"))
    with pytest.raises(DTypeError, match="got .V2; if they are bfloat16, pass features_dtype='bf"):
        crops_of("a.npy")
    with h5py.File("a.h5", "w") as file:
        file["maps"] = np.zeros((1, 2, 3, 4), "V2")
    with pytest.raises(DTypeError, match="a.h5::maps .*; if they are bfloat16, pass features_dt"):
        crops_of("a.h5")
