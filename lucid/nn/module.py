"""`Module`: something that is called on Tensors and may hold some of its own."""

from collections.abc import Iterator
from typing import Any, Self

from lucid._tensor import Tensor


class Module:
    """Base of everything with a `forward`.

    Attributes that are Tensors requiring a gradient are the parameters; those that are Modules
    are part of this one.

    Examples
    --------
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Tensor(2.0, requires_grad=True)
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(Tensor(3.0))
    Tensor(6., requires_grad=True)
    >>> len(list(scale.parameters()))
    1
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; subclasses say how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result."""
        return self.forward(*args, **kwargs)

    def parameters(self) -> Iterator[Tensor]:
        """Yield each Tensor here and in inner modules that requires a gradient, once."""
        seen: set[int] = set()
        for module in self._modules():
            for value in vars(module).values():
                if isinstance(value, Tensor) and value.requires_grad and id(value) not in seen:
                    seen.add(id(value))
                    yield value

    def train(self, mode: bool = True) -> Self:
        """Set `.training` here and in inner modules; return self."""
        for module in self._modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Clear `.training` here and in inner modules; return self."""
        return self.train(False)

    def __repr__(self) -> str:
        inner = (f"{k}={v!r}" for k, v in vars(self).items() if isinstance(v, Module))
        return f"{type(self).__name__}({', '.join(inner)})"

    def _modules(self) -> "list[Module]":
        """Return this module and all inner ones, each once."""
        found: list[Module] = [self]
        for module in found:
            inner = (value for value in vars(module).values() if isinstance(value, Module))
            found += [value for value in inner if not any(value is known for known in found)]
        return found
