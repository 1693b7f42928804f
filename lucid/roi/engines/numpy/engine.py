"""What the engine offers; see `lucid.roi.engines.Engine`."""

from lucid.roi.engines.numpy import largest, turned
from lucid.roi.engines.numpy.backward import box_gradient, pool_adjoint
from lucid.roi.engines.numpy.forward import pool
from lucid.roi.engines.numpy.memory import working_bytes

__all__ = ["box_gradient", "largest", "pool", "pool_adjoint", "turned", "working_bytes"]
