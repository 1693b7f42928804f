"""What the engine holds while it works."""

import math

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import WorkingBytes
from lucid.roi.engines.compiled.door import channels_at_once
from lucid.roi.engines.compiled.forward import CAST_BYTES
from lucid.roi.geometry import Operator

TAP_BYTES = 160  # of a tap, while it is listed and merged
BIN_BYTES = 8  # of a bin of a line


def working_bytes(
    operator: Operator, channels: int, size: tuple[int, int], dtype: DTypeLike
) -> WorkingBytes:
    """Return what is held for RoIs on a part of a map; see `lucid.roi.engines.Engine`."""
    cells, itemsize = math.prod(size), np.dtype(dtype).itemsize
    # Cells side by side, as cast before; lines that are weighted by row; bins.
    values = 2 * cells + 2 * size[1] + 3 * math.prod(operator.output_size)
    region = values * min(channels_at_once(cells, itemsize), channels) * itemsize
    taps = TAP_BYTES * sum(operator.most_taps(size)) + BIN_BYTES * sum(operator.output_size)
    return WorkingBytes(region=region + CAST_BYTES, weights=taps)
