"""What stands beside the crops in HDF5: their RoIs, rows and ids, under named axes."""

import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import SinkError
from lucid.stream.read.hdf5_datasets import DIMENSION
from lucid.stream.write.hdf5 import NO_VARIABLE

STORAGES = {"contiguous": {}, "gzip": {"compression": "gzip"}, "chunks": {"chunks": 7}}
OPTIONS = {"spatial_scale": 1 / 16, "output_size": 2}
IDS = ["val_7.jpg", "välkommen_3.jpg", "val_11.jpg", "val_12.jpg", "val_5.jpg"]
NUMBERS = [7, 3, 11, 12, 5]


@pytest.fixture(params=STORAGES)
def storage(request):
    return STORAGES[request.param]


def beside(features="f.npy", rois="r.npy", output="c.h5", **options):
    """Return the arrays of an output, its report beside them."""
    lucid.extract(features, rois, output, overwrite=True, **OPTIONS | options)
    with h5py.File(output) as file:
        return {name: file[name][...] for name in file}


def write_coco(files, order):
    """Write RoIs as a COCO file, and what the images of the maps are called."""
    annotations = [
        {"id": 900 - k, "image_id": NUMBERS[int(row[0])],
         "bbox": [*row[1:3].tolist(), *(row[3:] - row[1:3]).tolist()]}
        for k, row in enumerate(files.rois[order])
    ]  # fmt: skip
    images = [{"id": number, "height": 192, "width": 272} for number in NUMBERS]
    Path("ann.json").write_text(json.dumps({"annotations": annotations, "images": images}))
    Path("ids.txt").write_text("\n".join(IDS))


def by_loops(rows, images):
    """Return the rows of each image (N, 2), None if they do not follow each other."""
    mine = [[k for k, image in enumerate(rows) if image == wanted] for wanted in range(images)]
    ranges, end = [], 0
    for rows_of_one in mine:
        start = rows_of_one[0] if rows_of_one else end
        if rows_of_one != list(range(start, start + len(rows_of_one))) or start < end:
            return None
        end = start + len(rows_of_one)
        ranges.append([start, end])
    return ranges


def test_rois_are_those_of_the_table(files, storage):
    found = beside(**storage)
    assert found["rois"].dtype == np.float64
    np.testing.assert_array_equal(found["rois"], files.rois)
    assert not {"ids", "roi_ids", "ranges"} & set(found)  # nothing is called, nothing is sorted


@pytest.mark.parametrize("form", ["xywh", "cxcywh", "yxyx"])
def test_boxes_of_every_form_are_kept_as_corners_in_their_own_coordinates(files, form):
    index, boxes = files.rois[:, :1], files.rois[:, 1:]
    start, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    forms = {"xywh": [start, size], "cxcywh": [start + size / 2, size]}
    rows = np.hstack(forms.get(form, [boxes[:, [1, 0, 3, 2]]]))
    np.save("r.npy", np.hstack([index, rows / 256]))
    np.save("frame.npy", np.array([[2.0, 3.0, 5.0, 7.0]]))
    found = beside(boxes=form, normalized=True, image_size=256, frame="frame.npy")
    np.testing.assert_allclose(found["rois"], files.rois, rtol=1e-12, atol=1e-9)


def test_a_coco_file_gives_the_ids_of_images_and_of_rois(files, storage):
    order = np.argsort(files.rois[:, 0], kind="stable")
    write_coco(files, order)
    found = beside(rois="ann.json", ids="ids.txt", **storage)
    np.testing.assert_allclose(found["rois"], files.rois[order], rtol=1e-12)
    assert [one.decode() for one in found["ids"]] == IDS
    assert found["roi_ids"].tolist() == list(range(900, 840, -1))
    assert found["roi_ids"].dtype == np.int64
    assert found["ranges"].tolist() == by_loops(files.rois[order, 0], 5)
    with h5py.File("c.h5") as file:
        assert file["ids"].dtype == np.dtype("S16")  # of one length: PyTables reads no other
        assert h5py.check_string_dtype(file["ids"].dtype).encoding == "utf-8"
        assert file["crops"].attrs["ids_read"] == "as numbers"


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        (["7", "-3", "11", "0", "5"], np.int64),
        (["07", "3", "11", "12", "5"], "S2"),
        (["7", "3", "11", "12", str(2**63)], "S19"),
    ],
)
def test_ids_are_numbers_if_that_loses_nothing(files, ids, dtype):
    Path("ids.txt").write_text("\n".join(ids))
    found = beside(ids="ids.txt")["ids"]
    assert found.dtype == dtype
    assert [one.decode() if found.dtype.kind == "S" else str(one) for one in found] == ids


@pytest.mark.parametrize("ids", [["a", "b"], [1, "b"], [1, None], [2**63, 4]])
def test_ids_of_annotations_may_be_texts_or_missing(files, ids):
    annotations = [
        {"image_id": 0, "bbox": [0, 0, 9, 9]} | ({} if one is None else {"id": one}) for one in ids
    ]
    Path("ann.json").write_text(json.dumps({"annotations": annotations}))
    Path("ids.txt").write_text("0\n1\n2\n3\n4\n")
    found = beside(rois="ann.json", ids="ids.txt")
    if None in ids:
        assert "roi_ids" not in found
    else:
        assert [one.decode() for one in found["roi_ids"]] == [str(one) for one in ids]


@pytest.mark.slow
@pytest.mark.parametrize("slice_rows", [1, 3, 1000])
def test_ranges_are_there_where_the_rows_of_each_image_follow_each_other(files, tuned, slice_rows):
    """Images without rows, and rows without images, do not matter unless those lie within one."""
    tuned(slice_rows=slice_rows)
    for rows in (
        [0, 0, 1, 1, 1, 4], [3, 3], [], [2], [-1, 0, 0, 5, 1, np.nan, 4, 4, 7], [0.5, 1, 1, 2.5, 3],
        [0, 1, 0], [1, -1, 1], [4, 3], [0, 1, 1, 1, 1, 1, 0.5, 1],
    ):  # fmt: skip
        table = np.zeros((len(rows), 5))
        table[:, 0], table[:, 3:] = rows, 20
        np.save("some.npy", table)
        found = beside(rois="some.npy", invalid="zero")
        ranges = found["ranges"].tolist() if "ranges" in found else None
        assert ranges == by_loops(rows, 5)
        np.testing.assert_array_equal(found["rois"], table)


def test_the_bytes_do_not_depend_on_how_much_is_read_at_once(files, tuned, storage):
    write_coco(files, np.argsort(files.rois[:, 0]))
    options = OPTIONS | storage | {"ids": "ids.txt"}
    lucid.extract("f.npy", "ann.json", "a.h5", **options)
    tuned(slice_rows=7)
    lucid.extract("f.npy", "ann.json", "b.h5", **options)
    assert Path("a.h5").read_bytes() == Path("b.h5").read_bytes()


def test_a_resumed_run_has_the_same_beside_its_crops(files, tuned, storage):
    write_coco(files, np.argsort(files.rois[:, 0]))
    options = OPTIONS | storage | {"ids": "ids.txt"}
    lucid.extract("f.npy", "ann.json", "whole.h5", **options)
    tuned(crops_bytes=400)

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract("f.npy", "ann.json", "c.h5", on_progress=stop, **options)
    assert lucid.extract("f.npy", "ann.json", "c.h5", resume=True, **options).resumed >= 30
    assert Path("c.h5").read_bytes() == Path("whole.h5").read_bytes()


def test_axes_are_named_by_dimension_scales_without_values(files, storage):
    write_coco(files, np.argsort(files.rois[:, 0]))
    lucid.extract("f.npy", "ann.json", "c.h5", ids="ids.txt", **OPTIONS | storage)
    axes = {
        "crops": ["roi", "channel", "y", "x"], "rois": ["roi", "column"], "roi_ids": ["roi"],
        "ids": ["image"], "ranges": ["image", "bound"],
    }  # fmt: skip
    with h5py.File("c.h5") as file:
        scales = set(file) - set(axes)
        assert scales == {name for names in axes.values() for name in names}
        for name, names in axes.items():
            assert [Path(one[0].name).name for one in file[name].dims] == names
        for name in scales:
            assert file[name].id.get_storage_size() == 0
            assert dict(file[name].attrs) == {
                "CLASS": b"DIMENSION_SCALE",
                "NAME": f"{NO_VARIABLE}{file[name].shape[0]:10d}".encode(),
            }
        assert type(file["crops"].attrs["aligned"]) is np.int64
    assert NO_VARIABLE.encode() == DIMENSION


def test_an_output_whose_truth_values_are_of_numpy_is_still_complete(files):
    lucid.extract("f.npy", "r.npy", "c.h5", aligned=True, **OPTIONS)
    with h5py.File("c.h5", "r+") as file:
        file["crops"].attrs["aligned"] = True
    before = Path("c.h5").read_bytes()
    lucid.extract("f.npy", "r.npy", "c.h5", aligned=True, resume=True, **OPTIONS)
    assert Path("c.h5").read_bytes() == before
    with pytest.raises(SinkError, match="c.h5 is complete, but with aligned True, not False"):
        lucid.extract("f.npy", "r.npy", "c.h5", resume=True, **OPTIONS)


def test_categories_by_name_and_number_are_recorded(files):
    write_coco(files, slice(None))
    document = json.loads(Path("ann.json").read_text())
    for one in document["annotations"]:
        one["category_id"] = 3
    document["categories"] = [{"id": 4, "name": "cat"}]
    Path("ann.json").write_text(json.dumps(document))
    lucid.extract("f.npy", "ann.json", "c.h5", ids="ids.txt", category=["cat", 3], **OPTIONS)
    with h5py.File("c.h5") as file:
        assert file["crops"].attrs["category"].tolist() == ["cat", "3"]


def test_an_output_serves_as_rois_of_another_run(files):
    write_coco(files, np.argsort(files.rois[:, 0]))
    first = beside(rois="ann.json", ids="ids.txt")
    again = beside(rois="c.h5", output="again.h5")
    np.testing.assert_array_equal(again["crops"], first["crops"])


@pytest.mark.slow
@pytest.mark.parametrize("rows", [60, 0])
def test_readers_of_netcdf_and_pytables_open_an_output(files, storage, rows):
    xarray, netcdf4 = pytest.importorskip("xarray"), pytest.importorskip("netCDF4")
    h5netcdf, tables = pytest.importorskip("h5netcdf"), pytest.importorskip("tables")
    write_coco(files, np.argsort(files.rois[:, 0])[:rows])
    found = beside(rois="ann.json", ids="ids.txt", **storage)
    axes = ("roi", "channel", "y", "x")
    for engine in ("netcdf4", "h5netcdf"):
        with xarray.open_dataset("c.h5", engine=engine) as data:
            assert data.crops.dims == axes
            assert not data.coords
            assert data.rois.dims == ("roi", "column")
            assert data.crops.attrs["aligned"] == 0
            np.testing.assert_array_equal(data.crops, found["crops"])
    with netcdf4.Dataset("c.h5") as data:
        assert data["crops"].dimensions == axes
        assert data["ids"][:].tolist() == IDS
    with h5netcdf.File("c.h5", "r") as data:
        assert data["crops"].dimensions == axes
        assert data["ranges"].dimensions == ("image", "bound")
    with warnings.catch_warnings(), tables.open_file("c.h5") as data:
        # PyTables skips the attribute that names the axes, in every file of netCDF-4.
        warnings.filterwarnings("ignore", "Unsupported type for attribute 'DIMENSION_LIST'")
        np.testing.assert_array_equal(data.root.crops[:], found["crops"])
        np.testing.assert_array_equal(data.root.ids[:], found["ids"])
        assert data.root.crops._v_attrs["aligned"] == 0
        assert len(list(data.walk_nodes("/", "Array"))) > 5
