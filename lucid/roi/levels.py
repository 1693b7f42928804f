"""Which map of a pyramid each box is pooled from."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid.roi.types import Floats, Ints

CANONICAL_LEVEL = 4.0
CANONICAL_SCALE = 224.0
SLACK = 1e-6  # of levels, so that rounding keeps no box of a round size on a finer map


def levels_of(
    areas: Floats,
    scales: Sequence[float],
    canonical_level: float = CANONICAL_LEVEL,
    canonical_scale: float = CANONICAL_SCALE,
) -> Ints:
    """Return the number of the map of each of L boxes, which have `areas` in input coordinates.

    Equation 1 of Lin et al., "Feature Pyramid Networks" (2017): a box of the canonical scale is
    pooled from the canonical level, one of half its side from the level below. The level of a map
    is log2(1 / its spatial scale). A box has the coarsest map that is not coarser than its level;
    where there is none, the finest; of two maps of one level, the first.
    """
    levels, number = np.unique(-np.log2(scales), return_index=True)
    with np.errstate(divide="ignore"):
        wanted = canonical_level + np.log2(np.sqrt(areas) / canonical_scale)
    at = np.searchsorted(levels, np.floor(wanted + SLACK) + SLACK, side="right")
    found: Ints = number[np.maximum(at - 1, 0)].astype(np.int64)
    return found


def as_scales(value: Any, name: str = "spatial_scales") -> tuple[float, ...]:
    """Return the spatial scales of the maps of a pyramid, one number each."""
    try:
        scales = tuple(map(float, value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be a number for each map, got {value!r}") from None
    if not scales or not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise ValueError(f"{name} must be finite and > 0, one for each map, got {value!r}")
    return scales


def as_canonical(level: Any, scale: Any) -> tuple[float, float]:
    """Return the level that boxes of a scale belong to, and the scale in input coordinates."""
    try:
        pair = float(level), float(scale)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"canonical must be two numbers, got {level!r}, {scale!r}") from None
    if not math.isfinite(pair[0]):
        raise ValueError(f"canonical_level must be finite, got {level}")
    if not (math.isfinite(pair[1]) and pair[1] > 0):
        raise ValueError(f"canonical_scale must be finite and > 0, got {scale}")
    return pair
