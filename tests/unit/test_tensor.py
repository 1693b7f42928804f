"""Tensors: what they hold, and gradients of every operation against finite differences."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lucid
from lucid import DTypeError, GradientError, ShapeError, Tensor


def test_it_has_what_its_array_has():
    x = Tensor([[1, 2, 3], [4, 5, 6]])
    assert (x.shape, x.ndim, x.size, x.dtype) == ((2, 3), 2, 6, np.int64)
    assert x.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert len(x) == 2
    assert [row.tolist() for row in x] == x.tolist()
    assert Tensor(2.5).item() == float(Tensor(2.5)) == 2.5
    assert int(Tensor(3)) == 3
    assert bool(Tensor(1))
    np.testing.assert_array_equal(np.asarray(x, np.float32), [[1, 2, 3], [4, 5, 6]])
    assert repr(Tensor([1.0], requires_grad=True)) == "Tensor([1.], requires_grad=True)"


def test_an_array_is_not_copied():
    array = np.zeros(3)
    x = Tensor(array)
    assert x.numpy() is x.detach().numpy() is array
    assert np.asarray(x) is array
    assert np.array(x) is not array


@pytest.mark.parametrize("data", [1j, np.longdouble(1), "text", None, [object()]])
def test_what_is_no_real_number_is_refused(data):
    with pytest.raises(DTypeError, match="data must be real numbers"):
        Tensor(data)


def test_ragged_data_is_refused():
    with pytest.raises(ShapeError, match="regular"):
        Tensor([[1, 2], [3]])


def test_only_floats_require_gradients():
    with pytest.raises(GradientError, match="only floats"):
        Tensor([1, 2], requires_grad=True)


OPERATIONS = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "neg": lambda x, y: -x * y,
    "radd": lambda x, y: 2 + x + (1 - y) + 3 * y + 2 / x + 2**y,
    "array first": lambda x, y: np.full((2, 3), 2.0) * x - np.ones((2, 3)) / y,
    "sum": lambda x, y: x.sum(axis=1) * y.sum() + y.sum(axis=(0, 1)) - x.sum(0, True)[0, 1],
    "mean": lambda x, y: x.mean(axis=-1, keepdims=True) * y.mean() * x.mean(axis=0),
    "reshape": lambda x, y: x.reshape(3, 2) * y.reshape((3, -1)),
    "transpose": lambda x, y: x.transpose() * y.transpose((1, 0)) + x.transpose(-1, 0),
    "matmul": lambda x, y: x @ y.transpose() @ x,
    "vectors": lambda x, y: (x[0] @ y[1]) * (x @ y[0]) + (y.transpose()[:, 1] @ x.transpose())[1],
    "stacks": lambda x, y: x.reshape(2, 1, 1, 3) @ y.reshape(1, 2, 3, 1) + y[0] @ x.transpose(),
    "getitem": lambda x, y: x[1] * y[:, ::2].sum() + x[[0, 0, 1], [1, 1, 2]] + x[None][0, 0],
    "mask": lambda x, y: x[y.numpy() > 1] * 2.0,
    "reuse": lambda x, y: x * x + (x * y) * x,
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradients_are_what_finite_differences_say(rng, name):
    """<g, Jv> by a central difference against <J'g, v>, for one random g and v."""
    function = OPERATIONS[name]
    values = rng.uniform(0.5, 2, (2, 2, 3))
    v = rng.standard_normal(values.shape)
    x, y = (Tensor(part, requires_grad=True) for part in values)
    out = function(x, y)
    g = rng.standard_normal(out.shape)
    out.backward(g)
    step = 1e-6
    ahead, behind = (
        np.asarray(function(*map(Tensor, values + sign * step * v))) for sign in (1, -1)
    )
    expected = np.vdot(g, ahead - behind) / (2 * step)
    found = [np.zeros((2, 3)) if leaf.grad is None else leaf.grad for leaf in (x, y)]
    assert np.vdot(found, v) == pytest.approx(expected, rel=1e-6)


@given(st.sampled_from([(), (1,), (3,), (2, 1), (2, 3), (1, 1, 3)]))
def test_broadcasting_is_undone(shape):
    small = Tensor(np.full(shape, 2.0), requires_grad=True)
    big = Tensor(np.ones((4, 2, 3)), requires_grad=True)
    (small * big).sum().backward()
    assert small.grad.shape == shape
    np.testing.assert_array_equal(small.grad, np.full(shape, 24 / small.size))
    np.testing.assert_array_equal(big.grad, np.full((4, 2, 3), 2.0))


def test_powers_at_zero_have_finite_gradients():
    x, y = Tensor([0.0, 0.0], requires_grad=True), Tensor([0.0, 2.0], requires_grad=True)
    (x**y).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0])
    np.testing.assert_array_equal(y.grad, [0, 0])


def test_numbers_and_arrays_adapt_to_the_tensor():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    assert (x * 2.0 + 1).dtype == np.float32
    out = np.arange(2.0) * x
    assert isinstance(out, Tensor)
    out.sum().backward()
    assert x.grad.dtype == np.float32


def test_leaves_accumulate_until_zero_grad():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        (x * 3).backward()
    np.testing.assert_array_equal(x.grad, [6, 6])
    assert isinstance(x.grad, np.ndarray)
    x.zero_grad()
    assert x.grad is None


def test_a_scalar_leaf_has_an_array_as_gradient():
    x = Tensor(2.0, requires_grad=True)
    (x * x).backward()
    assert isinstance(x.grad, np.ndarray)
    assert x.grad == 4


def test_backward_without_a_graph_is_an_error():
    with pytest.raises(GradientError, match="requires a gradient"):
        Tensor([1.0]).backward()


def test_the_graph_is_freed_by_the_first_walk():
    x = Tensor([1.0], requires_grad=True)
    out = (x * x).sum()
    out.backward()
    with pytest.raises(GradientError, match="freed"):
        out.backward()
    np.testing.assert_array_equal(x.grad, [2])


def test_a_walk_that_fails_leaves_gradients_as_they_were():
    x, w = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    y = x * 2
    other = (y * w).sum()
    y.sum().backward()
    with pytest.raises(GradientError, match="freed"):
        other.backward()
    assert w.grad is None
    np.testing.assert_array_equal(x.grad, [2])


def test_the_walk_frees_what_it_has_passed():
    x = Tensor([1.0], requires_grad=True)
    middle = x * 2
    watch = weakref.ref(middle)
    out = (middle * 3).sum()
    del middle
    out.backward()
    assert watch() is None


@pytest.mark.parametrize("gradient", [[1j, 1j], ["a", "b"]])
def test_a_gradient_of_no_real_numbers_is_refused(gradient):
    with pytest.raises(DTypeError, match="real numbers"):
        Tensor([1.0, 2.0], requires_grad=True).backward(gradient)


def test_an_array_before_the_at_sign():
    x = Tensor(np.array([[1.0, 2], [3, 4]]), requires_grad=True)
    left = np.array([[1.0, 0, 2], [0, 1, 0]])
    np.testing.assert_array_equal((left.T @ x).numpy(), left.T @ x.numpy())
    (left.T @ x).backward()
    np.testing.assert_array_equal(x.grad, np.repeat(left.sum(axis=1)[:, None], 2, axis=1))


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"gradient must have shape \(2,\), got \(3,\)"):
        Tensor([1.0, 2.0], requires_grad=True).backward(np.ones(3))


def test_no_grad_records_nothing_and_ends():
    x = Tensor([1.0], requires_grad=True)

    @lucid.no_grad()
    def quiet():
        return x * 2

    with lucid.no_grad():
        assert not (x * 2).requires_grad
    assert not quiet().requires_grad
    assert (x * 2).requires_grad


def test_detach_stops_the_gradient():
    x = Tensor([3.0], requires_grad=True)
    (x * (x * 2).detach()).backward()
    np.testing.assert_array_equal(x.grad, [6])


@pytest.mark.slow
def test_graphs_may_be_deep():
    """Neither the walk back nor the freeing of an unused graph recurses."""
    x = Tensor(1.0, requires_grad=True)
    deep = x
    for _ in range(5_000):
        deep = deep + 1.0
    deep.backward()
    assert x.grad == 1
    for _ in range(5_000):
        deep = deep + x
    del deep


def test_a_diamond_of_many_paths_is_walked_once():
    """2^60 paths lead from the end to the start."""
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad == 1


def test_a_leaf_of_later_is_a_constant_in_what_was_recorded_before():
    x, w = Tensor([3.0]), Tensor([2.0], requires_grad=True)
    y = x * w
    x.requires_grad = True
    (x * y).backward()
    assert x.grad.tolist() == [6.0]
    assert w.grad.tolist() == [9.0]


def test_a_tensor_that_no_longer_requires_a_gradient_gets_none():
    x, w = (Tensor([2.0], requires_grad=True) for _ in range(2))
    y = x * w
    x.requires_grad = False
    y.backward()
    assert x.grad is None
    assert w.grad.tolist() == [2.0]
