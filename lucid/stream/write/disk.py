"""What is asked of a file system beyond reading and writing: locks, and a way to the disk.

Not all of them can do all of it. One without locks is written to without, and a warning says so;
one that brings no names of a folder to the disk is trusted to do that by itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import warnings
from pathlib import Path

# What systems answer that have no locks: Lustre and FUSE, NFS without a lock service, others.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
# ... and that cannot sync a folder, or open it for that.
NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES}
LOCK_TRIES, LOCK_WAIT = 10, 0.01  # others may hold a lock for as long as they read a journal


def lock(file: int, path: Path, *, shared: bool = False) -> bool:
    """Lock a file that is open for reading and writing; return whether nobody else has it locked.

    NFS makes locks of a record of flocks, and wants it open for writing to lock it alone.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_WAIT)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _warn_of_no_locks(path)
            return True
        else:
            return True
    return False


def _warn_of_no_locks(path: Path) -> None:
    warnings.warn(
        f"the file system of {path.parent.resolve()} has no locks: "
        "nothing keeps two runs from writing one output at once",
        stacklevel=2,
    )


def has_name(file: int, path: Path) -> bool:
    """Return whether an open file is the one that a name stands for now."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def write_all(file: int, data: bytes | memoryview, position: int) -> None:
    """Write bytes at a position of an open file, however few of them the system takes at once."""
    while len(data):
        written = os.pwrite(file, data, position)
        data, position = data[written:], position + written


def sync_data(file: int) -> None:
    """Bring the contents of an open file to the disk."""
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has only the latter


def sync_file(path: Path) -> None:
    """Bring a file to the disk."""
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_names(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the file system can do that."""
    try:
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
