"""What a caller asks about frames, checked before any file is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lucid.fitter.options import ASKED, UNDERSTOOD
from lucid.stream.asked import Asked
from lucid.stream.checks import PIPE
from lucid.stream.settings import Settings
from lucid.stream.write.whole import require_free
from lucid.viewer.wishes import require_matplotlib

NUMBER = "{n}"


class Request(Asked):
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
        super().__init__("frame", ASKED, UNDERSTOOD, arguments)
        self.settings = Settings(**self.given)

    def picture(self, number: int) -> Path:
        """Return where a candidate is drawn to."""
        path = Path(self.pictures)
        return path.with_name(path.name.replace(NUMBER, str(number)))

    def require_pictures(self) -> None:
        """Raise unless pictures, if any are asked for, can be drawn and written."""
        if self.pictures is not None:
            require_matplotlib()
            require_free(self.picture(1), self.overwrite)

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
