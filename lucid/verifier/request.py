"""What a caller asks about a file of crops, checked before any file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from lucid.errors import LucidError, SourceError, literal
from lucid.stream.asked import Asked
from lucid.stream.checks import (
    HDF5_SUFFIXES,
    IN_GROUPS,
    OUTPUT_SUFFIXES,
    PIPE,
    PLACE,
    ArgumentError,
    is_url,
)
from lucid.stream.read.url import Url
from lucid.stream.settings import Settings
from lucid.stream.write import hdf5
from lucid.stream.write.recorded import arguments_of, read_recorded
from lucid.verifier.options import CHOSEN, UNDERSTOOD


class Request(Asked):
    """The checked arguments of a verification, each an attribute.

    Parameters
    ----------
    crops : path
        The file of crops, or the files or groups of images as the output of a run was named.
    **arguments
        Options by name; one that is not given has its default.

    Raises
    ------
    TypeError, ValueError
        If there is no such option, one has no meaning, or two contradict each other.
    """

    def __init__(self, crops: str | os.PathLike[str], **arguments: Any) -> None:
        self.name = os.fspath(crops)
        if self.name == PIPE:
            raise ArgumentError("crops are read more than once and cannot be piped in")
        place = self.name.removesuffix(IN_GROUPS)
        if not place.endswith(OUTPUT_SUFFIXES):
            endings = ", ".join(OUTPUT_SUFFIXES)
            raise ArgumentError(f"crops must end in {endings}, got {literal(self.name)}")
        self.path: Path = Url(place) if is_url(place) else Path(place)
        super().__init__("verify", CHOSEN, UNDERSTOOD, arguments)

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        """Yield whether options contradict each other, and how."""
        some = self.rows is not None or self.random is not None
        yield self.all and some, "{all} contradicts {rows} and {random}"
        yield self.resume and not self.all, "{resume} goes on with {all}; pass both"
        named = [name for name in ("features", "level", "rois") if name in self.given]
        yield (
            PIPE in {str(self.given.get(name)) for name in named},
            "inputs are read more than once: {features} and {rois} cannot be piped in",
        )

    @cached_property
    def is_in_groups(self) -> bool:
        """Whether each image has a group of the file, which may be named with '::{id}' or not."""
        if self.name.endswith(IN_GROUPS):
            return True
        is_one = PLACE not in self.name and self.path.suffix in HDF5_SUFFIXES
        return is_one and hdf5.is_in_groups(self.path)

    @property
    def is_apart(self) -> bool:
        """Whether each image has a file or a group of its own."""
        return PLACE in self.name or self.is_in_groups

    def said(self) -> dict[str, Any]:
        """Return what the file says about its job; nothing if the inputs are given.

        Raises
        ------
        SourceError
            If it cannot be read, or says nothing and the inputs are not given.
        """
        has_inputs = "rois" in self.given and bool(self.given.keys() & {"features", "level"})
        if PLACE in self.path.name:
            if has_inputs:
                return {}
            raise SourceError.advising(
                f"{self.name}: files of images do not say from what they were made",
                "pass {features} and {rois}, and the options that extract had",
            )
        try:
            return read_recorded(self.path)
        except LucidError:
            if has_inputs and self.path.exists():
                return {}
            raise

    def settings(self, said: dict[str, Any]) -> Settings:
        """Return the settings of the run that makes the crops again."""
        arguments = arguments_of(said, self.path, self.given) if said else dict(self.given)
        arguments.pop("engine", None)
        return Settings(**arguments)
