"""From the bins of crops to one value per channel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def mean_of_bins(crops: Array, out: Array) -> None:
    """Write the mean of the bins of crops (k, C, PH, PW), taken in their dtype, to out (k, C).

    Raises
    ------
    FloatingPointError
        If `out` is of a dtype that cannot hold a value.
    """
    bins = crops.reshape(*crops.shape[:2], -1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = bins.mean(axis=2)
    beyond = np.isinf(mean)
    if beyond.any():
        mean[beyond] = _without_overflow(bins[beyond], mean[beyond])
    with np.errstate(over="raise", invalid="ignore"):
        out[...] = mean


def _without_overflow(bins: Array, mean: Array) -> Array:
    """Return means (n,) of bins (n, b) where finite ones have a sum beyond their dtype."""
    half = np.finfo(bins.dtype).max / 2
    with np.errstate(invalid="ignore"):
        halved = (bins / (2 * bins.shape[1])).sum(axis=1)
    finite: Array = np.clip(halved, -half, half) * 2
    return np.where(np.isfinite(bins).all(axis=1), finite, mean)
