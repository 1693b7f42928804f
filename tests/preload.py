"""File systems of clusters, imitated by a small library that answers some calls in their place."""

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

# Each variable names the calls that are answered, and how.
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int answer(const char *call) {
    const char *number = getenv(call);
    return number ? atoi(number) : 0;
}

int flock(int file, int how) {
    int refused = answer("FLOCK");
    if (refused) { errno = refused; return -1; }
    if (answer("FLOCK_READ_ONLY") && (how & LOCK_EX) &&
        (fcntl(file, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        errno = answer("FLOCK_READ_ONLY"); return -1;
    }
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return real(file, how);
}

int fsync(int file) {
    struct stat found;
    if (answer("FSYNC_FOLDER") && !fstat(file, &found) && S_ISDIR(found.st_mode)) {
        errno = answer("FSYNC_FOLDER"); return -1;
    }
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    return real(file);
}

void *mmap(void *at, size_t size, int access, int flags, int file, off_t begin) {
    int refused = answer("MMAP_SHARED");
    if (refused && file >= 0 && (flags & MAP_TYPE) == MAP_SHARED) {
        errno = refused; return MAP_FAILED;
    }
    void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");
    return real(at, size, access, flags, file, begin);
}

void *mmap64(void *at, size_t size, int access, int flags, int file, off_t begin) {
    return mmap(at, size, access, flags, file, begin);
}
"""


@cache
def preloaded():
    """Return the library's path, compiled once; skip the test where that is not possible."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or os.uname().sysname != "Linux":
        pytest.skip("needs a C compiler and LD_PRELOAD of Linux")
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    source, library = Path(folder, "preload.c"), Path(folder, "preload.so")
    source.write_text(SOURCE)
    command = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"the C compiler does not compile: {done.stderr[:200]}")
    return library


def answering(**answers):
    """Return an environment in which each of the named calls is answered by a number."""
    return os.environ | {"LD_PRELOAD": str(preloaded())} | {k: str(v) for k, v in answers.items()}
