"""What is asked of a file system beyond reading and writing: locks, and syncs to the disk.

Not every file system can do all of it. On one without locks a run goes on without a lock, and
warns; a refusal to sync a folder is ignored.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Answers of file systems without locks: Lustre, FUSE, NFS without a lock service.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
# Answers of those that cannot sync a folder, or not open it to that end.
NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES}
# Answers of those that cannot set room aside.
NO_ALLOCATION = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
ZEROS = bytes(1 << 18)
LOCK_TRIES, LOCK_WAIT = 10, 0.01  # others may hold a lock for as long as they read a journal


def lock(file: int, path: Path, *, shared: bool = False) -> bool:
    """Lock an open file; return False if another process holds the lock.

    The file must be open for reading and writing, as NFS requires.
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


@contextmanager
def waited_for(path: Path) -> Iterator[bool]:
    """Wait for the lock of a file, and yield whether it still has its name."""
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _warn_of_no_locks(path)
        yield has_name(file, path)
    finally:
        os.close(file)


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
    while len(data) and (written := os.pwrite(file, data, position)) < len(data):
        data, position = data[written:], position + written


def allocate(file: int, size: int) -> None:
    """Make an open file so long, with zeros whose room on the disk is taken."""
    try:
        os.posix_fallocate(file, 0, size)
    except AttributeError:  # macOS
        _write_zeros(file, size)
    except OSError as error:
        if error.errno not in NO_ALLOCATION:
            raise
        _write_zeros(file, size)


def _write_zeros(file: int, size: int) -> None:
    for begin in range(os.fstat(file).st_size, size, len(ZEROS)):
        write_all(file, ZEROS[: size - begin], begin)


def read_all(file: int, size: int, position: int) -> bytes:
    """Return bytes at a position of an open file, however few of them the system gives at once."""
    parts = []
    while size:
        part = os.pread(file, size, position)
        if not part:
            raise OSError(errno.EIO, "the file is shorter than it was")
        parts.append(part)
        size, position = size - len(part), position + len(part)
    return b"".join(parts)


def remove(path: Path) -> None:
    """Remove a file, or a folder with what is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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


def stretch(path: Path, size: int) -> None:
    """Make a file of so many zeros, or append them to one that is shorter."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        if os.fstat(file).st_size < size:
            os.ftruncate(file, size)
    finally:
        os.close(file)


def held_bytes(path: Path) -> int:
    """Return the room that a file, or a folder with its files, takes on the disk."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_blocks * 512 for file in files)


def sync_tree(path: Path) -> None:
    """Bring a file, or a folder with all that is in it, to the disk."""
    if path.is_dir():
        for inner in path.iterdir():
            sync_tree(inner)
        sync_names(path)
    else:
        sync_file(path)


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
