"""RoIs in COCO files and tables of text: each box gets the crop of the image that it names."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid import MemoryLimitError, RoiError, ShapeError
from lucid.models.utils import roi_align
from lucid.stream import prepare
from lucid.stream.settings import Settings

IDS = [
    "val_000000000007.jpg",
    "val_000000000003.jpg",
    "val_000000000011.jpg",
    "val_12.jpg",
    "val_5.jpg",
]
NUMBERS = [7, 3, 11, 12, 5]


@pytest.fixture
def named(files):
    """The maps with the names of their pictures beside them, and their RoIs as a COCO file."""
    Path("ids.txt").write_text("\n".join(IDS) + "\n")
    boxes = files.rois.copy()
    boxes[:, 3:] -= boxes[:, 1:3]
    annotations = [
        {"id": 100 + k, "image_id": NUMBERS[int(row[0])], "bbox": row[1:].tolist(),
         "category_id": 1 + k % 2, "iscrowd": int(k % 10 == 0)}
        for k, row in enumerate(boxes)
    ]  # fmt: skip
    images = [
        {"id": number, "file_name": f"x{k}.png", "height": 192, "width": 272}
        for k, number in enumerate(NUMBERS)
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    write(annotations=annotations, images=images, categories=categories)
    return files


def write(**document):
    Path("ann.json").write_text(json.dumps(document))


def crops_of(rois, features="f.npy", **options):
    options = {"ids": "ids.txt", "spatial_scale": 1 / 16, "overwrite": True} | options
    lucid.extract(features, rois, "c.npy", **options)
    return np.load("c.npy")


def expected(files, rows=slice(None)):
    return roi_align(files.features, files.rois[rows], 7, spatial_scale=1 / 16)


def assert_crops(crops, wanted):
    np.testing.assert_allclose(crops, wanted, atol=1e-5)  # a size was subtracted, and added again


@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.parametrize("jobs", [1, 2])
def test_annotations_find_the_maps_of_their_pictures(named, jobs):
    assert_crops(crops_of("ann.json", jobs=jobs), expected(named))


def test_the_report_says_what_images_are_called_and_how_they_were_found(named):
    report = lucid.extract("f.npy", "ann.json", "c.npy", ids="ids.txt", dry_run=True)
    assert report.ids == (IDS[0], IDS[-1])
    assert (report.ids_read, report.boxes, report.coordinates) == ("as numbers", "xywh", "input")


def test_categories_and_crowds_may_be_left_out(named):
    assert_crops(crops_of("ann.json", category="dog"), expected(named, slice(1, None, 2)))
    assert_crops(crops_of("ann.json", category=[1, "dog"]), expected(named))
    kept = np.arange(60) % 10 != 0
    assert_crops(crops_of("ann.json", no_crowd=True), expected(named, kept))


def test_pictures_are_found_by_the_names_of_their_files_if_ids_say_nothing(named):
    Path("ids.txt").write_text("\n".join(f"maps/x{k}.npy" for k in range(5)))
    assert_crops(crops_of("ann.json"), expected(named))


def test_maps_in_files_of_their_own_are_found_without_ids(named):
    for one, features in zip(IDS, named.features, strict=True):
        np.save(f"{one.removesuffix('.jpg')}.npy", features)
    assert_crops(crops_of("ann.json", "val_{id}.npy", ids=None), expected(named))


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(("suffix", "mark"), [(".csv", ","), (".tsv", "\t"), (".txt", " ")])
def test_tables_name_images_by_id_or_by_position(named, suffix, mark, by_name):
    first = [IDS[int(k)] if by_name else int(k) for k in named.rois[:, 0]]
    header = ["filename" if by_name else "image_index", "xmin", "ymin", "xmax", "ymax"]
    rows = [header, *([one, *row[1:]] for one, row in zip(first, named.rois.tolist(), strict=True))]
    path = Path("boxes").with_suffix(suffix)
    path.write_text("\n".join(mark.join(map(str, row)) for row in rows))
    np.testing.assert_array_equal(crops_of(str(path)), expected(named))


def test_columns_say_what_a_table_without_a_header_holds(named):
    lines = [",".join(map(str, [0.5, *row[1:], IDS[int(row[0])]])) for row in named.rois.tolist()]
    Path("boxes.csv").write_text("\n".join(lines))
    crops = crops_of("boxes.csv", columns="-,x1,y1,x2,y2,image")
    np.testing.assert_array_equal(crops, expected(named))


def test_boxes_of_one_image_need_not_name_it(named):
    np.save("one.npy", named.features[:1])
    Path("boxes.csv").write_text("x1,y1,x2,y2\n16,16,80,90\n")
    with pytest.raises(ShapeError, match="no column that names the image of a box, of 5; say"):
        crops_of("boxes.csv")
    wanted = roi_align(named.features[:1], [[0, 16, 16, 80, 90]], 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(crops_of("boxes.csv", "one.npy", ids=None), wanted)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ids": None}, RoiError, "ann.json names images by id, such as 3, .* pass ids"),
        ({"boxes": "yxyx"}, ShapeError, "ann.json says that its boxes are xywh"),
        ({"batch_index": "r.npy"}, ShapeError, "ann.json says the image of each box; drop"),
        (
            {"columns": "image,x1,y1,x2,y2"},
            ValueError,
            "columns are for tables, not for rois in COCO",
        ),
        ({"ids": "few.txt"}, ShapeError, "few.txt must have an id for each of 5 images, got 1"),
        (
            {"ids": "others.txt"},
            RoiError,
            r"row \d+ is of image 5, which is none of the 5 images",
        ),
        ({"ids": "twice.txt"}, RoiError, "image 5 could be 'a_5' or 'b_5'"),
    ],
)
def test_what_does_not_fit_is_said_before_the_run(named, options, error, message):
    Path("few.txt").write_text("one")
    Path("others.txt").write_text("\n".join(["val_7", "val_3", "val_11", "val_12", "val_6"]))
    Path("twice.txt").write_text("\n".join(["a_5", "b_5", "a_7", "a_11", "a_12"]))
    with pytest.raises(error, match=message):
        crops_of("ann.json", **options)
    assert not Path("c.npy").exists()


def test_only_a_coco_file_has_categories(named):
    with pytest.raises(ValueError, match="category is for rois in COCO's JSON or VOC's XML"):
        crops_of("r.npy", category="cat")


def test_an_output_records_the_file_and_a_resume_compares_it(named):
    lucid.extract("f.npy", "ann.json", "c.h5", ids="ids.txt", spatial_scale=1 / 16)
    with h5py.File("c.h5") as file:
        noted = dict(file["crops"].attrs)
    assert (noted["rois"], noted["ids"]) == ("ann.json", "ids.txt")
    assert {"rois_fingerprint", "ids_fingerprint"} <= set(noted)
    write(annotations=[])
    with pytest.raises((lucid.SinkError, lucid.ShapeError)):
        lucid.extract("f.npy", "ann.json", "c.h5", ids="ids.txt", spatial_scale=1 / 16, resume=True)


@pytest.mark.slow
def test_a_file_of_text_is_read_once_whatever_the_number_of_processes(named):
    options = {"ids": "ids.txt", "resize": "stretch:96x136", "spatial_scale": 1 / 8, "jobs": 2}
    settings = Settings(features="f.npy", rois="ann.json", output="c.npy", **options)
    with prepare(settings) as extraction:
        Path("ann.json").unlink()
        extraction.run()
    assert_crops(np.load("c.npy"), expected(named))


@pytest.mark.parametrize("rois", ["ann.json", "boxes.csv"])
def test_a_file_of_text_that_takes_more_than_the_memory_is_refused(named, rois):
    box = {"image_id": 7, "bbox": [1, 2, 3, 4]}
    write(annotations=[box] * 5000, images=[{"id": 7}])
    Path("boxes.csv").write_text("image,x,y,w,h\n" + "7,1,2,3,4\n" * 5000)
    with pytest.raises(MemoryLimitError, match=f"to read {rois}, of which 4096 rows and 1 names"):
        crops_of(rois, memory="400K")
