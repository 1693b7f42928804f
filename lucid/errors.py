"""The exceptions that lucid raises. Each is a `LucidError` and also the builtin it refines."""

import errno
from os import PathLike, strerror


class LucidError(Exception):
    """Anything that lucid found wrong with data or files that it was given."""


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

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (str(self), str(self.filename))


class MissingFileError(_FileError, SourceError, FileNotFoundError):
    """A file that should be read is not there."""

    code = errno.ENOENT


class OutputExistsError(_FileError, SinkError, FileExistsError):
    """A file that should be written is there already."""

    code = errno.EEXIST


class MemoryLimitError(MemoryError, LucidError):  # so, `__new__` takes it; tblib asks that
    """The memory that a run may hold is too little for its largest piece of work."""


class FrameWarning(UserWarning):
    """Boxes and maps can hardly belong together: the crops are probably not what is wanted."""
