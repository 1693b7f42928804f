"""The engine that is always there: matrix products by NumPy."""

from lucid.roi.engines.numpy.backward import box_gradient, pool_adjoint
from lucid.roi.engines.numpy.forward import pool
from lucid.roi.engines.numpy.memory import working_bytes

__all__ = ["box_gradient", "pool", "pool_adjoint", "working_bytes"]
