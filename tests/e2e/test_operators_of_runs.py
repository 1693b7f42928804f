"""Runs of every operator: what files hold is what functions of arrays return, to the bit.

An operator more is one entry more in `RUNS`.
"""

import io
import math
from functools import partial

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid.models import utils
from lucid.roi.operators import OPERATORS, of_some
from lucid.stream.options import OPTIONS

SIZE, SCALE = (2, 3), 1 / 16
scaled = {"output_size": SIZE, "spatial_scale": SCALE}
align = partial(utils.roi_align, **scaled)
# Options, and the function that does the same.
RUNS = {
    "limit": ({"sampling_ratio": math.inf}, partial(align, sampling_ratio=math.inf)),
    "renormalize": ({"outside": "renormalize"}, partial(align, outside="renormalize")),
    "max": ({"mode": "max", "sampling_ratio": 2}, partial(align, mode="max", sampling_ratio=2)),
    "max, adaptive": ({"mode": "max"}, partial(align, mode="max")),
    "max_samples": ({"max_samples": 2}, partial(align, max_samples=2)),
    "prroi-pool": ({"operator": "prroi-pool"}, partial(utils.prroi_pool, **scaled)),
}


@pytest.fixture(params=RUNS)
def run(request):
    return RUNS[request.param]


def extract(output, options, features="f.npy", **more):
    said = options if options.get("operator") == "crop-and-resize" else options | scaled
    return lucid.extract(features, "r.npy", output, **said | {"output_size": SIZE} | more)


class TestEveryRun:
    def test_gives_what_the_function_gives(self, files, run, helpers_are_threads):
        options, pool = run
        expected = pool(files.features, files.rois)
        extract("c.npy", options, memory="64M")
        np.testing.assert_array_equal(np.load("c.npy"), expected)
        extract("jobs.npy", options, jobs=2, memory="256M")
        np.testing.assert_array_equal(np.load("jobs.npy"), expected)

    def test_says_what_determines_it_and_resumes_as_that(self, files, run):
        options, _ = run
        extract("c.h5", options)
        with h5py.File("c.h5") as file:
            said = dict(file["crops"].attrs)
        expected = {name: "inf" if value == math.inf else value for name, value in options.items()}
        assert {name: said[name] for name in options} == expected
        assert extract("c.h5", options, resume=True).resumed == len(files.rois)
        with pytest.raises(lucid.SinkError, match=r"c.h5 is complete, but with"):
            extract("c.h5", options, expand=1.5, resume=True)

    def test_takes_expanded_boxes_and_some_channels(self, files, run):
        options, pool = run
        if options.get("operator", "").startswith("ps-"):
            pytest.skip("of these, a channel says which bin it is")
        extract("c.npy", options, expand=1.5, channels=slice(1, None, 2))
        expected = pool(files.features, files.rois, expand=1.5, channels=slice(1, None, 2))
        np.testing.assert_array_equal(np.load("c.npy"), expected)


def test_the_command_takes_operators_and_their_options_from_pipe_to_pipe(files):
    order = np.argsort(files.rois[:, 0], kind="stable")
    np.save("sorted.npy", files.rois[order])
    done = run_here(
        "extract", "--features", "-", "--rois", "sorted.npy", "-o", "-", "--operator",
        "prroi-pool", "--spatial-scale", "1/16", "--channels", "0:4:3", "--expand", 1.2,
        stdin=(files.path / "f.npy").read_bytes(),
    )  # fmt: skip
    assert done.returncode == 0
    assert b"prroi-pool" in done.stderr
    expected = utils.prroi_pool(
        files.features, files.rois[order], 7, SCALE, expand=1.2, channels=slice(0, 4, 3)
    )
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), expected)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_option_that_means_nothing_to_an_operator_is_refused_before_files_are_opened(name):
    values = {"sampling_ratio": 2, "aligned": True, "mode": "max", "outside": "zero",
              "max_samples": 3, "spatial_scale": 0.5}  # fmt: skip
    for option in sorted((of_some() & OPTIONS.keys()) - OPERATORS[name].takes):
        with pytest.raises(ValueError, match=f"{option} means nothing to operator {name}"):
            lucid.extract("nosuch.h5", "nosuch.npy", operator=name, **{option: values[option]})


def test_channels_that_there_are_not_are_an_error(files):
    with pytest.raises(lucid.ShapeError, match="f.npy has 6 channels, and none in slice"):
        lucid.extract("f.npy", "r.npy", "c.npy", channels=slice(6, 9))
