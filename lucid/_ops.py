"""The table of operations: what each computes, and per argument how it pulls a gradient back.

In every rule `g` is the incoming gradient, `out` the result, `x` and `y` the arguments' arrays.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rule = Callable[..., Array]


class Op(NamedTuple):
    """A function of arrays, and the rules of those of its arguments that have a gradient."""

    forward: Callable[..., Any]
    rules: tuple[Rule, ...]


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its argument was repeated."""
    if g.shape == shape:
        return g
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, length in enumerate(shape) if length == 1 != g.shape[i])
    return g.sum(axis=stretched, keepdims=True) if stretched else g


def _spread(g: Array, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Array:
    """Repeat the gradient of a reduction over what was reduced."""
    if axis is not None and not keepdims:
        g = np.expand_dims(g, axis)
    return np.broadcast_to(g, shape)


def _sum_rule(g: Array, out: Array, x: Array, axis: Any, keepdims: bool) -> Array:
    return _spread(g, x.shape, axis, keepdims)


def _mean_rule(g: Array, out: Array, x: Array, axis: Any, keepdims: bool) -> Array:
    return _spread(g, x.shape, axis, keepdims) / (x.size / max(np.size(out), 1))


def _transpose_rule(g: Array, out: Array, x: Array, axes: Any) -> Array:
    return np.transpose(g, None if axes is None else np.argsort([axis % x.ndim for axis in axes]))


def _getitem_rule(g: Array, out: Array, x: Array, index: Any) -> Array:
    whole = np.zeros(x.shape, g.dtype)
    np.add.at(whole, index, g)
    return whole


def _power_base(g: Array, out: Array, x: Any, y: Any) -> Array:
    slope: Array = y * x ** np.where(y, y - 1, 1)
    return g * slope


def _power_exponent(g: Array, out: Array, x: Any, y: Any) -> Array:
    return g * out * np.log(np.where(np.asarray(x) > 0, x, 1))


def _matmul_left(g: Array, out: Array, x: Array, y: Array) -> Array:
    g, _, columns = _as_matrices(g, x, y)
    return _fold(g @ np.swapaxes(columns, -1, -2), x, 0)


def _matmul_right(g: Array, out: Array, x: Array, y: Array) -> Array:
    g, rows, _ = _as_matrices(g, x, y)
    return _fold(np.swapaxes(rows, -1, -2) @ g, y, -1)


def _as_matrices(g: Array, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Give the vectors of a product the axis that `@` lent them."""
    if y.ndim == 1:
        g, y = g[..., None], y[:, None]
    if x.ndim == 1:
        g, x = np.expand_dims(g, -2), x[None, :]
    return g, x, y


def _fold(gradient: Array, x: Array, lent: int) -> Array:
    """Bring a product's gradient to the shape of `x`, whose axis `lent` was lent if it is 1-D."""
    shape = np.expand_dims(x, lent).shape if x.ndim == 1 else x.shape
    return unbroadcast(gradient, shape).reshape(x.shape)


OPS: dict[str, Op] = {
    "add": Op(np.add, (lambda g, out, x, y: g, lambda g, out, x, y: g)),
    "sub": Op(np.subtract, (lambda g, out, x, y: g, lambda g, out, x, y: -g)),
    "mul": Op(np.multiply, (lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)),
    "div": Op(np.divide, (lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y)),
    "pow": Op(np.power, (_power_base, _power_exponent)),
    "matmul": Op(np.matmul, (_matmul_left, _matmul_right)),
    "neg": Op(np.negative, (lambda g, out, x: -g,)),
    "sum": Op(np.sum, (_sum_rule,)),
    "mean": Op(np.mean, (_mean_rule,)),
    "reshape": Op(
        lambda x, shape: x.reshape(shape), (lambda g, out, x, shape: g.reshape(x.shape),)
    ),
    "transpose": Op(np.transpose, (_transpose_rule,)),
    "getitem": Op(lambda x, index: x[index], (_getitem_rule,)),
}
