"""The number of threads of NumPy's BLAS, and products that are added to parts of a total."""

import sys

import numpy as np
import pytest

import lucid
from lucid.roi.engines.numpy import blas, tuning
from lucid.roi.engines.numpy.rectangles import Rectangle, add_products
from lucid.roi.engines.numpy.tuning import Tuning


@pytest.fixture(params=["float32", "float64"])
def matrices(request, rng):
    """Pairs of matrices that are parts of others, and a total of theirs."""
    some = rng.standard_normal((4, 3, 20)).astype(request.param)[:, :, 2:13]
    others = rng.standard_normal((4, 3, 50)).astype(request.param)[:, :, :31]
    return some, others, rng.standard_normal((25, 90)).astype(request.param)[:, 5:80]


@pytest.mark.parametrize("piece", [1, 2 << 20])
@pytest.mark.parametrize("rows", [1, 3])
def test_products_are_added_to_rectangles(matrices, monkeypatch, rows, piece):
    some, others, total = matrices
    some, others = some[:, :rows], others[:, :rows]
    expected = total.astype(np.float64)
    rectangles = [
        (0, 0, 0, 0, 11, 31),
        (2, 3, 7, 44, 8, 31),
        (3, 10, 24, 74, 1, 1),
        (1, 2, 3, 4, 0, 5),
    ]
    for k, first, top, left, m, n in rectangles:
        for i in range(m):
            for j in range(n):
                for each in range(rows):
                    expected[top + i, left + j] += (
                        float(some[k, each, first + i]) * others[k, each, j]
                    )
    monkeypatch.setattr(tuning, "current", Tuning(product_bytes=piece))
    add_products(some, others, total, map(Rectangle._make, rectangles))
    tolerance = 8 * np.finfo(total.dtype).eps * np.abs(expected).max()
    np.testing.assert_allclose(total, expected, rtol=0, atol=tolerance)


def test_the_blas_of_the_wheels_of_numpy_has_its_threads_counted():
    name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if name != "scipy-openblas" or sys.platform == "win32":
        pytest.skip("it is another")
    assert blas.look_up("openblas_get_num_threads")() >= 1


def test_another_library_is_done_without(monkeypatch):
    monkeypatch.setattr(blas, "look_up", lambda name: None)
    get, put = blas.thread_count.__wrapped__()
    put(3)
    assert get() == 1


def test_the_configuration_says_what_is_used():
    text = lucid.show_config()
    for each in (lucid.__version__, np.__version__, "threads", "engine: "):
        assert each in text
