"""The tape: which arrays a value was computed from, and the walk back along it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import GradientError

if TYPE_CHECKING:
    from lucid._tensor import Tensor

Array = NDArray[Any]
Pull = Callable[[Array], tuple[Array, ...]]

_recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside: results do not require gradients. Also a decorator.

    Examples
    --------
    >>> import lucid
    >>> x = lucid.Tensor([1.0, 2.0], requires_grad=True)
    >>> with lucid.no_grad():
    ...     (x * 2).requires_grad
    False
    """
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def is_recording() -> bool:
    """Return whether operations are being recorded."""
    return _recording.get()


class Node:
    """How one value came about: its parents, and the rule that pulls a gradient back to them.

    Parents are the operands that required a gradient when the operation was recorded.
    """

    __slots__ = ("parents", "pull")

    def __init__(self, parents: tuple[Tensor, ...], pull: Pull) -> None:
        self.parents = parents
        self.pull: Pull | None = pull


def backward(root: Tensor, seed: Array) -> None:
    """Add to the `.grad` of every leaf what `seed`, the gradient of `root`, says about it.

    Nodes are freed as they are passed.
    """
    pending: dict[int, Array] = {id(root): seed}
    for tensor in _outputs_first(root):
        gradient = pending.pop(id(tensor)).astype(tensor.dtype, copy=False)
        node = tensor._node
        if node is None:
            if tensor.requires_grad:  # it may have been set back since
                tensor.grad = np.array(gradient if tensor.grad is None else tensor.grad + gradient)
            continue
        pull, parents = node.pull, node.parents
        node.pull, node.parents = None, ()
        for parent, share in zip(parents, pull(gradient) if pull else (), strict=True):
            before = pending.get(id(parent))
            pending[id(parent)] = share if before is None else before + share


def _outputs_first(root: Tensor) -> Iterator[Tensor]:
    """Yield every tensor that the root was computed from, after all computed from it."""
    uses: dict[int, int] = {id(root): 0}
    stack = [root]
    while stack:
        tensor = stack.pop()
        if tensor._node is not None and tensor._node.pull is None:
            raise GradientError("backward() ran through this graph already and freed it")
        for parent in _parents(tensor):
            if id(parent) not in uses:
                stack.append(parent)
            uses[id(parent)] = uses.get(id(parent), 0) + 1
    ready = [root]
    while ready:
        tensor = ready.pop()
        parents = _parents(tensor)
        yield tensor
        for parent in parents:
            uses[id(parent)] -= 1
            if not uses[id(parent)]:
                ready.append(parent)


def _parents(tensor: Tensor) -> tuple[Tensor, ...]:
    return () if tensor._node is None else tensor._node.parents
