"""The core: RoIs and feature maps to crops, in NumPy alone.

An operator says which cells each bin reads (`operators`), an engine computes crops and gradients
from that (`engines`); they meet in `geometry` and `taps` and do not know each other. Arrays come
in by `pooling`, files by `lucid.stream`. The docstring of `lucid.roi.engines.numpy` shows the way
from boxes to crops.
"""

from lucid.roi import forms, operators
from lucid.roi.engines.selection import get_engine, set_engine
from lucid.roi.geometry import Geometry, Operator, lay_out
from lucid.roi.operator import compute_dtype, crop_dtype
from lucid.roi.operators import RoiAlign
from lucid.roi.pooling import (
    box_gradient,
    check_features,
    empty_crops,
    pool,
    pool_adjoint,
    pool_into,
)
from lucid.roi.table import RoiReport, RoiTable, as_rois
from lucid.roi.threads import get_num_threads, set_num_threads

__all__ = [
    "Geometry",
    "Operator",
    "RoiAlign",
    "RoiReport",
    "RoiTable",
    "as_rois",
    "box_gradient",
    "check_features",
    "compute_dtype",
    "crop_dtype",
    "empty_crops",
    "forms",
    "get_engine",
    "get_num_threads",
    "lay_out",
    "operators",
    "pool",
    "pool_adjoint",
    "pool_into",
    "set_engine",
    "set_num_threads",
]
