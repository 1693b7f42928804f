"""The exceptions that lucid raises. Each is a `LucidError` and also the builtin it refines."""

from __future__ import annotations

import errno
from collections.abc import Callable
from os import PathLike, strerror
from string import Formatter
from typing import Any, Self

Spell = Callable[[str], str]  # from the name of an argument to how a caller writes it


def spelled(text: str, spell: Spell = str) -> str:
    """Return a text in which `spell` writes the names of arguments, which stand in braces.

    A value may follow a name: `{overwrite:True}` is `overwrite=True`, or `--overwrite`.

    Examples
    --------
    >>> spelled("{image_size} is for {{id}}", "--{}".format)
    '--image_size is for {id}'
    >>> spelled("pass {invalid:zero}"), spelled("pass {invalid:zero}", "--{}".format)
    ("pass invalid='zero'", 'pass --invalid zero')
    """
    parts = Formatter().parse(text)
    return "".join(
        before + (_with_value(name, spell(name), value) if name else "")
        for before, name, value, _ in parts
    )


def _with_value(name: str, said: str, value: str | None) -> str:
    """Return an argument with its value, as keyword or as flag."""
    if not value:
        return said
    if said == name:
        return f"{name}={value if value == 'True' or value.isdecimal() else repr(value)}"
    return said if value == "True" else f"{said} {value}"


def literal(text: str) -> str:
    """Return a text in such a way that `spelled` leaves it as it is.

    Examples
    --------
    >>> spelled(literal("feats/{id}.npy"))
    'feats/{id}.npy'
    """
    return text.replace("{", "{{").replace("}", "}}")


class LucidError(Exception):
    """Anything that lucid found wrong with data or files that it was given."""

    fact: str | None = None  # the message, to be `spelled`, if it names arguments

    @classmethod
    def of(cls, fact: str, *more: Any) -> Self:
        """Return an error whose message is to be `spelled`; here, arguments are keywords."""
        error = cls(spelled(fact), *more)
        error.fact = fact
        return error

    @classmethod
    def advising(cls, text: str, advice: str, *more: Any) -> Self:
        """Return an error with advice that is to be `spelled`, after a text that is as it is."""
        return cls.of(f"{literal(text)}; {advice}", *more)

    def spelled(self, spell: Spell) -> str:
        """Return the message in which `spell` writes the names of arguments."""
        return str(self) if self.fact is None else spelled(self.fact, spell)


class ShapeError(LucidError, ValueError):
    """An array has the wrong number of axes or the wrong length along one."""


class DTypeError(LucidError, TypeError):
    """An array holds values of a kind that the operation does not take."""


class RoiError(LucidError, ValueError):
    """A row of a RoI table cannot be used: its coordinates or its batch index."""


class FrameError(LucidError, ValueError):
    """Boxes and maps can hardly belong together, and the run is strict."""


class GradientError(LucidError, RuntimeError):
    """A gradient was asked for where there is none."""


class SourceError(LucidError, OSError):
    """A file that should be read is missing, damaged, or not what it should be."""


class SinkError(LucidError, OSError):
    """A file cannot be written, or must not be."""


class _FileError(OSError):
    """An error that also says which file it is about, as those of the system do."""

    code: int

    def __init__(self, fact: str, filename: str | PathLike[str]) -> None:
        super().__init__(fact)
        self.errno, self.strerror = self.code, strerror(self.code)
        self.filename = str(filename)

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type, tuple[str, str], dict[str, Any]]:
        return type(self), (str(self), str(self.filename)), vars(self)


class MissingFileError(_FileError, SourceError, FileNotFoundError):
    """A file that should be read is not there."""

    code = errno.ENOENT


class MissingArrayError(SourceError):
    """A file has no array of the name that is asked for."""


class OutputExistsError(_FileError, SinkError, FileExistsError):
    """A file that should be written is there already."""

    code = errno.EEXIST


class MemoryLimitError(MemoryError, LucidError):  # so, `__new__` takes it; tblib asks that
    """The memory that a run may hold is too little for its largest piece of work."""


class FrameWarning(UserWarning):
    """Boxes and maps can hardly belong together: the crops are probably not what is wanted."""
