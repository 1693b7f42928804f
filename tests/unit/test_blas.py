"""What is asked of NumPy's BLAS directly is what NumPy itself would give."""

import sys

import numpy as np
import pytest

from lucid.roi import blas
from lucid.roi.blas import addition, transposition


def test_blas_transposes(rng):
    transpose = transposition()
    if transpose is None:
        pytest.skip("this BLAS does not")
    some = rng.standard_normal((5, 37, 80)).astype(np.float32)[:, :, 3:70]
    some[0, 0, :4] = np.nan, np.inf, -0.0, 1e-42
    others = np.empty((5, 67, 40), np.float32)[:, :, :37]
    transpose(some, others)
    np.testing.assert_array_equal(others, some.swapaxes(1, 2))
    np.testing.assert_array_equal(np.signbit(others), np.signbit(some.swapaxes(1, 2)))
    with pytest.raises(ValueError, match="cannot be transposed"):
        transpose(some, others[:, :-1])


@pytest.fixture(params=["float32", "float64"])
def matrices(request, rng):
    """Pairs of matrices that are parts of others, and a total of theirs."""
    some = rng.standard_normal((4, 3, 20)).astype(request.param)[:, :, 2:13]
    others = rng.standard_normal((4, 3, 50)).astype(request.param)[:, :, :31]
    return some, others, rng.standard_normal((25, 90)).astype(request.param)[:, 5:80]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
def test_products_are_added_to_rectangles(matrices, rows, own):
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
    add = addition(total.dtype) if own else blas._add_products
    add(some, others, total, iter(rectangles))
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
    add = addition(total.dtype)
    if add is blas._add_products:
        pytest.skip("NumPy does it")
    with pytest.raises(IndexError, match="no rectangle"):
        add(some, others, total, [rectangle])
    np.testing.assert_array_equal(total.base, before)


def test_the_blas_of_the_wheels_of_numpy_is_used():
    name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if name != "scipy-openblas" or sys.platform == "win32":
        pytest.skip("it is another")
    assert transposition() is not None
    for dtype in (np.float32, np.float64):
        assert addition(np.dtype(dtype)) is not blas._add_products


def test_another_library_is_done_without(monkeypatch):
    monkeypatch.setattr(blas, "_function", lambda name: (None, None))
    get, put = blas.thread_count.__wrapped__()
    put(3)
    assert get() == 1
    assert transposition.__wrapped__() is None
    assert addition.__wrapped__(np.dtype(np.float32)) is blas._add_products


def test_a_library_that_does_something_else_is_done_without(monkeypatch):
    """Such as one of integers of another size than its name says."""

    def idle(*arguments):
        pass

    monkeypatch.setattr(blas, "_function", lambda name: (idle, int))
    assert transposition.__wrapped__() is None
    assert addition.__wrapped__(np.dtype(np.float32)) is blas._add_products
