"""Several files as one run of images, and what their images are called."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid import ShapeError, SinkError, SourceError
from lucid.models.utils import roi_align

CUTS = [range(2), range(2, 3), range(3, 5)]
NUMBERS = (9, 10, 11)  # of shards, which sorting as text would put in another order
IDS = [37209, 5, 184613, 7, 12]


@pytest.fixture
def shards(files):
    """The maps in shards of several, of which one has a single map, and in a file for each."""
    for number, cut in zip(NUMBERS, CUTS, strict=True):
        some = files.features[cut.start : cut.stop]
        np.save(f"s{number}.npy", some)
        np.save(f"last{number}.npy", some.transpose(0, 2, 3, 1))
        with h5py.File(f"s{number}.h5", "w") as file:
            file["maps/features"] = some
            file["maps/features"].attrs["spatial_scale"] = 1 / 16
            file["maps/ids"] = np.array(IDS)[cut.start : cut.stop]
            chunks = (min(2, len(cut)), 6, 12, 17)
            file.create_dataset("zipped", data=some, chunks=chunks, compression="gzip")
    for k, one in enumerate(IDS):
        np.save(f"one_{one:06}.npy", files.features[k][None] if k % 2 else files.features[k])
    return files


def extracted(features, output="c.npy", rois="r.npy", **options):
    options = {"spatial_scale": 1 / 16, "overwrite": True} | options
    report = lucid.extract(features, rois, output, **options)
    return np.load(output), report


def expected(files):
    return roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "options"),
    [
        ("s*.npy", {}),
        (["s9.npy", Path("s10.npy"), "s11.npy"], {}),
        (["s9*.npy", "s1?.npy"], {}),
        ("s*.h5::maps/features", {"spatial_scale": None}),
        ("s*.h5::zipped", {}),
        (("s9.h5::zipped", "s10.npy", "s11.h5::zipped"), {}),
        ("last*.npy", {"layout": "nhwc"}),
    ],
)
def test_shards_give_the_crops_of_one_array(shards, features, options):
    for jobs in (1, 2) if features == "s*.h5::zipped" else (1,):
        crops, report = extracted(features, jobs=jobs, **options)
        np.testing.assert_array_equal(crops, expected(shards))
        assert report.features_shape == (5, 6, 12, 17)


def test_words_of_shards_hold_for_their_maps(shards):
    with h5py.File("s11.h5", "a") as file:
        file["maps/features"].attrs["spatial_scale"] = 1 / 8
    crops, report = extracted("s*.h5::maps/features", spatial_scale=None)
    assert report.spatial_scale_from == "images"
    moved = shards.rois.copy()
    moved[moved[:, 0] >= 3, 1:] *= 2
    np.testing.assert_allclose(
        crops, roi_align(shards.features, moved, 7, spatial_scale=1 / 16), atol=1e-5
    )
    with pytest.raises(SourceError, match="and 1 more: 1 of 2 files have spatial_scale"):
        extracted(["s9.npy", "s11.h5::maps/features"], spatial_scale=None)


def test_chunks_of_images_that_go_over_the_end_of_a_file(shards, tuned):
    tuned(batch_rois=1, slice_rows=8)
    np.testing.assert_array_equal(extracted("s*.h5::zipped", memory="43M")[0], expected(shards))


def test_files_of_one_map_each_are_called_as_they_are(shards):
    order = [1, 3, 4, 0, 2]  # the natural one
    rois = shards.rois.copy()
    rois[:, 0] = np.argsort(order)[rois[:, 0].astype(int)]
    np.save("moved.npy", rois)
    crops, report = extracted("one_*.npy", rois="moved.npy")
    np.testing.assert_array_equal(crops, expected(shards))
    assert (report.ids, report.ids_from) == (("one_000005", "one_184613"), "files")
    np.save("one_000012.npy", np.ones((6, 40, 3), np.float32))  # and may differ in size
    assert extracted("one_*.npy", rois="moved.npy", dry_run=True)[1].features_shape[2:] == (40, 17)


def table_by_id(shards, name="boxes.csv"):
    rows = [
        f"{IDS[int(image)]},{','.join(map(repr, box))}\n" for image, *box in shards.rois.tolist()
    ]
    Path(name).write_text("image_id,x1,y1,x2,y2\n" + "".join(rows))
    return name


def test_ids_beside_the_maps_are_joined_and_found(shards):
    crops, report = extracted("s*.h5::maps/features", rois=table_by_id(shards))
    np.testing.assert_array_equal(crops, expected(shards))
    assert (report.ids, report.ids_from) == (("37209", "12"), "dataset maps/ids")


@pytest.mark.parametrize("name", ["ids", "image_ids", "deep/image_id"])
def test_ids_beside_one_array_are_found_and_recorded(shards, name):
    with h5py.File("one.h5", "w") as file:
        file["deep/features"] = shards.features
        file[name] = np.array(IDS)
        file["deep/ids"] = np.arange(4)  # of another length: not those of the maps
    lucid.extract("one.h5", table_by_id(shards), "c.h5", spatial_scale=1 / 16)
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["crops"], expected(shards))
        assert file["crops"].attrs["ids_from"] == f"dataset {name}"
    report = lucid.extract("one.h5", "r.npy", ids="one.h5::" + name, dry_run=True)
    assert (report.ids, report.ids_from) == (("37209", "12"), "argument")


def test_ids_that_are_a_link_to_a_file_which_is_not_trusted_are_none(shards):
    with h5py.File("one.h5", "w") as file:
        file["features"] = shards.features
        file["ids"] = h5py.ExternalLink("s9.h5", "/maps/ids")
    assert lucid.extract("one.h5", "r.npy", spatial_scale=1 / 16, dry_run=True).ids == ()


@pytest.fixture
def info(shards):
    """GQA's JSON of the shards, in an order of its own."""
    where = {IDS[k]: (file, row) for file, cut in enumerate(CUTS) for row, k in enumerate(cut)}
    known = {
        str(one): {"file": where[one][0], "idx": where[one][1], "width": 272, "height": 192,
                   "objectsNum": 3}
        for one in sorted(IDS)
    }  # fmt: skip
    Path("info.json").write_text(json.dumps(known))
    return known


def test_an_info_json_says_where_maps_are_and_of_what_size(shards, info):
    fractions = shards.rois.copy()
    fractions[:, 1:] /= [272, 192, 272, 192]
    table_by_id(SimpleRois(fractions))
    crops, report = extracted("s*.npy", rois="boxes.csv", ids="info.json", normalized=True,
                              image_size="info.json")  # fmt: skip
    np.testing.assert_allclose(crops, expected(shards), atol=1e-5)
    assert report.ids == ("37209", "12")


class SimpleRois:
    """RoIs in another frame."""

    def __init__(self, rois):
        self.rois = rois


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"5": {"file": 3, "idx": 0}},
            r"image '5' is map 0 of file 3, and the features are",
        ),
        ({"5": {"file": 1, "idx": 1}}, r"image '5' is map 1 of file 1"),
        ({"5": {"file": 0, "idx": -1}}, r"image '5' is map -1 of file 0"),
        ({"5": {"file": 0, "idx": 0}}, r"two images are map 0 of file 0, '5' and '37209'"),
        ({"37209": {"file": 0}}, r"'37209' must be an object with file and idx, got"),
        ({"37209": 3}, r"'37209' must be an object of an image, got 3"),
    ],
)
def test_an_info_json_that_cannot_be_is_refused(shards, info, change, message):
    Path("info.json").write_text(json.dumps({**info, **change}))
    with pytest.raises((ShapeError, SourceError), match=f"info.json: {message}"):
        extracted("s*.npy", ids="info.json")


def test_maps_that_an_info_json_leaves_out_have_no_name(shards, info):
    del info["5"]
    Path("info.json").write_text(json.dumps(info))
    Path("boxes.csv").write_text("image_id,x1,y1,x2,y2\n12,0,0,90,90\n")
    crops, _ = extracted("s*.npy", rois="boxes.csv", ids="info.json", image_size="info.json")
    np.testing.assert_array_equal(
        crops, roi_align(shards.features, [[4, 0, 0, 90, 90]], 7, spatial_scale=1 / 16)
    )


def test_a_coco_file_says_the_order_of_images(shards):
    images = [{"id": one, "file_name": f"{one}.jpg", "height": 192, "width": 272} for one in IDS]
    x1, y1, x2, y2 = shards.rois[:, 1:].T
    notes = [
        {"image_id": IDS[int(image)], "bbox": box}
        for image, box in zip(
            shards.rois[:, 0], np.c_[x1, y1, x2 - x1, y2 - y1].tolist(), strict=True
        )
    ]
    Path("ann.json").write_text(json.dumps({"images": images, "annotations": notes}))
    for features in ("f.npy", "s*.npy"):
        crops, report = extracted(features, rois="ann.json", ids="ann.json")
        np.testing.assert_allclose(crops, expected(shards), atol=1e-5)
        assert report.ids_from == "argument"


@pytest.mark.parametrize(
    ("features", "options", "error", "message"),
    [
        ("q*.npy", {}, SourceError, r"q\*.npy matches no file"),
        ("s*{id}.npy", {}, SourceError, r"s\*\{id\}.npy matches no file; wildcards beside \{id\}"),
        (["s9.npy", "gone.npy"], {}, SourceError, "gone.npy cannot be opened: No such file"),
        (["s9.npy", "narrow.npy"], {}, ShapeError, "narrow.npy must have 6 channels of float32"),
        (["s9.npy", "wide.npy"], {}, ShapeError, r"wide.npy must have maps of \[12, 17\] cells"),
        (["s9.npy", "r.npy"], {}, ShapeError, r"r.npy must have shape \(N, C, H, W\)"),
        ("s*.npy", {"ids": "four.txt"}, ShapeError, "an id for each of 5 images, got 4"),
        (["s9.npy", "{id}.npy"], {}, ValueError, r"features are several files or have \{id\}, not"),
        (["s9.npy", "-"], {}, ValueError, "features are several files or piped in, not both"),
        ([], {}, ValueError, "features must be a path or several, got none"),
    ],
)
def test_what_is_not_one_run_is_refused(shards, features, options, error, message):
    np.save("narrow.npy", np.zeros((2, 3, 12, 17), np.float32))
    np.save("wide.npy", np.zeros((2, 6, 12, 18), np.float32))
    Path("four.txt").write_text("1\n2\n3\n4\n")
    with pytest.raises(error, match=message):
        extracted(features, **options)


def test_a_file_whose_name_has_wildcards_is_a_file(shards):
    os.rename("s9.npy", "s[9].npy")
    np.save("r.npy", np.array([[0, 0, 0, 16, 16.0]]))
    report = lucid.extract("s[9].npy", "r.npy", dry_run=True)
    assert report.features_shape[0] == 2


def test_a_resumed_run_is_of_the_same_files(shards, tuned):
    tuned(crops_bytes=4000)

    def stop(rows_done):
        if rows_done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lucid.extract("s*.npy", "r.npy", "c.h5", spatial_scale=1 / 16, on_progress=stop)
    with pytest.raises(SinkError, match="c.h5 was begun with other contents of features"):
        lucid.extract(["s11.npy", "s10.npy", "s9.npy"], "r.npy", "c.h5", spatial_scale=1 / 16,
                      resume=True)  # fmt: skip
    files = ["s9.npy", "s10.npy", "s11.npy"]
    assert lucid.extract(files, "r.npy", "c.h5", spatial_scale=1 / 16, resume=True).resumed >= 30
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["crops"], expected(shards))
        assert file["crops"].attrs["features"] == "s*.npy"  # as it was begun
    lucid.extract(files, "r.npy", "d.h5", spatial_scale=1 / 16)
    with h5py.File("d.h5") as file:
        assert list(file["crops"].attrs["features"]) == files


def test_a_repeated_option_is_an_error_but_for_features(shards):
    features = [word for number in NUMBERS for word in ("--features", f"s{number}.npy")]
    run = ["extract", *features, "--rois", "r.npy", "--spatial-scale", "1/16", "-q", "-q"]
    assert run_here(*run, "-o", "c.npy", text=True).returncode == 0
    np.testing.assert_array_equal(np.load("c.npy"), expected(shards))
    for twice, named in (
        (["--rois", "r.npy"], "--rois"),
        (["--spatial-scale=1/16"], "--spatial-scale"),
        (["--aligned", "--no-aligned"], "--aligned"),
    ):
        done = run_here(*run, *twice, text=True)
        assert done.returncode == 2
        assert f"Error: {named} is given more than once" in done.stderr
    assert run_here("info", "s9.h5", text=True).returncode == 0
