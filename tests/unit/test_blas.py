"""What is asked of NumPy's BLAS directly is what NumPy itself would give."""

import os
import sys

import numpy as np
import pytest

import lucid
from lucid.roi.engines.numpy import blas, tuning
from lucid.roi.engines.numpy.blas import (
    SWITCH,
    Rectangle,
    gemm_accumulate,
    gemm_way,
    transpose_f32,
    transpose_way,
)
from lucid.roi.engines.numpy.tuning import Tuning


def test_blas_transposes(rng):
    if transpose_way().function is None:
        pytest.skip("this BLAS does not")
    some = rng.standard_normal((5, 37, 80)).astype(np.float32)[:, :, 3:70]
    some[0, 0, :4] = np.nan, np.inf, -0.0, 1e-42
    others = np.empty((5, 67, 40), np.float32)[:, :, :37]
    assert transpose_f32(some, others)
    np.testing.assert_array_equal(others, some.swapaxes(1, 2))
    np.testing.assert_array_equal(np.signbit(others), np.signbit(some.swapaxes(1, 2)))
    with pytest.raises(ValueError, match="cannot be transposed"):
        transpose_f32(some, others[:, :-1])


@pytest.fixture(params=["float32", "float64"])
def matrices(request, rng):
    """Pairs of matrices that are parts of others, and a total of theirs."""
    some = rng.standard_normal((4, 3, 20)).astype(request.param)[:, :, 2:13]
    others = rng.standard_normal((4, 3, 50)).astype(request.param)[:, :, :31]
    return some, others, rng.standard_normal((25, 90)).astype(request.param)[:, 5:80]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
def test_products_are_added_to_rectangles(matrices, monkeypatch, rows, own):
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
    monkeypatch.setattr(tuning, "current", Tuning(blas_gemm=own))
    gemm_accumulate(some, others, total, map(Rectangle._make, rectangles))
    tolerance = 8 * np.finfo(total.dtype).eps * np.abs(expected).max()
    np.testing.assert_allclose(total, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "rectangle",
    [
        (4, 0, 0, 0, 1, 1),
        (-1, 0, 0, 0, 1, 1),
        (0, 1, 0, 0, 11, 1),
        (0, -1, 0, 0, 1, 1),
        (0, 0, 25, 0, 1, 1),
        (0, 0, -1, 0, 1, 1),
        (0, 0, 0, 75, 1, 1),
        (0, 0, 0, -1, 1, 1),
        (0, 0, 0, 0, 1, 32),
        (0, 0, 20, 0, 6, 1),
        (0, 3, 3, 0, -2, 2),
    ],
)
def test_nothing_is_written_outside(matrices, rectangle):
    some, others, total = matrices
    before = total.base.copy()
    if gemm_way(total.dtype).function is None:
        pytest.skip("NumPy does it")
    with pytest.raises(IndexError, match="no rectangle"):
        gemm_accumulate(some, others, total, [Rectangle(*rectangle)])
    np.testing.assert_array_equal(total.base, before)


@pytest.mark.parametrize("which", range(3))
def test_what_blas_would_take_for_something_else_is_refused(matrices, which):
    if gemm_way(matrices[2].dtype).function is None:
        pytest.skip("NumPy does it")
    other = {"float32": np.float64, "float64": np.float32}[matrices[2].dtype.name]
    for change in (lambda each: each.astype(other), lambda each: each[..., ::2]):
        given = list(matrices)
        given[which] = change(given[which])
        function = gemm_way(matrices[2].dtype).function
        with pytest.raises(ValueError, match="must lie side by side"):
            function(*given, [Rectangle(0, 0, 0, 0, 1, 1)])


def test_the_blas_of_the_wheels_of_numpy_is_used():
    name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if name != "scipy-openblas" or sys.platform == "win32" or os.environ.get(SWITCH) == "off":
        pytest.skip("it is another, or not asked for")
    assert transpose_way().function
    for dtype in (np.float32, np.float64):
        assert gemm_way(np.dtype(dtype)).function


@pytest.fixture
def _forgetful():
    """What was found out about BLAS before the test does not count in it, nor the reverse."""
    cached = blas.thread_count, blas.transpose_way, blas.gemm_way, blas._look_up
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


def nothing_is_called():
    return not transpose_way().function and not gemm_way(np.dtype(np.float32)).function


@pytest.mark.usefixtures("_forgetful")
def test_another_library_is_done_without(monkeypatch):
    monkeypatch.setattr(blas, "_look_up", lambda name: (None, None, "there is none"))
    get, put = blas.thread_count.__wrapped__()
    put(3)
    assert get() == 1
    assert transpose_way.__wrapped__().function is None
    assert gemm_way.__wrapped__(np.dtype(np.float32)) == (None, "there is none")


@pytest.mark.usefixtures("_forgetful")
def test_the_environment_turns_it_off(monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    assert nothing_is_called()
    assert gemm_way(np.dtype(np.float64)).why == "LUCID_ROIALIGN_BLAS=off"
    assert blas.thread_count()[0]() == 1
    assert "LUCID_ROIALIGN_BLAS=off" in lucid.show_config()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_library_that_does_something_else_is_done_without(monkeypatch, dtype):
    """Such as one of integers of another size than its name says."""

    def idle(*arguments):
        pass

    monkeypatch.setattr(blas, "_look_up", lambda name: (idle, int, name))
    assert transpose_way.__wrapped__() == (None, "cblas_somatcopy gives other results")
    assert gemm_way.__wrapped__(np.dtype(dtype)).function is None


def test_a_function_is_tested_with_several_shapes(monkeypatch):
    """One that fails for rows of one number only is found out."""

    def fails_for_one(a, b, total, rectangles):
        if a.shape[1:] != (1, 1):
            blas.gemm_by_numpy(a, b, total, rectangles)

    dtype = np.dtype(np.float32)
    assert blas._accumulates(blas.gemm_by_numpy, dtype)
    assert not blas._accumulates(fails_for_one, dtype)


def test_the_configuration_says_what_is_used():
    text = lucid.show_config()
    for each in (lucid.__version__, np.__version__, "threads", transpose_way().why):
        assert each in text
