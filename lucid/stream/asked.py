"""What a caller asks beside what is asked of a run: arguments that are checked as an object's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lucid.stream.checks import ArgumentError
from lucid.stream.options import Option


class Asked:
    """The checked arguments of a function, each an attribute; `given` are those of a run.

    Parameters
    ----------
    function : str
        What errors call the function.
    own : mapping
        The options that a run does not have, by name.
    understood : collection of str
        The names of those that it does.
    arguments : mapping
        Options by name; one that is not given has its default.

    Raises
    ------
    TypeError, ValueError
        If there is no such option, one has no meaning, or two contradict each other.
    """

    def __init__(
        self,
        function: str,
        own: Mapping[str, Option],
        understood: Collection[str],
        arguments: Mapping[str, Any],
    ) -> None:
        for name, option in own.items():
            setattr(self, name, option.check(arguments.get(name, option.default)))
        of_run = {name: arguments[name] for name in arguments if name not in own}
        for name in of_run:
            if name not in understood:
                raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        self.given = {name: value for name, value in of_run.items() if value is not None}
        for contradicts, fact in self._contradictions():
            if contradicts:
                raise ArgumentError(fact)

    if TYPE_CHECKING:  # the table says which attributes there are

        def __getattr__(self, name: str) -> Any: ...

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        """Yield whether options contradict each other, and how."""
        raise NotImplementedError
