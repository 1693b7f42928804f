"""Files that are written at once: all of them is there, or nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lucid.errors import OutputExistsError, SinkError


def require_free(path: Path, overwrite: bool) -> None:
    """Raise unless a file may be written: there is none of the name, or it may be replaced."""
    if path.is_dir():
        raise SinkError(f"{path} is a folder")
    require_folder(path, path.parent)
    if os.path.lexists(path) and not overwrite:
        raise OutputExistsError.advising(
            f"{path} exists", "pass {overwrite:True} to replace it", path
        )


def require_folder(path: Path, folder: Path) -> None:
    """Raise unless the folder is there that a file is to be made in, and takes it."""
    if not folder.is_dir():
        raise SinkError(f"{path} cannot be written: there is no directory {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SinkError(f"{path} cannot be written: no permission to write in {folder}")


def write_whole(path: Path, data: bytes, overwrite: bool) -> None:
    """Write a file aside and give it its name.

    Raises
    ------
    SinkError
        If it cannot be written, or is there and may not be replaced.
    """
    require_free(path, overwrite)
    try:
        number, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(number, "wb") as stream:
                stream.write(data)
                os.fchmod(number, 0o666 & ~_umask())
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SinkError(f"{path} cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    """Return which permissions new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
