"""What the engine offers; see `lucid.roi.engines.Engine`."""

from lucid.roi.engines.numpy import largest, solid_maxima, turned, turned_maxima
from lucid.roi.engines.numpy.backward import box_gradient, pool_adjoint
from lucid.roi.engines.numpy.forward import pool, pool_few
from lucid.roi.engines.numpy.memory import working_bytes

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
