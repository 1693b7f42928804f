"""The engine in C: the same bits on any machine. Importing it fails where it was not built."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lucid.roi.engines.compiled import _kernel, _largest, _solid, _turned  # noqa: F401 - all built
from lucid.roi.engines.compiled.backward import box_gradient, pool_adjoint
from lucid.roi.engines.compiled.forward import pool, pool_few
from lucid.roi.engines.compiled.memory import working_bytes

if TYPE_CHECKING:
    from lucid.roi.engines.compiled import largest, solid_maxima, turned, turned_maxima

__all__ = [
    "box_gradient",
    "largest",
    "pool",
    "pool_adjoint",
    "pool_few",
    "solid_maxima",
    "turned",
    "turned_maxima",
    "working_bytes",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lucid.roi.engines.compiled' has no attribute {name!r}")
    return import_module(f"lucid.roi.engines.compiled.{name}")  # which few operators need
