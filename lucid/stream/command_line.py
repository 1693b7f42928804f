"""A run's arguments as words of the command line."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping
from typing import Any

from lucid.stream.checks import Held
from lucid.stream.options import OPTIONS
from lucid.stream.options.levels import Level, as_levels

IN_MEMORY = "ARRAY.npy"  # stands for an array that is none in a file


def words_of(arguments: Mapping[str, Any], without: Container[str] = ()) -> list[str]:
    """Return the words of a command line that says these arguments of a run, not quoted."""
    return [
        word
        for name, value in arguments.items()
        if name in OPTIONS and name not in without and value is not None
        for word in _words(name, value)
    ]


def _words(name: str, value: Any) -> Iterator[str]:
    flag = "--" + name.replace("_", "-")
    option = OPTIONS[name]
    if option.metavar is None:
        if option.negative or value:
            yield flag if value else flag.replace("--", "--no-", 1)
        return
    several = value if option.several and isinstance(value, (list, tuple)) else [value]
    for one in as_levels(value) if name == "level" else several:
        yield from (flag, _text(name, one))


def _text(name: str, value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, Level):
        scale = "" if value.scale is None else f"{value.scale!r}="
        return scale + _text("features", value.features)
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(value, (tuple, list)) and not any(
        isinstance(one, (list, tuple)) for one in value
    ):
        sign = "x" if "HxW" in str(OPTIONS[name].metavar) else ","
        return sign.join(str(one).removesuffix(".0") for one in value)
    is_array = isinstance(value, (Held, list, tuple)) or hasattr(value, "__array__")
    return IN_MEMORY if is_array else str(value)
