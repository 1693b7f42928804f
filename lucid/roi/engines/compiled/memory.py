"""What the engine holds while it works."""

import math

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import WorkingBytes
from lucid.roi.engines.compiled.door import CASTS, channels_at_once
from lucid.roi.geometry import TapOperator

TAP_BYTES = 72  # of a tap, while it is listed and merged


def working_bytes(
    operator: TapOperator, channels: int, size: tuple[int, int], dtype: DTypeLike
) -> WorkingBytes:
    """Return what is held for RoIs on a part of a map; see `lucid.roi.engines.Engine`."""
    cells, itemsize = math.prod(size), np.dtype(dtype).itemsize
    some = min(channels_at_once(cells, itemsize), channels)
    # Cells side by side, lines and bins; some channels as cast before, or crops as cast after.
    values = some * (cells + 2 * size[1] + 3 * math.prod(operator.output_size))
    values += cells * -(-some // CASTS)
    return WorkingBytes(
        region=values * itemsize,
        weights=TAP_BYTES * sum(operator.most_taps(size) + operator.output_size),
    )
