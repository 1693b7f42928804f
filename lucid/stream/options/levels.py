"""The levels of a pyramid, as an option has them."""

import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from lucid.stream.checks import PIPE, Held, SourceLike
from lucid.stream.options.checks import as_source
from lucid.stream.options.readers import read_number


class Level(NamedTuple):
    """Maps of one scale."""

    scale: float | None  # cells per input pixel; None where the file says it
    features: str | Held


def read_level(text: str) -> tuple[float | None, str]:
    """Return what '1/4=fpn.h5::p2' means; without a scale, it is a path alone."""
    scale, equals, path = text.partition("=")
    try:
        return (read_number(scale), path) if equals else (None, text)
    except (ValueError, ZeroDivisionError):
        return None, text


def as_level(value: "str | tuple[float | None, SourceLike]") -> Level:
    """Return a level from a pair of its scale and its maps, or from its maps alone."""
    if isinstance(value, Level):
        return value
    pair = value if isinstance(value, (tuple, list)) else read_level(os.fspath(value))
    if len(pair) != 2:
        raise ValueError(f"a level must be a scale and its maps, got {value!r}")
    scale, features = pair
    if scale is not None:
        try:
            scale = float(scale)
        except (TypeError, ValueError):
            raise ValueError(f"the scale of a level must be a number, got {scale!r}") from None
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"the scale of a level must be finite and > 0, got {scale}")
    source = as_source(features)
    if source in {"", PIPE}:
        raise ValueError(f"a level must be SCALE=PATH or PATH, not piped in, got {value!r}")
    return Level(scale, source)


def as_levels(value: Any) -> tuple[Level, ...]:
    """Return the levels of a pyramid, from any sequence of them."""
    if isinstance(value, (str, Level)) or not isinstance(value, Sequence):
        value = [value]
    if not value:
        raise ValueError("level must be one map or more, got none")
    levels: list[Level] = []
    for one in value:
        is_checked = isinstance(one, tuple) and one and isinstance(one[0], Level)
        levels += one if is_checked else [as_level(one)]
    return tuple(levels)


def read_canonical(text: str) -> tuple[float, ...]:
    """Return the level and the scale that '4,224' says."""
    try:
        level, scale = map(read_number, text.split(","))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"must be LEVEL,SCALE such as 4,224, got {text}") from None
    return level, scale


def as_canonical(value: Any) -> tuple[float, float]:
    """Return which level boxes of a scale belong to, and that scale in input coordinates."""
    try:
        level, scale = map(float, value)
    except (TypeError, ValueError):
        raise ValueError(f"canonical must be a level and a scale, got {value!r}") from None
    if not (math.isfinite(level) and math.isfinite(scale) and scale > 0):
        raise ValueError(f"canonical must be finite, and its scale > 0, got {level:g},{scale:g}")
    return level, scale
