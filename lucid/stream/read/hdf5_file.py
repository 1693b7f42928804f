"""HDF5 files as the system gives them: opened with a lock where there are locks, and what fails."""

from __future__ import annotations

import errno
import os
from functools import cache
from pathlib import Path

import h5py
from h5py import h5f, h5p

from lucid.errors import SourceError
from lucid.stream.read.url import Url

# What file systems answer that have no locks, or not those that HDF5 asks for.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}

SIGNATURE, VERSION, FLAGS = b"\x89HDF\r\n\x1a\n", 8, 11  # where newer files have these


def open_hdf5(path: str | os.PathLike[str]) -> h5py.File:
    """Open a file as `open_id` does."""
    return h5py.File(open_id(path))


def open_id(path: str | os.PathLike[str]) -> h5f.FileID:
    """Open a file for reading, with a lock where its file system has any.

    Raises
    ------
    SourceError
        If it is damaged, or being written.
    """
    try:
        if isinstance(path, Url):
            return h5py.File(path.open(), "r").id
        try:
            return h5f.open(os.fsencode(path), h5f.ACC_RDONLY, _access())
        except BlockingIOError as error:
            raise SourceError(
                f"{path} is locked by a program that writes it; wait until that has closed it"
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                _require_closed(path)
                raise
            return h5py.File(path, "r", locking=False).id
    except SourceError:
        raise
    except Exception as error:
        raise damaged(path, error) from error


@cache
def _access() -> h5p.PropFAID:
    """Return how files are opened: as h5py does, for what a caller has open is opened alike."""
    access = h5p.create(h5p.FILE_ACCESS)
    with h5py.File("nowhere", "w", driver="core", backing_store=False) as file:
        access.set_fclose_degree(file.id.get_access_plist().get_fclose_degree())
    return access


def _require_closed(path: str | os.PathLike[str]) -> None:
    """Raise if a file says that a program has it open for writing."""
    with Path(path).open("rb") as stream:
        start = stream.read(FLAGS + 1)
    if start.startswith(SIGNATURE) and start[VERSION : VERSION + 1] >= b"\3" and start[FLAGS] & 5:
        raise SourceError(
            f"{path} is open for writing in another program, or one ended before it closed the "
            f"file; wait until it is closed, or mend it with h5clear -s {path}"
        )


def damaged(name: str | os.PathLike[str], error: BaseException) -> SourceError:
    """Return the error about a file that HDF5 could not make sense of."""
    fact = (str(error) or type(error).__name__).partition("\n")[0]
    return SourceError(f"{name} cannot be read as HDF5: {fact}")


def identity(item: h5py.Dataset | h5py.Group) -> tuple[int, int]:
    """Return what only this object has, whatever its name, for as long as its file is open."""
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr
