"""How well boxes fill their maps under a guess."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lucid.fitter.guesses import Guess
from lucid.fitter.sight import Floats, Sight

LEAST_OF_BEST = 0.25  # of how well maps have their sizes, below which a guess is not followed
MANY = 200  # boxes, of which a few may be odd
LEAST_OF_UNLIKE = 0.1  # that is left of a fit where no map has the size that it should have


class Fit(NamedTuple):
    """A guess, and what speaks for it."""

    guess: Guess
    cells: Floats  # (k, 4)
    inside: float  # the mean share of boxes that is on the map, of what is there of pictures
    fills: tuple[float, float]  # the share of height and width of pictures that boxes span
    maps: float  # the share of maps whose size is as it should be

    @property
    def value(self) -> float:
        """From 0 to 1: boxes are on the map, span the picture, and the map is of such a one."""
        unlike = LEAST_OF_UNLIKE + (1 - LEAST_OF_UNLIKE) * self.maps
        return self.inside * self.fills[0] * self.fills[1] * unlike


def fits_of(guesses: Iterable[Guess], sight: Sight) -> list[Fit]:
    """Return how well boxes fill maps under guesses; under those that explain the sizes of maps."""
    by_frame: dict[Guess, list[Guess]] = {}
    for guess in guesses:
        by_frame.setdefault(guess._replace(form=""), []).append(guess)
    matching = {frame: frame.matching_maps(sight) for frame in by_frame}
    least = max(matching.values()) * LEAST_OF_BEST
    return [
        fit(guess, sight, matching[frame])
        for frame, some in by_frame.items()
        for guess in some
        if matching[frame] >= least
    ]


def fit(guess: Guess, sight: Sight, maps: float) -> Fit:
    """Return how well boxes fill their maps under a guess."""
    cells, areas = guess.cells(sight), guess.areas(sight)
    low, high, sides = cells[:, :2], cells[:, 2:], cells[:, 2:] - cells[:, :2]
    lowest, highest = np.maximum(areas[:, :2], 0), np.minimum(areas[:, 2:], sight.limits[:, ::-1])
    within = np.clip(np.minimum(high, highest) - np.maximum(low, lowest), 0, None)
    on_line = (low >= lowest) & (high <= highest)
    share = np.where(sides > 0, within / np.where(sides > 0, sides, 1), on_line)
    share = np.where((sides < 0).any(axis=1), 0, share.prod(axis=1))
    start, extent = lowest, np.maximum(highest - lowest, 1e-9)
    first = _lowest((low - start) / extent)
    last = -_lowest((start - high) / extent)
    across, down = (np.clip(last, 0, 1) - np.clip(first, 0, 1)).clip(0).tolist()
    seen = (highest - lowest).clip(0) / np.maximum(areas[:, 2:] - areas[:, :2], 1e-9)
    inside = min(float(share.mean() / max(seen.prod(axis=1).mean(), 1e-9)), 1.0)
    return Fit(guess, cells, inside, (down, across), maps)


def _lowest(values: Floats) -> Floats:
    """Return the lowest values along each axis; of many, but for a few odd ones."""
    if len(values) > MANY:
        lowest: Floats = np.quantile(values, 0.005, axis=0)
        return lowest
    return np.asarray(values.min(axis=0))


def distinct(fits: list[Fit], near: float = 0.1, of_a_rule: float = 0.3) -> list[Fit]:
    """Return fits without those that put boxes where a less odd one does, within some cells.

    Fits by one rule of resizing, to inputs of other sizes, may differ by more.
    """
    kept: list[Fit] = []
    for one in sorted(fits, key=lambda fit: fit.guess.oddity):
        rule = one.guess.rule and one.guess.rule.name
        names = (other.guess.rule and other.guess.rule.name for other in kept)
        reach = [of_a_rule if rule and name == rule else near for name in names]
        if not any(apart(one, other) < most for other, most in zip(kept, reach, strict=True)):
            kept.append(one)
    return kept


def apart(one: Fit, other: Fit) -> float:
    """Return how far the boxes of two guesses lie apart, in cells."""
    return float(np.abs(one.cells - other.cells).max())
