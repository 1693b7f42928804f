"""Which frame and which operator reproduce crops that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lucid.errors import ShapeError
from lucid.fitter.fit import Fit
from lucid.fitter.guesses import Guess
from lucid.fitter.makers import Maker, makers_for
from lucid.fitter.sight import Floats, Sight
from lucid.stream.checks import Held
from lucid.stream.read.arrays import open_source
from lucid.stream.read.source import Source
from lucid.stream.types import Array, Rows

MOST_IMAGES, MOST_ROWS, FEW_ROWS = 6, 48, 8
MOST_CHANNELS, FEW_CHANNELS = 32, 4
MOST_FRAMES, FINALISTS = 120, 24
FRAMES_OF_SLOW = 3  # that makers are tried on which take long
CLEARLY = 10  # times a smaller error
TOLERANCES = {"float64": 1e-9, "float32": 2e-5, "float16": 2e-3}  # of the largest value


class Match(NamedTuple):
    """A frame and a maker, and how far their crops are from the reference."""

    fit: Fit
    maker: Maker
    computed_in: str  # 'float32' or 'float64'
    max_abs_error: float
    reproduces: str  # 'float64', 'float32', 'float16': to which rounding; '' if it does not


class Trial(NamedTuple):
    """Some rows of the reference, and what they may be made from."""

    sight: Sight
    some: Rows  # among the boxes of the sight
    crops: Floats  # (k, C, PH, PW)
    maps: Mapping[int, Array]  # (C, H, W) by image

    def few(self) -> Trial:
        """Return fewer rows and channels, which tell most makers apart."""
        step = max(len(self.some) // FEW_ROWS, 1)
        maps, crops = self.maps, self.crops[::step]
        if crops.shape[1] == len(next(iter(maps.values()))):  # a channel is made of its own
            maps = {image: values[:FEW_CHANNELS] for image, values in maps.items()}
            crops = crops[:, :FEW_CHANNELS]
        return Trial(self.sight, self.some[::step], crops, maps)

    def error(self, guess: Guess, maker: Maker, dtype: str) -> tuple[float, float]:
        """Return how far crops are off, at most and on average; infinity if they are no numbers."""
        made = self._made(guess, maker, np.dtype(dtype))
        with np.errstate(invalid="ignore"):
            off = np.abs(made - self.crops)
        off[(np.isnan(made) & np.isnan(self.crops)) | (made == self.crops)] = 0
        off[np.isnan(off)] = np.inf
        return float(off.max()), float(off.mean())

    def _made(self, guess: Guess, maker: Maker, dtype: np.dtype[Any]) -> Floats:
        as_input = guess._replace(scale=(1.0, 1.0))
        is_plain = maker.operator == "crop-and-resize"  # whose boxes are fractions of the map
        boxes = guess.corners(self.sight) if is_plain else as_input.cells(self.sight)
        made = np.empty_like(self.crops)
        for image, maps in self.maps.items():
            mine = np.flatnonzero(self.sight.index[self.some] == image)
            if len(mine):
                size = self.crops.shape[2], self.crops.shape[3]
                made[mine] = maker(maps.astype(dtype), boxes[self.some[mine]], size, guess.scale)
        return made


def matches(
    reference: str | Held, fits: Sequence[Fit], sight: Sight, given: Mapping[str, Any]
) -> list[Match]:
    """Return frames and makers, those first that come closest to a reference.

    Raises
    ------
    ShapeError
        If it cannot be of these RoIs and maps.
    """
    with open_source(reference, ("crops",), lambda *about: None) as source:
        trial = _trial(source, sight)
    channels = len(next(iter(trial.maps.values())))
    fractions = bool((np.abs(sight.numbers) <= 1.5).mean() > 0.98)
    makers = makers_for(given, is_split=trial.crops.shape[1] < channels, are_fractions=fractions)
    likely = sorted(fits, key=lambda fit: -fit.value)[:MOST_FRAMES]
    fast = [maker for maker in makers if not maker.is_slow]
    found = _closest(trial, likely, fast, source.dtype.name)
    if not any(one.reproduces for one in found):
        slow = [maker for maker in makers if maker.is_slow]
        found += _closest(trial, likely[:FRAMES_OF_SLOW], slow, source.dtype.name)
    return sorted(found, key=lambda match: (_level(match), match.max_abs_error))


def _closest(trial: Trial, fits: Sequence[Fit], makers: Sequence[Maker], dtype: str) -> list[Match]:
    """Return the frames and makers whose crops are closest to a reference of a dtype."""
    few = trial.few()
    tried = sorted(
        (few.error(one.guess, maker, "float32")[1], k, j)
        for k, one in enumerate(fits)
        for j, maker in enumerate(makers)
    )
    scale = max(float(np.abs(trial.crops[np.isfinite(trial.crops)]).max(initial=0)), 1e-30)
    return [_match(trial, fits[k], makers[j], dtype, scale) for _, k, j in tried[:FINALISTS]]


def _level(match: Match) -> int:
    """Return to which rounding a reference is reproduced, 0 the finest."""
    return [*TOLERANCES, ""].index(match.reproduces)


def _match(trial: Trial, fit: Fit, maker: Maker, dtype: str, scale: float) -> Match:
    """Return the match that the better of two precisions gives."""
    errors = {name: trial.error(fit.guess, maker, name) for name in ("float32", "float64")}
    is_double = errors["float64"][0] * CLEARLY < errors["float32"][0]
    name = "float64" if is_double else "float32"
    largest, _ = errors[name]
    names = [one for one in TOLERANCES if largest <= TOLERANCES[one] * scale]
    coarse = {"float16": ["float16"], "float32": ["float32", "float16"]}.get(dtype, [*TOLERANCES])
    level = next((one for one in names if one in coarse), "")
    return Match(fit, maker, name, largest, level)


def _trial(source: Source, sight: Sight) -> Trial:
    """Return some rows of a reference, of a few images."""
    rois, shape = sight.job.rois.rois, source.shape
    if len(shape) != 4 or shape[0] != rois:
        raise ShapeError(
            f"{source.name} must have crops (K, C, PH, PW) of the {rois} RoIs, got {shape}"
        )
    images = np.unique(sight.index)
    images = images[:: max(len(images) // MOST_IMAGES, 1)][:MOST_IMAGES]
    some = np.flatnonzero(np.isin(sight.index, images))
    some = some[:: max(len(some) // MOST_ROWS, 1)][:MOST_ROWS]
    channels, own = sight.job.features.channels, shape[1]
    if own != channels and own * shape[2] * shape[3] != channels:
        raise ShapeError(
            f"{source.name} has {own} channels, the maps have {channels}; crops have as many, or "
            f"are of a position-sensitive operator, where {own} x {shape[2]} x {shape[3]} would be"
        )
    step = max(channels // MOST_CHANNELS, 1) if own == channels else 1
    rows = sight.rows[some]
    crops = np.concatenate([np.asarray(source[row : row + 1]) for row in rows.tolist()])
    maps = {int(image): _map_of(sight, int(image))[::step].copy() for image in images}
    return Trial(sight, some, crops[:, ::step].astype(np.float64), maps)


def _map_of(sight: Sight, image: int) -> Array:
    height, width = sight.maps[min(image, len(sight.maps) - 1)].tolist()
    return sight.job.features.read(image, (slice(0, height), slice(0, width)))
