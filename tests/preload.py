"""File systems of clusters, imitated by a small library that answers some calls in their place."""

import os
import shutil
import subprocess
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
"""


def compiled(folder):
    """Return the library, compiled into a folder; skip the test where that is not possible."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or os.uname().sysname != "Linux":
        pytest.skip("needs a C compiler and LD_PRELOAD of Linux")
    source, library = Path(folder, "preload.c"), Path(folder, "preload.so")
    source.write_text(SOURCE)
    command = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"the C compiler does not compile: {done.stderr[:200]}")
    return library
