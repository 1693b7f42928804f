"""What is known of an option beside its name and type, and the headings of help."""

from collections.abc import Callable
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
    recorded: Recorded = Recorded.NO
    short: str = ""  # flag of one letter
    alias: str = ""  # former name
    several: bool = False  # whether it may be given more than once
    negative: bool = False  # whether there is a --no- form


ARRAY = "PATH[::DATASET]"
GROUPS = INPUTS, BOXES, OPERATOR, OUTPUT, RUN = "Inputs", "Boxes", "Operator", "Output", "Run"
