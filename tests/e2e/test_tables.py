"""RoIs in tables: columns have names, or are named by hand; images are positions or ids."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import DTypeError, FrameWarning, RoiError, ShapeError, SourceError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays

IDS = ["val_7.jpg", "val_3.jpg", "val_11.jpg", "val_12.jpg", "val_5.jpg"]
NUMBERS = np.array([7, 3, 11, 12, 5])


@pytest.fixture
def named(files):
    """The maps with ids beside them, and the RoIs as records."""
    Path("ids.txt").write_text("\n".join(IDS))
    return files


@pytest.fixture
def frames(named):
    """What writes the RoIs by pandas, as people do."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")

    def write(name, by_name=True, **options):
        columns = dict(zip(["x1", "y1", "x2", "y2"], named.rois[:, 1:].T, strict=True))
        index = named.rois[:, 0].astype(int)
        first = {"image_id": np.array(IDS)[index]} if by_name else {"batch_index": index}
        frame = pandas.DataFrame(first | columns | {"id": np.arange(60) + 100})
        with warnings.catch_warnings(action="ignore"):  # of texts that are pickled
            frame.to_hdf(name, key="all/boxes", mode="w", **options)

    return write


def records(rois, first="batch_index", form=("x1", "y1", "x2", "y2"), images=None):
    """Return RoIs as records of differing kinds, with a column that nobody needs."""
    images = rois[:, 0] if images is None else images
    kinds = ("f8", "f8", "f8", ">f8")
    fields = [
        ("label", "S5"), (first, images.dtype), ("id", "u2"), *zip(form, kinds, strict=True)
    ]  # fmt: skip
    table = np.zeros(len(rois), fields)
    table[first], table["id"] = images, np.arange(len(rois)) + 100
    for name, column in zip(form, rois[:, 1:].T, strict=True):
        table[name] = column
    return table


def crops_of(rois, **options):
    options = {"features": "f.npy", "spatial_scale": 1 / 16, "overwrite": True} | options
    lucid.extract(options.pop("features"), rois, "c.npy", **options)
    return np.load("c.npy")


def expected(files, rows=slice(None)):
    return roi_align(files.features, files.rois[rows], 7, spatial_scale=1 / 16)


def own_ids(rois, **options):
    lucid.extract("f.npy", rois, "c.h5", spatial_scale=1 / 16, overwrite=True, **options)
    with h5py.File("c.h5") as file:
        return file["roi_ids"][:]


@pytest.mark.parametrize("chunks", [None, 7])
def test_records_are_tables_by_the_names_of_their_fields(named, chunks):
    table = records(named.rois)
    np.save("t.npy", table)
    with h5py.File("t.h5", "w") as file:
        file.create_dataset("deep/table", data=table, chunks=chunks)
        file["values"] = np.zeros((3, 2))
    wanted = expected(named)
    for rois in ("t.npy", "t.h5", "t.h5::deep/table", table):
        np.testing.assert_array_equal(crops_of(rois), wanted)
        assert own_ids(rois).tolist() == list(range(100, 160))


@pytest.mark.usefixtures("helpers_are_threads")
def test_records_are_read_in_slices_by_each_process(named, tuned):
    tuned(slice_rows=7)
    np.save("t.npy", records(named.rois, "image_id", images=NUMBERS[named.rois[:, 0].astype(int)]))
    np.testing.assert_array_equal(crops_of("t.npy", ids="ids.txt", jobs=2), expected(named))


def test_fields_may_be_corner_and_size_and_be_named_by_hand(named):
    rois = named.rois.copy()
    rois[:, 3:] -= rois[:, 1:3]
    np.save("t.npy", records(rois, form=("left", "top", "width", "height")))
    np.testing.assert_allclose(crops_of("t.npy"), expected(named), atol=1e-5)
    np.save("t.npy", records(rois, "picture", form=("a", "b", "c", "d")))
    crops = crops_of("t.npy", columns="image=picture,x=a,y=b,w=c,h=d")
    np.testing.assert_allclose(crops, expected(named), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("by_name", [True, False])
def test_tables_of_pandas_are_read_by_the_names_of_their_columns(named, frames, by_name):
    frames("t.h5", by_name=by_name, format="table", data_columns=True)
    ids = "ids.txt" if by_name else None
    for rois in ("t.h5", "t.h5::all/boxes", "t.h5::all/boxes/table"):
        np.testing.assert_array_equal(crops_of(rois, ids=ids), expected(named))
    assert own_ids("t.h5", ids=ids).tolist() == list(range(100, 160))


def test_frames_of_pandas_in_the_fixed_format_are_tables_too(named, frames):
    frames("t.h5", by_name=False, format="fixed")
    with h5py.File("t.h5", "a") as file:
        file["features"] = named.features
    np.testing.assert_array_equal(crops_of("t.h5", features="t.h5"), expected(named))
    np.testing.assert_array_equal(crops_of("t.h5::all/boxes"), expected(named))
    assert [(info.dataset, info.roles) for info in list_arrays("t.h5")] == [
        ("all/boxes", ["rois"]),
        ("features", ["features"]),
    ]


def test_an_index_that_pandas_keeps_is_no_dataset_to_choose(named, frames):
    frames("t.h5", format="table", data_columns=True)
    assert [info.dataset for info in list_arrays("t.h5")] == ["all/boxes/table"]


@pytest.mark.parametrize("spec", ["t.h5", "t.h5::all/boxes"])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"format": "table"}, ShapeError, "a table of pandas without names of columns"),
        ({"format": "table", "data_columns": ["id"]}, ShapeError, "without names of columns"),
        ({"format": "fixed"}, (DTypeError, SourceError), "image_id"),
    ],
)
def test_tables_of_pandas_without_readable_columns_are_refused_with_the_recipe(
    named, frames, options, error, message, spec
):
    frames("t.h5", **options)
    with pytest.raises(error, match=message) as caught:
        crops_of(spec, ids="ids.txt")
    assert "format='table', data_columns=True" in str(caught.value)


def test_an_empty_frame_has_no_rois(named, frames):
    pandas = pytest.importorskip("pandas")
    empty = pandas.DataFrame({name: [] for name in ("batch_index", "x1", "y1", "x2", "y2")})
    empty.to_hdf("t.h5", key="boxes", format="fixed")
    assert crops_of("t.h5").shape == (0, 6, 7, 7)


def test_more_columns_need_to_be_named(named):
    more = np.c_[named.rois[:, 0], np.arange(60) + 100, named.rois[:, 1:], np.linspace(0, 1, 60)]
    np.save("t.npy", more)
    with pytest.raises(ShapeError, match=r"t.npy must have shape \(K, 5\) .* got \(60, 7\); say "):
        crops_of("t.npy")
    crops = crops_of("t.npy", columns="image,-,x1,y1,x2,y2")
    np.testing.assert_array_equal(crops, expected(named))
    assert own_ids("t.npy", columns="image,id,x1,y1,x2,y2").tolist() == list(range(100, 160))
    np.save("i.npy", named.rois[:, 0])
    crops = crops_of("t.npy", columns="-,-,x1,y1,x2,y2", batch_index="i.npy")
    np.testing.assert_array_equal(crops, expected(named))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("image,x1,y1,x2,y2,-,-,id", r"t.npy must have 8 columns, as columns says, got \(60, 7\)"),
        ("image=a,x1=b,y1=c,x2=d,y2=e", "t.npy has no column 'a'; it has no names"),
        ("image,x1,y1,x2", "t.npy must have columns x1, y1, x2, y2; or "),
    ],
)
def test_columns_that_an_array_has_not_are_refused(named, columns, message):
    np.save("t.npy", np.zeros((60, 7)))
    with pytest.raises(ShapeError, match=message):
        crops_of("t.npy", columns=columns)


def test_columns_of_yolo_are_named_by_hand(named):
    lines = []
    for x1, y1, x2, y2 in named.rois[:, 1:].tolist():
        centre = (x1 + x2) / 2 / 272, (y1 + y2) / 2 / 192
        lines.append(" ".join(map(str, [3, *centre, (x2 - x1) / 272, (y2 - y1) / 192])))
    Path("labels.txt").write_text("\n".join(lines))
    np.save("one.npy", named.features[:1])
    rois = named.rois * [0, 1, 1, 1, 1]
    crops = crops_of(
        "labels.txt", features="one.npy", columns="-,cx,cy,w,h", normalized=True,
        image_size="192x272",
    )  # fmt: skip
    wanted = roi_align(named.features[:1], rois, 7, spatial_scale=1 / 16)
    np.testing.assert_allclose(crops, wanted, atol=1e-5)


def by_number(files, name="t.npy"):
    np.save(name, np.c_[NUMBERS[files.rois[:, 0].astype(int)], files.rois[:, 1:]])


def test_numbers_that_can_only_be_ids_are_ids(named):
    by_number(named)
    report = lucid.extract("f.npy", "t.npy", "c.npy", ids="ids.txt", spatial_scale=1 / 16)
    assert report.ids_read == "as numbers"
    np.testing.assert_array_equal(np.load("c.npy"), expected(named))


def test_numbers_that_may_be_both_are_positions_with_a_warning(named):
    Path("ids.txt").write_text("\n".join("43210"))
    with pytest.warns(FrameWarning, match="positions and also ids: .* index_by='position' or"):
        crops = crops_of("r.npy", ids="ids.txt")
    np.testing.assert_array_equal(crops, expected(named))
    turned = named.rois * [-1, 1, 1, 1, 1] + [4, 0, 0, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", FrameWarning)
        crops = crops_of(turned, ids="ids.txt", index_by="id")
        np.testing.assert_array_equal(crops, expected(named))
        crops = crops_of("r.npy", ids="ids.txt", index_by="position")
        np.testing.assert_array_equal(crops, expected(named))
        Path("ids.txt").write_text("\n".join("01234"))  # both readings say the same
        np.testing.assert_array_equal(crops_of("r.npy", ids="ids.txt"), expected(named))


@pytest.mark.parametrize("kind", ["texts", "numbers", "vlen"])
def test_a_list_of_ids_says_the_images_of_boxes(named, kind):
    index = named.rois[:, 0].astype(int)
    np.save("b.npy", named.rois[:, 1:])
    np.save("texts.npy", np.array(IDS)[index])
    np.save("numbers.npy", NUMBERS[index].astype(np.uint8))
    with h5py.File("vlen.h5", "w") as file:
        file.create_dataset("batch_index", data=[IDS[k] for k in index], chunks=(7,))
    name = "vlen.h5" if kind == "vlen" else f"{kind}.npy"
    crops = crops_of("b.npy", batch_index=name, ids="ids.txt")
    np.testing.assert_array_equal(crops, expected(named))


def test_texts_are_no_positions(named):
    np.save("b.npy", named.rois[:, 1:])
    np.save("i.npy", np.array(IDS)[named.rois[:, 0].astype(int)])
    with pytest.raises(ShapeError, match="b.npy names images by texts, which are ids"):
        crops_of("b.npy", batch_index="i.npy", index_by="position", ids="ids.txt")
    with pytest.raises(RoiError, match=r"names images by id, such as 'val_\d+.jpg', and .* pass"):
        crops_of("b.npy", batch_index="i.npy")


def test_positions_in_a_table_of_text_may_be_asked_for(named):
    lines = ["image,x1,y1,x2,y2", *(",".join(map(str, row)) for row in named.rois.tolist())]
    Path("t.csv").write_text("\n".join(lines))
    with pytest.raises(RoiError, match=r"or index_by='position' if these"):
        crops_of("t.csv")
    np.testing.assert_array_equal(crops_of("t.csv", index_by="position"), expected(named))


@pytest.fixture(params=["array", "list", "text", "records"])
def partly(request, named, tuned):
    """RoIs of which those of one image name one that there is not; and the others' rows."""
    tuned(slice_rows=7, padded_boxes=11)
    index = named.rois[:, 0].astype(int)
    numbers = np.where(index == 2, 99, NUMBERS[index])
    np.save("b.npy", named.rois[:, 1:])
    np.save("i.npy", numbers)
    np.save("t.npy", np.c_[numbers, named.rois[:, 1:]])
    np.save("rec.npy", records(named.rois, "image_id", images=numbers))
    rows = [[one, *row] for one, row in zip(numbers, named.rois[:, 1:].tolist(), strict=True)]
    lines = ["image_id,x1,y1,x2,y2", *(",".join(map(str, row)) for row in rows)]
    Path("t.csv").write_text("\n".join(lines))
    rois, more = {
        "array": ("t.npy", {"index_by": "id"}),
        "list": ("b.npy", {"batch_index": "i.npy", "index_by": "id"}),
        "text": ("t.csv", {}),
        "records": ("rec.npy", {}),
    }[request.param]
    return rois, {"ids": "ids.txt"} | more, index != 2


def test_rois_without_an_image_are_left_out_zeros_or_an_error(named, partly):
    rois, options, there = partly
    first, count = int(np.flatnonzero(~there)[0]), int((~there).sum())
    with pytest.raises(RoiError, match=rf"row {first} is of image 99, .*\({count} of 60 rows"):
        crops_of(rois, **options)
    crops = crops_of(rois, unmatched="skip", **options)
    np.testing.assert_array_equal(crops, expected(named, there))
    crops = crops_of(rois, unmatched="zero", **options)
    np.testing.assert_array_equal(crops, expected(named) * there[:, None, None, None])


@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.parametrize("rois", ["t.npy", "t.csv"])
def test_processes_leave_out_the_same_rois(named, rois):
    by_number(named)
    lines = ["image_id,x1,y1,x2,y2", *(",".join(map(str, row)) for row in np.load("t.npy"))]
    Path("t.csv").write_text("\n".join(lines))
    Path("ids.txt").write_text("\n".join(one.replace("11", "99") for one in IDS))
    crops = crops_of(rois, ids="ids.txt", index_by="id", unmatched="skip", jobs=2)
    np.testing.assert_array_equal(crops, expected(named, named.rois[:, 0] != 2))


def test_the_report_and_the_output_say_which_rois_had_no_image(named):
    by_number(named)
    numbers = np.load("t.npy")[:, 0]
    Path("ids.txt").write_text("\n".join(one.replace("11", "99") for one in IDS))
    options = {"ids": "ids.txt", "index_by": "id", "overwrite": True}
    for unmatched, left in (("skip", numbers != 11), ("zero", numbers > 0)):
        report = lucid.extract("f.npy", "t.npy", "c.h5", unmatched=unmatched, **options)
        assert report.unmatched_rois == (numbers == 11).sum()
        assert (report.unmatched, report.invalid_rois) == (unmatched, 0)
        with h5py.File("c.h5") as file:
            wanted = np.where(numbers == 11, -1, named.rois[:, 0])[left]
            np.testing.assert_array_equal(file["rois"][:, 0], wanted)


def test_own_ids_of_rois_that_are_left_out_go_with_them(named):
    index = named.rois[:, 0].astype(int)
    numbers = np.where(index == 2, 99, NUMBERS[index])
    np.save("t.npy", records(named.rois, "image_id", images=numbers))
    ids = own_ids("t.npy", ids="ids.txt", unmatched="skip")
    assert ids.tolist() == (np.flatnonzero(index != 2) + 100).tolist()


def test_a_kind_of_floats_that_cannot_name_every_image_is_refused(named):
    np.save("many.npy", np.zeros((2050, 1, 2, 2), np.float32))
    np.save("t.npy", np.zeros((3, 5), np.float16))
    with pytest.raises(ShapeError, match="batch_index in float16 is exact up to 2048"):
        crops_of("t.npy", features="many.npy")
    np.save("t.npy", np.zeros((3, 5), np.float32))
    assert len(crops_of("t.npy", features="many.npy")) == 3


def test_no_boxes_are_no_rois_in_whatever_shape(named):
    for shape in ((0,), (0, 4), (0, 5), (5, 0, 4)):
        np.save("t.npy", np.zeros(shape))
        assert crops_of("t.npy").shape == (0, 6, 7, 7)
