"""Random Tensors, from one generator that `seed` restarts."""

import numpy as np

from lucid._tensor import Tensor

_generator = np.random.default_rng()


def seed(value: int | None = None) -> None:
    """Restart the generator; the same seed gives the same numbers, None gives fresh ones."""
    global _generator  # noqa: PLW0603 - one generator for the process is the point
    _generator = np.random.default_rng(value)


def rand(*shape: int, requires_grad: bool = False) -> Tensor:
    """Return float32 values of this shape, uniform in [0, 1).

    Examples
    --------
    >>> seed(0)
    >>> rand(2, 3).shape
    (2, 3)
    """
    return Tensor(_generator.random(shape, np.float32), requires_grad)


def randn(*shape: int, requires_grad: bool = False) -> Tensor:
    """Return float32 values of this shape, normal with mean 0 and variance 1.

    Examples
    --------
    >>> randn(1, 256, 32, 32).shape
    (1, 256, 32, 32)
    """
    return Tensor(_generator.standard_normal(shape, np.float32), requires_grad)


def uniform(
    low: float = 0.0, high: float = 1.0, size: tuple[int, ...] = (), requires_grad: bool = False
) -> Tensor:
    """Return float32 values of shape `size`, uniform in [low, high).

    Examples
    --------
    >>> bool((uniform(2, 4, size=(100,)).numpy() >= 2).all())
    True
    """
    values = (_generator.random(size) * (high - low) + low).astype(np.float32)
    below = np.nextafter(np.float32(high), np.float32(low))  # rounding may arrive at high
    return Tensor(np.minimum(values, below), requires_grad)
