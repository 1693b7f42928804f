"""The job that a file of crops was made by, as what would do it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lucid.errors import LucidError
from lucid.stream.checks import PathLike, is_url
from lucid.stream.options import OPTIONS
from lucid.stream.read.url import as_path
from lucid.stream.write.recorded import READERS, arguments_of, read_recorded


class Made(NamedTuple):
    """The job that a file of crops was made by."""

    version: str
    engine: str
    arguments: Mapping[str, Any]  # for `extract`; empty where inputs were no files
    said: Mapping[str, Any]  # all that is recorded


def made_by(path: PathLike) -> Made | None:
    """Return the job that made a file of crops, None if it says none."""
    place = as_path(path)
    if is_url(path) or Path(path).suffix not in READERS:
        return None
    try:
        said = read_recorded(place)
    except LucidError:
        return None
    try:
        arguments = arguments_of(said, place)
    except LucidError:  # of inputs that were no files
        arguments = {}
    told = {name: arguments[name] for name in OPTIONS if _is_telling(name, arguments)}
    return Made(str(said["lucid_version"]), str(said.get("engine", "numpy")), told, said)


def _is_telling(name: str, arguments: Mapping[str, Any]) -> bool:
    """Return whether an argument is there and not as it would be without it."""
    default = OPTIONS[name].default
    return name in arguments and arguments[name] not in (default, default or 0)
