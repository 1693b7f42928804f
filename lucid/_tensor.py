"""`Tensor`: an array that remembers how it was computed, so that gradients can flow back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lucid import _graph
from lucid._ops import OPS, unbroadcast
from lucid.errors import DTypeError, GradientError, ShapeError
from lucid.roi.interchange import as_numpy

Array = NDArray[Any]
Operand: TypeAlias = "Tensor | ArrayLike"


class Tensor:
    """An array with a gradient.

    Parameters
    ----------
    data : array_like or Tensor
        Real numbers. An ndarray is not copied.
    requires_grad : bool
        Whether `backward` is to leave the gradient in `.grad`; floats only.
    dtype : dtype, optional
        Of the data; as NumPy infers it unless given.

    Raises
    ------
    DTypeError
        If the data are not real numbers of at most 64 bits.
    GradientError
        If integers are to require a gradient.

    Notes
    -----
    Tensors exist so that a loss on crops reaches features and boxes; they have what this takes.
    Arrays and numbers that meet a Tensor in an operation are constants. So is a Tensor that does
    not require a gradient at that time: setting `requires_grad` acts on later operations.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_node", "data", "grad", "requires_grad")
    __array_ufunc__ = None  # so that `array * tensor` asks the Tensor

    data: Array
    grad: Array | None
    requires_grad: bool

    def __init__(
        self, data: Operand, requires_grad: bool = False, dtype: DTypeLike | None = None
    ) -> None:
        try:
            given = data.data if isinstance(data, Tensor) else as_numpy(data, "data")
            array = np.asarray(given, dtype=dtype)
        except ValueError as error:  # rows of different lengths
            raise ShapeError(f"data must be a regular array: {error}") from None
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise DTypeError(f"data must be real numbers of at most 64 bits, got {array.dtype}")
        if requires_grad and array.dtype.kind != "f":
            raise GradientError(f"only floats can require a gradient, got {array.dtype}")
        self.data = array
        self.grad = None
        self.requires_grad = bool(requires_grad)
        self._node: _graph.Node | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of values."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The kind of the values."""
        return self.data.dtype

    def backward(self, gradient: Operand | None = None) -> None:
        """Add the gradient of this value to the `.grad` of every leaf that it was computed from.

        Parameters
        ----------
        gradient : array_like or Tensor of this shape, optional
            Derivative of the loss by this Tensor; ones unless given.

        Raises
        ------
        GradientError
            If nothing that this was computed from requires a gradient, or the graph was walked
            already: a walk frees it.
        ShapeError
            If `gradient` has another shape.
        """
        if not self.requires_grad:
            raise GradientError("backward() needs a Tensor that requires a gradient")
        seed = np.ones_like(self.data) if gradient is None else Tensor(gradient).data
        if seed.shape != self.shape:
            raise ShapeError(f"gradient must have shape {self.shape}, got {seed.shape}")
        _graph.backward(self, seed)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def detach(self) -> Tensor:
        """Return a Tensor of the same data, not a copy, that does not know where it is from."""
        return Tensor(self.data)

    def numpy(self) -> Array:
        """Return the data, not a copy."""
        return self.data

    def item(self) -> float | int | bool:
        """Return the only value as a Python number."""
        value: float | int | bool = self.data.item()
        return value

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self.data.tolist()

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Return the sum over axes, all unless given."""
        return apply("sum", self, axis=axis, keepdims=keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Return the mean over axes, all unless given."""
        return apply("mean", self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """Return the values in the same order in another shape."""
        return apply("reshape", self, shape=_unpacked(shape))

    def transpose(self, *axes: Any) -> Tensor:
        """Return the values with axes in another order, reversed unless given."""
        return apply("transpose", self, axes=_unpacked(axes) if axes else None)

    def __getitem__(self, index: Any) -> Tensor:
        return apply("getitem", self, index=_raw_index(index))

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __dlpack__(self, **options: Any) -> Any:
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self.data.__dlpack_device__()
        return device

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is None:
            return np.asarray(self.data, dtype=dtype)
        return np.array(self.data, dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __repr__(self) -> str:
        grad = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self.data, separator=', ', prefix='Tensor(')}{grad})"

    def __neg__(self) -> Tensor:
        return apply("neg", self)

    def __add__(self, other: Operand) -> Tensor:
        return apply("add", self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return apply("add", other, self)

    def __sub__(self, other: Operand) -> Tensor:
        return apply("sub", self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return apply("sub", other, self)

    def __mul__(self, other: Operand) -> Tensor:
        return apply("mul", self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return apply("mul", other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return apply("div", self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return apply("div", other, self)

    def __pow__(self, other: Operand) -> Tensor:
        return apply("pow", self, other)

    def __rpow__(self, other: Operand) -> Tensor:
        return apply("pow", other, self)

    def __matmul__(self, other: Operand) -> Tensor:
        return apply("matmul", self, other)

    def __rmatmul__(self, other: Operand) -> Tensor:
        return apply("matmul", other, self)


def apply(name: str, *operands: Operand, **options: Any) -> Tensor:
    """Compute an operation of the table and record it."""
    op = OPS[name]
    values = [_constant(operand) for operand in operands]
    out = op.forward(*values, **options)

    def pull(g: Array, wanted: list[bool]) -> tuple[Array | None, ...]:
        return tuple(
            unbroadcast(rule(g, out, *values, **options), value.shape) if want else None
            for rule, value, want in zip(op.rules, values, wanted, strict=True)
        )

    return record(out, operands, pull)


def record(out: Array, operands: tuple[Operand, ...], pull: Any) -> Tensor:
    """Return `out` as a Tensor, in the graph if an operand requires a gradient.

    `pull(g, wanted)` gives each operand's share of the gradient, None where it is not wanted. The
    operands that require a gradient now are its parents; one that does so later is a constant here.
    """
    result = Tensor(out)
    wanted = [isinstance(operand, Tensor) and operand.requires_grad for operand in operands]
    if any(wanted) and _graph.is_recording():
        parents = tuple(o for o in operands if isinstance(o, Tensor) and o.requires_grad)
        result.requires_grad = True
        result._node = _graph.Node(parents, partial(_wanted_shares, pull, wanted))
    return result


def _wanted_shares(pull: Any, wanted: list[bool], g: Array) -> tuple[Array, ...]:
    """Return the shares of a gradient that are wanted."""
    return tuple(compress(pull(g, wanted), wanted))


def _raw(operand: Operand) -> Any:
    return operand.data if isinstance(operand, Tensor) else operand


def _constant(operand: Operand) -> Any:
    """Return what NumPy is to compute with: Python numbers stay, so that they adapt to dtypes."""
    value = _raw(operand)
    return value if isinstance(value, (int, float, np.ndarray, np.generic)) else np.asarray(value)


def _unpacked(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Take `f(2, 3)` and `f((2, 3))` alike."""
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        return tuple(arguments[0])
    return arguments


def _raw_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_raw(part) for part in index)
    return _raw(index)
