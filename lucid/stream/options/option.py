"""What is known of an option beside its name and type, and the headings of help."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from lucid.stream.checks import Check


class Recorded(Enum):
    """Whether an option is among the attributes of an output and in the identity of a job."""

    NO = auto()  # neither: no value depends on it
    ALWAYS = auto()  # both
    UNLESS_DEFAULT = auto()  # both, but the attribute only where it is not the default
    STORAGE = auto()  # not an attribute: the file itself says it


class Option(NamedTuple):
    """What is known of an option beside its name and type."""

    group: str  # heading in the command's help
    help: str  # one or two sentences, to be `spelled`
    check: Check  # returns the checked value, or raises ValueError or TypeError
    default: Any = None
    unset: str = ""  # what holds if the default is None
    metavar: str | None = None  # None for a flag
    read: Callable[[str], Any] = str  # from the text on the command line
    words: Callable[[], Iterable[str]] | None = None  # that it takes, if the metavar does not say
    recorded: Recorded = Recorded.NO
    short: str = ""  # flag of one letter
    alias: str = ""  # former name
    several: bool = False  # whether it may be given more than once
    negative: bool = False  # whether there is a --no- form
    instead_of: tuple[str, ...] = ()  # options that it contradicts, and whose place it takes
    of_environment: bool = True  # whether a variable may say it; inputs and outputs are each run's


def options_in(*tables: Any) -> dict[str, Option]:
    """Return the options by name with which classes of keywords are annotated."""
    return {
        name: annotation.__metadata__[0]
        for table in tables
        for name, annotation in table.__annotations__.items()
    }


def opposites(name: str, table: Mapping[str, Option]) -> set[str]:
    """Return the options that contradict one."""
    others = {other for other, option in table.items() if name in option.instead_of}
    return others.union(table[name].instead_of)


def contradictions(values: Any, table: Mapping[str, Option]) -> Iterator[tuple[bool, str]]:
    """Yield of all options that contradict each other whether `values` has both, and the fact."""
    for name, option in table.items():
        for other in option.instead_of:
            said = [getattr(values, one) for one in (name, other)]
            both = all(one is not None and one is not False for one in said)
            yield both, f"{{{other}}} and {{{name}}} contradict each other; pass one of them"


ARRAY = "PATH[::DATASET]"
GROUPS = INPUTS, BOXES, OPERATOR, OUTPUT, RUN = "Inputs", "Boxes", "Operator", "Output", "Run"
