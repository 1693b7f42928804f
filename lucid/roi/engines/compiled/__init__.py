"""The engine in C: the same bits on any machine. Importing it fails where it was not built."""

from lucid.roi.engines.compiled import largest, solid_maxima, turned, turned_maxima
from lucid.roi.engines.compiled.backward import box_gradient, pool_adjoint
from lucid.roi.engines.compiled.forward import pool, pool_few
from lucid.roi.engines.compiled.memory import working_bytes

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
