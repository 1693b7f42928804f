"""What the engine holds while it works."""

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import WorkingBytes
from lucid.roi.geometry import Operator

TAP_BYTES, WEIGHT_BYTES = 128, 24  # of a tap and a weight, while weights are computed


def working_bytes(
    operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
) -> WorkingBytes:
    """Return what is held for RoIs on a part of a map; see `lucid.roi.engines.Engine`."""
    (height, width), pooled = size, operator.output_size
    cells = (height + pooled[0]) * width  # channels last, and weighted by row
    axes = zip(pooled, size, operator.most_taps(size), strict=True)
    weights = max(WEIGHT_BYTES * bins * side + TAP_BYTES * taps for bins, side, taps in axes)
    return WorkingBytes(region=channels * cells * np.dtype(dtype).itemsize, weights=weights)
