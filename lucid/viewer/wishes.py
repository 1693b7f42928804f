"""What a caller asks to see, checked before any file is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lucid.errors import SinkError
from lucid.stream.asked import Asked
from lucid.stream.checks import PIPE, ArgumentError
from lucid.stream.options.option import contradictions
from lucid.stream.settings import Settings
from lucid.stream.write.recorded import arguments_of, read_recorded
from lucid.viewer.options import CROPS, OF_RUN, SEEN, UNDERSTOOD

NOT_INSTALLED = "preview draws with matplotlib: pip install 'lucid-roialign[preview]'"
NOT_OF_INTEREST = ("engine", "reduce", "dtype", "invalid")  # of what crops were made with


class Wishes(Asked):
    """The checked arguments of a preview beside those of a run, each an attribute.

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
        super().__init__("preview", {"crops": CROPS, **SEEN}, UNDERSTOOD, arguments)
        if self.crops is None:
            settings = Settings(**self.given)
            if settings.entry.form.axes != 2:
                raise ArgumentError(
                    f"preview draws boxes on planes, and {{operator}} {settings.operator} has "
                    "volumes"
                )

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        """Yield whether options contradict each other, and how."""
        is_whole = "rois" in self.given and not self.given.keys().isdisjoint({"features", "level"})
        yield (
            not is_whole and self.crops is None,
            "preview needs {features} (or {level}) and {rois}, or {crops}, which says what they "
            "were",
        )
        yield (
            PIPE in {str(self.given.get(name)) for name in ("features", "rois")},
            "preview reads what it draws more than once: {features} and {rois} cannot be piped in",
        )
        yield from contradictions(self, SEEN)

    @property
    def is_as_recorded(self) -> bool:
        """Whether a file of crops says all about its inputs."""
        return self.crops is not None and not self.given.keys() - OF_RUN

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the run; a file of crops is asked for them if there is one.

        Raises
        ------
        SourceError
            If that does not say them.
        """
        if self.crops is None:
            return self.given
        path = Path(self.crops)
        recorded = read_recorded(path)
        said = {name: recorded[name] for name in recorded if name not in NOT_OF_INTEREST}
        return arguments_of(said, path, self.given)


def require_matplotlib() -> None:
    """Raise unless matplotlib is there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise SinkError(NOT_INSTALLED) from error
