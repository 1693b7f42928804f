"""What a file holds: its arrays, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lucid.errors import LucidError
from lucid.stream.checks import PathLike
from lucid.stream.read.arrays import open_container
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.stats import Stats, stats_of
from lucid.stream.read.url import as_path
from lucid.stream.read.words import WORDS

MOST_LOOKED_AT = 64  # arrays that are opened for what is said of them


class Content(NamedTuple):
    """An array, and what is known of it."""

    info: ArrayInfo
    says: Mapping[str, Any]  # words about where boxes lie, as plain values
    stats: Stats | None


def contents_of(path: PathLike, trust: bool = False, stats: bool = False) -> list[Content]:
    """Return what a file says about its arrays, with their values if `stats` are asked for.

    Raises
    ------
    SourceError
        If there is no such file, or it is damaged or of no format that is read.
    """
    container = open_container(as_path(path), trust)
    try:
        infos = container.infos()
        found = []
        for info in infos:
            is_looked_at = stats or ("features" in info.roles and len(infos) <= MOST_LOOKED_AT)
            source = _opened(container, info) if is_looked_at else None
            says = _says(source) if source and "features" in info.roles else {}
            found.append(Content(info, says, stats_of(source) if source and stats else None))
        return found
    finally:
        container.close()


def _opened(container: Any, info: ArrayInfo) -> Source | None:
    """Return an array; None if it is damaged, or only read from files that are trusted."""
    try:
        source: Source | None = container.open(info.dataset)
    except LucidError:
        return None
    return source


def _says(source: Source) -> dict[str, Any]:
    """Return the words about maps that stand with an array, its own before those of the file."""
    own, others = source.said()
    return {
        word: np.asarray(value).tolist()
        for word, value in {**others, **own}.items()
        if word in WORDS
    }
