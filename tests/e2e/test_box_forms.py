"""Boxes whose images are said by counts, ranges or lists, and rows that hold no image at all."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import FrameWarning, RoiError, ShapeError
from lucid.models.utils import roi_align


@pytest.fixture
def flat(files):
    """Boxes in the order of their images, of which image 3 has none."""
    files.rois[files.rois[:, 0] == 3, 0] = 1
    files.rois = files.rois[np.argsort(files.rois[:, 0], kind="stable")]
    files.counts = np.bincount(files.rois[:, 0].astype(int), minlength=5)
    files.last = np.cumsum(files.counts) - 1
    files.first = files.last - files.counts + 1
    np.save("b.npy", files.rois[:, 1:])
    np.save("counts.npy", files.counts)
    return files


def crops_of(rois, **options):
    options = {"features": "f.npy", "spatial_scale": 1 / 16, "overwrite": True} | options
    lucid.extract(options.pop("features"), rois, "c.npy", **options)
    return np.load("c.npy")


def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


@pytest.mark.parametrize("form", [(-1,), (-1, 1)])
def test_counts_cut_boxes_that_follow_each_other(flat, form):
    np.save("counts.npy", flat.counts.reshape(form).astype(np.uint16))
    np.testing.assert_array_equal(crops_of("b.npy", box_counts="counts.npy"), expected(flat))


def test_ranges_may_end_with_their_last_box_and_lie_in_two_datasets(flat):
    first, last = flat.first.copy(), flat.last.copy()
    with h5py.File("b.h5", "w") as file:
        file["boxes"] = flat.rois[:, 1:]
        for none in ((-1, -1), (5, 4), (-1, 3)):
            first[3], last[3] = none
            for name, values in (("first", first), ("last", last), ("end", flat.last + 1)):
                file.pop(name, None)
                file[name] = values.astype(np.int32)
            file.flush()
            np.save("ranges.npy", np.c_[first, last])
            for ranges in ("b.h5::first,last", "ranges.npy"):
                crops = crops_of("b.npy", box_ranges=ranges, box_ranges_inclusive=True)
                np.testing.assert_array_equal(crops, expected(flat))
        file["first"][:] = flat.first
        file.flush()
        crops = crops_of("b.npy", box_ranges="b.h5::first,end")
        np.testing.assert_array_equal(crops, expected(flat))


def test_an_output_records_both_datasets_of_ranges(flat):
    with h5py.File("b.h5", "w") as file:
        file["first"], file["last"] = flat.first, flat.last
        file["other"] = flat.first
    options = {"box_ranges_inclusive": True, "spatial_scale": 1 / 16}
    lucid.extract("f.npy", "b.npy", "c.h5", box_ranges="b.h5::first,last", **options)
    with h5py.File("c.h5") as file:
        assert file["crops"].attrs["box_ranges_dataset"] == "first,last"
        assert file["crops"].attrs["box_ranges_inclusive"]
    with pytest.raises(lucid.SinkError, match="box_ranges_dataset first,last, not other,last"):
        lucid.extract(
            "f.npy", "b.npy", "c.h5", box_ranges="b.h5::other,last", resume=True, **options
        )


def test_ranges_that_are_inclusive_are_told_by_what_they_leave_out(flat):
    np.save("ranges.npy", np.c_[flat.first, np.maximum(flat.last, flat.first)])
    with pytest.raises(RoiError, match="a box in no range .* pass box_ranges_inclusive"):
        crops_of("b.npy", box_ranges="ranges.npy")
    np.save("ranges.npy", np.c_[flat.first, np.where(flat.counts, flat.last, -1)])
    with pytest.raises(ShapeError, match="whole numbers >= 0, got .* -1 is for box_ranges_incl"):
        crops_of("b.npy", box_ranges="ranges.npy")
    with pytest.raises(ValueError, match="box_ranges_inclusive needs box_ranges"):
        crops_of("b.npy", box_ranges_inclusive=True)


def test_a_list_of_arrays_has_the_boxes_of_each_image(flat):
    parts = [flat.rois[flat.rois[:, 0] == image, 1:] for image in range(5)]
    wanted = expected(flat)
    np.testing.assert_array_equal(crops_of(parts), wanted)
    np.testing.assert_array_equal(crops_of([part.tolist() for part in parts]), wanted)
    np.testing.assert_array_equal(crops_of([lucid.Tensor(part) for part in parts]), wanted)
    alike = [flat.rois[:3, 1:]] * 5
    np.testing.assert_array_equal(crops_of(alike), crops_of(np.array(alike)))


def test_a_list_of_rows_stays_a_table(flat):
    wanted = roi_align(flat.features, [[0, 4, 4, 24, 24]], 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(crops_of([[0, 4, 4, 24, 24]]), wanted)
    np.testing.assert_array_equal(crops_of([np.array([0, 4, 4, 24, 24])]), wanted)
    assert crops_of([]).shape == crops_of([[]] * 5).shape == (0, 6, 7, 7)


def test_boxes_of_one_image_need_not_say_it(flat):
    boxes, wanted = flat.rois[:, 1:], flat.rois * [0, 1, 1, 1, 1]
    wanted = roi_align(flat.features[:1], wanted, 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(crops_of(boxes, features=flat.features[:1]), wanted)


def test_a_list_that_does_not_fit_is_refused(flat):
    with pytest.raises(ValueError, match=r"boxes \(n, 4\) for each image, got \(2, 5\)"):
        crops_of([np.zeros((2, 5))])
    with pytest.raises(ShapeError, match="must have a row for each of 5 images, got 2"):
        crops_of([np.zeros((2, 4))] * 2)
    with pytest.raises(ValueError, match="contradict each other"):
        crops_of([np.zeros((2, 4))] * 5, batch_index="counts.npy")


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("chunks", [None, (2, 3, 4)])
def test_padding_without_counts_is_warned_of(flat, value, chunks):
    padded = np.full((5, 20, 4), float(value))
    padded[:, :7] = [10, 10, 90, 80]
    padded[4] = [10, 10, 90, 80]
    with h5py.File("p.h5", "w") as file:
        file.create_dataset("boxes", data=padded, chunks=chunks)
    with pytest.warns(FrameWarning, match="of 4 of 5 images are all 0 or all -1, .* box_counts"):
        assert len(crops_of("p.h5")) == 100
    with pytest.raises(lucid.LucidError, match="pass box_counts"):
        crops_of("p.h5", strict=True)
    np.save("counts.npy", [7, 7, 7, 7, 20])
    assert len(crops_of("p.h5", box_counts="counts.npy", strict=True)) == 48


def five_columns(rng, last):
    """Rows x1, y1, x2, y2 and something else, in whole pixels."""
    corner, size = rng.integers(0, 90, (60, 2)), rng.integers(30, 100, (60, 2))
    return np.column_stack([corner, corner + size, last(size)])


@pytest.mark.parametrize("invalid", ["raise", "zero"])
@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("an area", lambda size: size.prod(axis=1)),
        ("an area", lambda size: (size.prod(axis=1) * 0.6).round(1)),
        ("an area", lambda size: (size + 1).prod(axis=1)),
        ("a class", lambda size: np.arange(60) * 26),
        ("a class", lambda size: np.arange(60)),
        ("a score", lambda size: np.linspace(0.2, 1, 60)),
    ],
)
def test_five_columns_without_an_image_are_refused_by_what_the_last_holds(
    files, rng, kind, last, invalid
):
    np.save("many.npy", np.zeros((700, 1, 12, 15), np.float32))
    np.save("t.npy", five_columns(rng, last))
    message = f"t.npy: rows seem to be x1, y1, x2, y2 and {kind}, not batch_index"
    with pytest.raises(RoiError, match=message) as caught:
        crops_of("t.npy", features="many.npy", invalid=invalid)
    assert "pass columns='x1,y1,x2,y2' and the image of each box by" in str(caught.value)


def test_the_way_out_of_five_columns_works(files, rng):
    rows = five_columns(rng, lambda size: size.prod(axis=1)).astype(float)
    np.save("t.npy", rows)
    np.save("i.npy", np.arange(60) % 5)
    wanted = np.c_[np.arange(60) % 5, rows[:, :4]]
    np.testing.assert_array_equal(
        crops_of("t.npy", columns="x1,y1,x2,y2", batch_index="i.npy"),
        roi_align(files.features, wanted, 7, spatial_scale=1 / 16),
    )


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_rows_that_have_an_image_are_not_taken_for_others(files, rng, order):
    np.save("many.npy", np.zeros((300, 1, 12, 15), np.float32))
    for _ in range(5):
        corner, size = rng.uniform(0, 90, (60, 2)), rng.uniform(1, 100, (60, 2))
        index = np.sort(rng.integers(0, 300, 60)) if order == "sorted" else rng.permutation(60)
        rois = np.c_[index, corner, corner + size]
        assert len(crops_of(rois, features="many.npy")) == 60


def test_ids_in_the_first_column_are_not_taken_for_boxes(files):
    np.save("t.npy", np.add(files.rois, [1000, 0, 0, 0, 0]))
    with pytest.raises(RoiError, match="if images are named by ids, pass these"):
        crops_of("t.npy")
    Path("ids.txt").write_text("\n".join(map(str, [1000, 1001, 1002, 1003, 7])))
    with pytest.raises(RoiError, match=r"of 5 such numbers are ids of images, which index_by='id'"):
        crops_of("t.npy", ids="ids.txt")


SIZES = np.array([[100, 200], [300, 250], [80, 80], [120, 60], [77, 99]])


@pytest.mark.parametrize(
    ("name", "spec", "header", "columns"),
    [
        ("s.csv", "s.csv", "height,width", (0, 1)),
        ("s.csv", "s.csv", "image_w,image_h", (1, 0)),
        ("s.csv", "s.csv::height,width", "width,height", (1, 0)),
        ("s.csv", "s.csv::width,height", "width,height", (1, 0)),
        ("s.csv", "s.csv::b,a", "a,b", (1, 0)),
        ("s.tsv", "s.tsv::rows,cols", "cols\trows", (1, 0)),
        ("s.txt", "s.txt", None, (0, 1)),
    ],
)
def test_sizes_of_images_may_be_columns_of_a_table(files, name, spec, header, columns):
    fractions = files.rois / np.c_[np.ones(60), SIZES[files.rois[:, 0].astype(int)][:, [1, 0] * 2]]
    mark = {".csv": ",", ".tsv": "\t"}.get(name[1:], " ")
    rows = np.empty_like(SIZES)
    rows[:, list(columns)] = SIZES
    lines = [mark.join(map(str, row)) for row in rows]
    Path(name).write_text("\n".join([*([header] if header else []), *lines]))
    crops = crops_of(fractions, normalized=True, image_size=spec)
    wanted = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    np.testing.assert_allclose(crops, wanted, atol=1e-5)


def test_an_inclusive_range_that_goes_backward_is_refused(flat):
    ranges = np.column_stack([flat.first, flat.last])
    options = {"box_ranges": "ranges.npy", "box_ranges_inclusive": True}
    for none in ([-1, -1], [-1, 4], [4, -1], [9, 8]):  # of image 3
        ranges[3] = none
        np.save("ranges.npy", ranges)
        np.testing.assert_array_equal(crops_of("b.npy", **options), expected(flat))
    ranges[3] = 5, 3
    np.save("ranges.npy", ranges)
    with pytest.raises(ShapeError, match=r"or -1 for none, got \[5, 3\] at row 3"):
        crops_of("b.npy", **options)


@pytest.mark.parametrize("spec", ["s.h5::h,w", "s.h5::image_w,image_h", "s.h5::rows, cols"])
def test_sizes_of_images_may_be_two_datasets(files, spec):
    fractions = files.rois / np.c_[np.ones(60), SIZES[files.rois[:, 0].astype(int)][:, [1, 0] * 2]]
    with h5py.File("s.h5", "w") as file:
        for height, width in (("h", "w"), ("image_h", "image_w"), ("rows", "cols")):
            file[height], file[width] = SIZES[:, 0], SIZES[:, 1, None]
    crops = crops_of(fractions, normalized=True, image_size=spec)
    wanted = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    np.testing.assert_allclose(crops, wanted, atol=1e-5)
    with pytest.raises(ShapeError, match=r"s.h5::h must have a row for each of 1 images, got 5"):
        crops_of(fractions[:1], features=files.features[:1], image_size="s.h5::h,w")


@pytest.mark.parametrize(
    ("header", "refused"),
    [
        ("image_index,x,y,w,h", "w, h|h, w"),
        ("image_index,left,top,width,height", "height, width"),
        ("image_index,x1,y1,x2,y2,w,h", "h, w"),
        ("image_index,x1,y1,x2,y2,width,height", ""),
        ("image_index,x,y,w,h,image_w,image_h", ""),
    ],
)
def test_sizes_that_may_be_those_of_boxes_are_refused(files, header, refused):
    values = {"image_index": 0, "width": 272, "height": 192, "image_w": 272, "image_h": 192}
    row = [str(values.get(name, 5)) for name in header.split(",")]
    Path("b.csv").write_text(f"{header}\n{','.join(row)}\n")
    job = {"rois": [[0, 0.1, 0.1, 0.5, 0.5]], "normalized": True, "features": files.features[:1]}
    if not refused:
        wanted = crops_of(**job, image_size=(192, 272))
        np.testing.assert_array_equal(crops_of(**job, image_size="b.csv"), wanted)
        return
    with pytest.raises(ShapeError, match=f"b.csv has columns ({refused}) beside those of a box"):
        crops_of(**job, image_size="b.csv")
    named = ",".join(refused.split("|")[-1].split(", "))
    assert crops_of(**job, image_size=f"b.csv::{named}").shape[0] == 1


def test_sizes_go_to_images_by_a_column_of_ids(files):
    fractions = files.rois / np.c_[np.ones(60), SIZES[files.rois[:, 0].astype(int)][:, [1, 0] * 2]]
    ids = ["c.jpg", "a.jpg", "e.jpg", "b.jpg", "d.jpg"]
    Path("ids.txt").write_text("\n".join(ids))
    order = [4, 2, 0, 1, 3, 4]  # one twice, as in a table of boxes
    lines = [f"{ids[k]},{SIZES[k, 1]},{SIZES[k, 0]}" for k in order]
    Path("s.csv").write_text("\n".join(["filename,width,height", *lines]))
    crops = crops_of(fractions, normalized=True, image_size="s.csv", ids="ids.txt")
    wanted = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    np.testing.assert_allclose(crops, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        ("a,b\n1,2\n", "s.csv", "must have columns height and width; say which they are as"),
        ("a,b\n1,2\n", "s.csv::a,c", "s.csv has no columns 'a,c'; it has a, b"),
        ("height,width\n1,2\n", "s.csv", "must have a size for each of 5 images, .* got 1 rows"),
        ("height,width\n1,0\n", "s.csv", "s.csv must hold sizes above 0"),
        ("height,width\n1,x\n", "s.csv", "line 2 is not a size: "),
        ("height,width\n1\n", "s.csv", "line 2 is not a size: "),
        ("id,height,width\n7,1,1\n", "s.csv", "sizes of images by id; pass ids"),
        ("id,height,width\n7,1,1\n7,1,2\n", "s.csv", "s.csv has two sizes of image 7"),
        ("", "s.csv", "s.csv is empty"),
    ],
)
def test_tables_without_sizes_are_refused(files, text, spec, message):
    Path("s.csv").write_text(text)
    with pytest.raises(lucid.LucidError, match=message):
        crops_of("r.npy", normalized=True, image_size=spec)
