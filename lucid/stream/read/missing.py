"""What is said about a file that the system does not open."""

from __future__ import annotations

import os

from lucid.errors import MissingFileError, SourceError
from lucid.stream.checks import PathLike

IF_TRUSTED = "pass {trust_input:True} if you know where it comes from"  # to be `spelled`


def not_opened(path: PathLike, error: OSError) -> SourceError:
    """Return the error, which is also a `FileNotFoundError` if the file is not there."""
    is_missing = isinstance(error, FileNotFoundError)
    why = error.strerror or ("No such file or directory" if is_missing else error)
    fact = f"{path!s} cannot be opened: {why}"
    if is_missing and os.access(f"{path!s}.part", os.F_OK):
        fact += f"; its run has not finished, and {path!s}.part is what there is"
    return MissingFileError(fact, path) if is_missing else SourceError(fact)
