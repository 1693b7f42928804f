"""A run's arguments as options of the command."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from shlex import quote
from typing import Any

from lucid.stream.checks import Held
from lucid.stream.options import OPTIONS
from lucid.viewer.options import UNDERSTOOD

FEATURES = "features"  # which may be several, each with a flag of its own
IN_MEMORY = "ARRAY.npy"  # stands for an array that is none in a file


def options_of(arguments: Mapping[str, Any], without: tuple[str, ...] = ()) -> list[str]:
    """Return the words of a command line that says these arguments, quoted for a shell."""
    return [quote(word) for word in words_of(arguments, without)]


def words_of(
    arguments: Mapping[str, Any],
    without: tuple[str, ...] = (),
    known: Collection[str] = UNDERSTOOD.keys(),
) -> list[str]:
    """Return the words of a command line that says these arguments, as far as they are known."""
    return [
        word
        for name, value in arguments.items()
        if name in known and name not in without and value is not None
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
    for one in several:
        yield from (flag, _text(name, one))


def _text(name: str, value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if name == "level" and isinstance(value, tuple):
        scale, features = value
        return f"{scale!r}={_text(name, features)}"
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(value, (tuple, list)) and not any(
        isinstance(one, (list, tuple)) for one in value
    ):
        sign = "x" if "HxW" in str(OPTIONS[name].metavar) else ","
        return sign.join(map(str, value))
    is_array = isinstance(value, (Held, list, tuple)) or hasattr(value, "__array__")
    return IN_MEMORY if is_array else str(value)
