"""From planes to what is drawn of them: the range of a scale of colours, and colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST, MOST = 0.5, 99.5  # percentiles that a scale spans: single cells may be far beyond


class Range(NamedTuple):
    """The values at the ends of a scale of colours; three each, if planes are colours."""

    low: Floats
    high: Floats
    beyond: tuple[bool, bool]  # whether there are values below it and above

    def shares(self, plane: Floats) -> Floats:
        """Return where on the scale values are, from 0 to 1; what is not finite stays so."""
        with np.errstate(invalid="ignore"):
            shares: Floats = np.clip((plane - self.low) / (self.high - self.low), 0, 1)
        return shares


def range_of(planes: Iterable[Floats]) -> Range:
    """Return the range of the finite values of planes, without the few most extreme."""
    found = list(planes)
    colors = found[0].ndim == 3 if found else False
    flat = [plane.reshape(-1, 3 if colors else 1) for plane in found]
    values = np.concatenate(flat) if flat else np.zeros((1, 1))
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        values = np.zeros((1, values.shape[1]))
    low, high = np.percentile(values, [LEAST, MOST], axis=0)
    same = high <= low
    low, high = np.where(same, low - 0.5, low), np.where(same, high + 0.5, high)
    beyond = bool((values < low).any()), bool((values > high).any())
    return Range(low, high, beyond)


def ranges_of(planes: Sequence[Floats], crops: Sequence[Floats], shared: bool) -> list[Range]:
    """Return the range of each plane and then of each crop; the planes say a shared one."""
    if shared:
        return [range_of(planes or crops)] * (len(planes) + len(crops))
    return [range_of([one]) for one in (*planes, *crops)]
