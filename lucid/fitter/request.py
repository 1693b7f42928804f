"""What a caller asks about frames, checked before any file is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lucid.fitter.options import ASKED, UNDERSTOOD
from lucid.stream.checks import PIPE, ArgumentError
from lucid.stream.settings import Settings

NUMBER = "{n}"


class Request:
    """The checked arguments, each an attribute; `given` are those of a run.

    Parameters
    ----------
    **arguments
        Options by name; one that is not given has its default.

    Raises
    ------
    TypeError, ValueError
        If there is no such option, one has no meaning, or two contradict each other.
    """

    def __init__(self, **arguments: Any) -> None:
        for name, option in ASKED.items():
            setattr(self, name, option.check(arguments.pop(name, option.default)))
        for name in arguments:
            if name not in UNDERSTOOD:
                raise TypeError(f"frame() got an unexpected keyword argument {name!r}")
        self.given = {name: value for name, value in arguments.items() if value is not None}
        for contradicts, fact in self._contradictions():
            if contradicts:
                raise ArgumentError(fact)
        self.settings = Settings(**self.given)

    if TYPE_CHECKING:  # the table says which attributes there are

        def __getattr__(self, name: str) -> Any: ...

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        """Yield whether options contradict each other, and how."""
        missing = {"features", "rois"} - self.given.keys()
        yield bool(missing), "frames are of {features} and {rois}; pass both"
        yield (
            PIPE in {str(self.given.get(name)) for name in ("features", "rois")},
            "inputs are read more than once: {features} and {rois} cannot be piped in",
        )
        yield (
            self.pictures is not None and NUMBER not in Path(self.pictures).name,
            "{pictures} need {{n}} in their name, which stands for the number of a candidate",
        )
        yield (
            self.pictures is None and (self.images is not None or self.overwrite),
            "{images} and {overwrite} are for {pictures}",
        )
