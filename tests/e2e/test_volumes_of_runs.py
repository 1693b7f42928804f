"""Runs on volumes: files (N, C, D, H, W) and RoIs (K, 7), from every container."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid.models.utils import roi_align_3d
from lucid.stream.write.recorded import arguments_of, read_recorded

SCALE, SIZE = (0.25, 0.5, 0.5), (2, 3, 4)
VOLUMES = {"operator": "roi-align-3d", "output_size": SIZE, "spatial_scale": SCALE}


@pytest.fixture
def volumes(tmp_path, monkeypatch, rng):
    """Write three volumes and 40 RoIs on them, and return both with the crops."""
    monkeypatch.chdir(tmp_path)
    features = rng.standard_normal((3, 4, 9, 20, 30), np.float32)
    low = rng.uniform(-4, 30, (40, 3))
    image = rng.integers(0, 3, 40)
    rois = np.column_stack([image, low, low + rng.uniform(0, 15, (40, 3))])
    np.save("f.npy", features)
    np.save("r.npy", rois)
    return features, rois, roi_align_3d(features, rois, SIZE, SCALE)


def crops_of(features, rois="r.npy", output="c.npy", **options):
    lucid.extract(features, rois, output, overwrite=True, **VOLUMES | options)
    return np.load(output)


def _in_hdf5(features):
    with h5py.File("f.h5", "w") as file:
        file["flat"] = features[0, 0]  # is no volume
        file.create_dataset("maps", data=features, chunks=(2, 2, 4, 8, 8), compression="gzip")


def _each_apart(features):
    for image, volume in enumerate(features):
        np.save(f"v{image}.npy", volume)


def _in_safetensors(features):
    pytest.importorskip("safetensors.numpy").save_file({"features": features}, "f.safetensors")


@pytest.mark.parametrize(
    ("write", "name", "options"),
    [
        (lambda features: None, "f.npy", {}),
        (_in_hdf5, "f.h5", {}),
        (lambda features: np.savez("f.npz", features=features), "f.npz", {}),
        (_in_safetensors, "f.safetensors", {}),
        (lambda features: pytest.importorskip("zarr").save_array("f.zarr", features), "f.zarr", {}),
        (
            lambda features: np.save("last.npy", np.moveaxis(features, 1, -1)),
            "last.npy",
            {"layout": "ndhwc"},
        ),
        (_each_apart, "v*.npy", {}),
        (_each_apart, "v{id}.npy", {}),
    ],
)
def test_every_container_gives_what_the_function_gives(volumes, write, name, options):
    features, _, expected = volumes
    write(features)
    np.testing.assert_array_equal(crops_of(name, **options), expected)


def test_processes_pipes_and_resumed_runs_give_the_same(volumes, helpers_are_threads):
    _, rois, expected = volumes
    np.testing.assert_array_equal(crops_of("f.npy", jobs=2, memory="256M"), expected)
    order = np.argsort(rois[:, 0], kind="stable")
    np.save("sorted.npy", rois[order])
    done = run_here(
        "extract", "--features", "-", "--rois", "sorted.npy", "-o", "-", "--operator",
        "roi-align-3d", "--output-size", "2x3x4", "--spatial-scale", "1/4,1/2,1/2",
        stdin=Path("f.npy").read_bytes(),
    )  # fmt: skip
    assert done.returncode == 0
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), expected[order])
    lucid.extract("f.npy", "r.npy", "c.h5", **VOLUMES)
    assert lucid.extract("f.npy", "r.npy", "c.h5", **VOLUMES, resume=True).resumed == 40
    with pytest.raises(lucid.SinkError, match="but with spatial_scale"):
        lucid.extract("f.npy", "r.npy", "c.h5", **VOLUMES | {"spatial_scale": 0.25}, resume=True)


def test_an_output_says_enough_to_do_it_again(volumes):
    _, rois, expected = volumes
    lucid.extract("f.npy", "r.npy", "c.h5", coverage=True, **VOLUMES)
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["crops"][:], expected)
        np.testing.assert_array_equal(file["rois"][:], rois)
        ones = roi_align_3d(np.ones((3, 1, 9, 20, 30)), rois, SIZE, SCALE)[:, 0]
        np.testing.assert_allclose(file["coverage"][:], ones, atol=1e-12)
        axes = [one.values()[0].name for one in file["crops"].dims]
        assert axes == ["/roi", "/channel", "/z", "/y", "/x"]
    again = arguments_of(read_recorded(Path("c.h5")), Path("c.h5"))
    lucid.extract(output="again.h5", **again)
    assert Path("again.h5").read_bytes() == Path("c.h5").read_bytes()


def test_one_number_is_for_all_axes_and_a_file_may_say_the_scale(volumes):
    features, rois, _ = volumes
    with h5py.File("f.h5", "w") as file:
        file["features"] = features
        file["features"].attrs["stride"] = [4, 2, 2]
    report = lucid.extract("f.h5", "r.npy", "c.npy", operator="roi-align-3d")
    assert report.spatial_scale == SCALE
    np.testing.assert_array_equal(np.load("c.npy"), roi_align_3d(features, rois, 7, SCALE))
    options = {"sampling_ratio": 2, "aligned": True, "outside": "renormalize"}
    found = crops_of("f.npy", output_size=2, spatial_scale=0.25, **options)
    expected = roi_align_3d(features, rois, 2, 0.25, 2, aligned=True, outside="renormalize")
    np.testing.assert_array_equal(found, expected)


def test_boxes_are_expanded_and_channels_chosen(volumes):
    features, rois, _ = volumes
    options = {"expand": 1.5, "channels": slice(1, None, 2)}
    found = crops_of("f.npy", **options)
    np.testing.assert_array_equal(found, roi_align_3d(features, rois, SIZE, SCALE, **options))


@pytest.mark.slow
@pytest.mark.parametrize("outside", ["zero", "renormalize"])
def test_maxima_of_runs_are_those_of_the_function(volumes, outside):
    features, rois, _ = volumes
    options = {"mode": "max", "outside": outside}
    found = crops_of("f.npy", **options, memory="160M", jobs=2)
    np.testing.assert_array_equal(found, roi_align_3d(features, rois, SIZE, SCALE, **options))


def test_boxes_of_each_volume_and_bins_reduced(volumes):
    features, rois, expected = volumes
    some = crops_of("f.npy", rois[:, 1:], batch_index=rois[:, 0].astype(int))
    np.testing.assert_array_equal(some, expected)
    np.testing.assert_allclose(
        crops_of("f.npy", reduce="mean"), expected.mean(axis=(2, 3, 4)), atol=1e-6
    )
    one = crops_of(features[1], rois[rois[:, 0] == 1] * [0, 1, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(one, expected[rois[:, 0] == 1])


def test_the_report_says_where_boxes_lie_in_three_dimensions(volumes):
    features, rois, _ = volumes
    rois[0] = [0, 1, 2, 3, 1, 4, 5]
    rois[1] = [0, 0, 0, -50, 9, 9, -40]
    report = lucid.extract(features, rois, dry_run=True, **VOLUMES)
    assert "of 30 columns" in report.frame
    assert report.frame.endswith("of 9 planes")
    assert (report.zero_area, report.outside > 0) == (1, True)
    with pytest.warns(lucid.FrameWarning, match="of 40 boxes lie mostly before or behind"):
        lucid.extract(features, rois + np.array([0, 0, 0, 50, 0, 0, 50]), dry_run=True, **VOLUMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_size": (7, 7)}, "output_size must be one number or 3 for operator roi-align-3d"),
        ({"spatial_scale": (1, 2)}, "spatial_scale must be one number or 3"),
        ({"stride": (1, 2)}, "stride must be one number or 3"),
        ({"layout": "nhwc"}, "layout of operator roi-align-3d must have a d, the depth"),
        (
            {"mode": "max", "sampling_ratio": float("inf")},
            "mode max has no limit for sampling_ratio inf",
        ),
        ({"boxes": "xywh"}, "takes boxes of x1, y1, z1, x2, y2, z2; boxes xywh are upright"),
        ({"resize": "long:9", "image_size": 9}, "image_size means nothing to operator roi-align"),
        (
            {"frame": "f.npy"},
            "frame means nothing to operator roi-align-3d, whose boxes must be in input coord",
        ),
        ({"level": "f.npy", "features": None}, "level means nothing to operator roi-align-3d"),
        (
            {"operator": "roi-align", "output_size": (2, 3, 4)},
            "output_size must be one number or 2 for operator roi-align, got 3",
        ),
        ({"operator": "roi-pool", "layout": "ndhwc"}, "layout of operator roi-pool must have no d"),
    ],
)
def test_what_means_nothing_is_refused_before_files_are_opened(options, message):
    arguments = {"features": "nosuch.npy", "rois": "nosuch.npy", "operator": "roi-align-3d"}
    with pytest.raises(ValueError, match=message):
        lucid.extract(**arguments | options)


def test_files_that_are_no_volumes_are_named(volumes):
    np.save("flat.npy", np.zeros((1, 2, 3, 4, 5, 6), np.float32))
    with pytest.raises(lucid.ShapeError, match=r"must have shape \(N, C, D, H, W\), got"):
        crops_of("flat.npy")
    with pytest.raises(lucid.ShapeError, match="or pass operator='roi-align-3d' for volumes"):
        lucid.extract("f.npy", "r.npy")
    with pytest.raises(lucid.ShapeError, match=r"shape \(K, 7\) with columns \(batch_index, x1"):
        crops_of("f.npy", np.zeros((3, 5)))
    with h5py.File("f.h5", "w") as file:
        file["features"] = np.zeros((2, 1, 2, 3, 4), np.float32)
        file["features"].attrs["spatial_scale"] = [[1, 1, 1], [2, 2, 2]]
    with pytest.raises(lucid.ShapeError, match="or pass operator='roi-align-3d' for volumes"):
        lucid.extract("f.h5", "r.npy")
    with pytest.raises(lucid.ShapeError, match="x1,y1,x2,y2', or pass operator='roi-align-3d'"):
        lucid.extract(np.zeros((1, 1, 4, 4), np.float32), "r.npy")
    with pytest.raises(lucid.SourceError, match="volumes have one for all; pass spatial_scale"):
        lucid.extract("f.h5", np.zeros((3, 7)), operator="roi-align-3d")


@pytest.mark.slow
def test_only_what_rois_touch_of_a_large_volume_is_read_within_the_memory(tmp_path, monkeypatch):
    from test_memory import peak_beyond_libraries

    monkeypatch.chdir(tmp_path)
    shape, rng = (1, 16, 256, 512, 512), np.random.default_rng(0)
    with h5py.File("f.h5", "w") as file:  # of 2 GB, most of which is never written
        file.create_dataset("maps", shape, np.float16, chunks=(1, 16, 8, 32, 32))
        file["maps"][0, :, 100:140, 200:260, 300:360] = rng.standard_normal((16, 40, 60, 60))
    low = np.column_stack([rng.uniform(280, 340, 60), rng.uniform(190, 240, 60)])
    low = np.column_stack([low, rng.uniform(90, 120, 60)])
    far = rng.uniform(0, 240, (40, 3))
    low = np.concatenate([low, far])
    rois = np.column_stack([np.zeros(100), low, low + rng.uniform(2, 24, (100, 3))])
    with h5py.File("r.h5", "w") as file:
        file["rois"] = rois
    options = "operator='roi-align-3d', output_size=(3, 4, 5)"
    peak = peak_beyond_libraries("maps", "192M", options)
    assert peak < 192 << 20
    with h5py.File("f.h5") as file:
        part = file["maps"][:, :, :170, :300, :400].astype(np.float32)
    near = (rois[:, 4:] < [395, 295, 165]).all(axis=1)
    expected = roi_align_3d(part, rois[near], (3, 4, 5))
    np.testing.assert_allclose(np.load("c.npy")[near], expected, atol=2e-3)
