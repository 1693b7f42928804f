"""What the engine holds while it works."""

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import WorkingBytes
from lucid.roi.geometry import TapOperator

TAP_BYTES, WEIGHT_BYTES = 128, 24  # of a tap and a weight, while weights are computed


def working_bytes(
    operator: TapOperator, channels: int, size: tuple[int, int], dtype: DTypeLike
) -> WorkingBytes:
    """Return what is held for RoIs on a part of a map; see `lucid.roi.engines.Engine`."""
    pooled = operator.output_size
    cells = (size[0] + pooled[0]) * size[1]  # channels last, and weighted by row
    weights = max(
        WEIGHT_BYTES * bins * side + TAP_BYTES * taps
        for bins, side, taps in zip(pooled, size, operator.most_taps(size), strict=True)
    )
    return WorkingBytes(region=channels * cells * np.dtype(dtype).itemsize, weights=weights)
