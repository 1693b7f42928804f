"""How arrays hold maps: the order of their axes, grids of tokens, and how values are stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.roi.pooling import require_features
from lucid.stream.read.bfloat16 import BFLOAT16, HALVES, widened
from lucid.stream.settings import Settings
from lucid.stream.types import Array

IN_ORDER = "nchw"
OF_VOLUMES = "ncdhw"


@dataclass(frozen=True, slots=True)
class Axes:
    """How arrays hold maps: the only place that knows it.

    Parameters
    ----------
    layout : str
        A letter for each axis: n for images, c for channels, h and w, or l for tokens, of which
        the cells of a map are a part, row by row; d for the depth of volumes. n may be left out,
        and is then the first.
    skipped : int
        Tokens before those of the grid.
    stored_as : str, optional
        'bfloat16' if values without a kind are such.
    channels : slice
        Those that are read, if not all.
    """

    layout: str = IN_ORDER
    skipped: int = 0
    stored_as: str | None = None
    channels: slice | None = None

    @classmethod
    def of(cls, settings: Settings) -> Axes:
        """Return what a run's options say."""
        stored_as, channels = settings.features_dtype, settings.channels
        return cls(settings.layout, settings.skip_tokens, stored_as, channels)

    @property
    def of_all(self) -> str:
        """The letters of an array of all maps."""
        return self.layout if "n" in self.layout else f"n{self.layout}"

    @property
    def of_one(self) -> str:
        """The letters of an array of one map."""
        return self.layout.replace("n", "")

    @property
    def is_tokens(self) -> bool:
        """Whether maps are lists of tokens, so that their heights and widths must be told."""
        return "l" in self.layout

    @property
    def order(self) -> str:
        """The letters of maps as they are read."""
        return OF_VOLUMES if "d" in self.layout else IN_ORDER

    @property
    def of_maps(self) -> int:
        """How many axes a map has beside its channels."""
        return len(self.order) - 2

    def letters(self, shape: tuple[int, ...]) -> str:
        """Return the letters of an array."""
        return self.of_all if len(shape) == len(self.of_all) else self.of_one

    def in_order(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Return what the file has per axis in the order (N, C, H, W); tokens count as H."""
        order = self.order.replace("h", "l") if self.is_tokens else self.order
        return _in_order(self.letters(lengths), lengths, order)

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the kind of values that are read."""
        return np.dtype(np.float32) if self._is_halves(stored) else stored

    def kind(self, stored: np.dtype[Any], kind: str) -> str:
        """Return what values of a kind are called."""
        return BFLOAT16 if self._is_halves(stored) else kind

    def taken(self, channels: int, name: str) -> int:
        """Return how many of so many channels are read."""
        if self.channels is None:
            return channels
        count = len(range(channels)[self.channels])
        if channels and not count:
            start, stop, step = self.channels.start, self.channels.stop, self.channels.step
            ends = [start, stop, step] if step is not None else [start, stop]
            asked = ":".join("" if end is None else str(end) for end in ends)
            raise ShapeError(f"{name} has {channels} channels, and none in {asked}")
        return count

    def require(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        """Raise unless an array holds maps, or one map."""
        if len(shape) == 5 > len(self.of_all):
            raise ShapeError.advising(
                f"{name} must have shape {_shown(self.of_all)}, got {shape}",
                "take one of the axes for images, such as array.reshape(-1, *array.shape[2:]) for "
                "frames, or pass {operator:roi-align-3d} for volumes",
            )
        if len(shape) not in {len(self.of_all), len(self.of_one)}:
            raise ShapeError(f"{name} must have shape {_shown(self.of_all)}, got {shape}")
        if dtype == HALVES and self.stored_as is None:
            raise DTypeError.advising(
                f"{name} must hold real numbers, got {dtype}",
                "if they are bfloat16, pass {features_dtype:bfloat16}",
            )
        require_features(self.in_order(shape), self.dtype(dtype), name, self.of_maps)

    def require_one(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        """Raise unless an array holds one map."""
        fits = len(shape) in {len(self.of_all), len(self.of_one)}
        if not fits or self.in_order(shape)[0] != 1:
            raise ShapeError(f"{name} must have shape {_shown(self.of_one)}, got {shape}")
        self.require(shape, dtype, name)

    def require_forwards(self, shape: tuple[int, ...], name: str) -> None:
        """Raise unless maps come one after the other in an array."""
        if self.letters(shape).find("n") > 0:
            raise ShapeError(
                f"{name} has its images along axis {self.layout.find('n')}, as layout "
                f"{self.layout} says, so that it cannot be read forwards"
            )

    def whole(self, array: Any, images: slice, width: int) -> Array:
        """Return whole maps of an array, (n, C, H, W), or the one map that it is, (C, H, W)."""
        return self.part(array, images, (slice(None),) * self.of_maps, width)

    def whole_of_each(self, arrays: Array, width: int) -> Array:
        """Return maps (n, C, H, W) from arrays of one map each, (n, ...)."""
        every = zip(self.letters(arrays.shape[1:]), arrays.shape[1:], strict=True)
        lengths = [length for letter, length in every if letter != "n"]
        stacked = replace(self, layout=f"n{self.of_one}")
        return stacked.whole(arrays.reshape(-1, *lengths), slice(None), width)

    def part(self, array: Any, images: int | slice, window: tuple[slice, ...], width: int) -> Array:
        """Return (..., C, h, w) of maps, or of the one map, of an array; maps are `width` wide."""
        letters = self.letters(array.shape)
        keys: dict[str, Any] = {
            "n": images,
            "c": self.channels or slice(None),
            **dict(zip(self.order[2:], window, strict=True)),
        }
        *_, rows, cols = window
        if self.is_tokens:
            begin, end = (None if k is None else self.skipped + k * width
                          for k in (rows.start or 0, rows.stop))  # fmt: skip
            keys["l"] = slice(begin, end)
        part: Array = array[tuple(keys[letter] for letter in letters)]
        if self._is_halves(part.dtype):
            part = widened(part)
        if isinstance(images, int):
            letters = letters.replace("n", "")
        if self.is_tokens:
            part, letters = _as_grid(part, letters, width), letters.replace("l", "hw")
            part = part[tuple(cols if letter == "w" else slice(None) for letter in letters)]
        return part.transpose([letters.index(each) for each in self.order if each in letters])

    def _is_halves(self, stored: np.dtype[Any]) -> bool:
        return self.stored_as == BFLOAT16 and stored == HALVES


@lru_cache(maxsize=64)  # of many arrays most are alike
def _in_order(letters: str, lengths: tuple[int, ...], order: str) -> tuple[int, ...]:
    """Return lengths in another order, 1 where there is no such axis."""
    by_letter = {"n": 1, "w": 1, **dict(zip(letters, lengths, strict=True))}
    return tuple(by_letter[each] for each in order)


def _as_grid(part: Array, letters: str, width: int) -> Array:
    """Return tokens as rows of a grid."""
    at = letters.index("l")
    return part.reshape(*part.shape[:at], -1, width, *part.shape[at + 1 :])


def _shown(letters: str) -> str:
    return f"({', '.join(letters.upper())})"
