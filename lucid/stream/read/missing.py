"""What is said about a file that the system does not open."""

from __future__ import annotations

from lucid.errors import MissingFileError, SourceError
from lucid.stream.checks import PathLike


def not_opened(path: PathLike, error: OSError) -> SourceError:
    """Return the error, which is also a `FileNotFoundError` if the file is not there."""
    fact = f"{path!s} cannot be opened: {error.strerror or error}"
    is_missing = isinstance(error, FileNotFoundError)
    return MissingFileError(fact, path) if is_missing else SourceError(fact)
