"""The command: as a process of its own or, where such a one proves nothing more, in this one."""

import contextlib
import fcntl
import io
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from unittest import mock

from lucid_cli.main import main

RUN = [sys.executable, "-c", "from lucid_cli.main import main; main()"]
RUN_OF_MANY = [  # the start of a run that is worth interrupting, and saved after each batch
    sys.executable,
    "-c",
    "from lucid.stream import tuning; "
    "tuning.current = tuning.Tuning(mark_seconds=0, crops_bytes=50_000); " + RUN[2],
    "extract", "--rois", "many.npy", "--sampling-ratio", "2", "-q",
]  # fmt: skip
PATIENCE = 120  # seconds that a busy machine may take for what takes one


def run(*arguments, **options):
    """Return a finished process: what has its own signals, streams and exit code."""
    options = {"capture_output": True, "timeout": PATIENCE} | options
    return subprocess.run([*RUN, *map(str, arguments)], **options)


def run_here(*arguments, stdin=b"", text=False):
    """Return the same without the start of a process, which takes longer than most runs."""
    arguments = ["lucid-roialign", *map(str, arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    streams = {
        "stdin": io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))),
        "stdout": out,
        "stderr": err,
    }
    handlers = {
        number: signal.getsignal(number)
        for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        with mock.patch.multiple(sys, argv=arguments, **streams), mock.patch.dict(os.environ):
            main()
    except SystemExit as end:
        printed = [stream.buffer.getvalue() for stream in (out, err)]
        if text:
            printed = [some.decode() for some in printed]
        return subprocess.CompletedProcess(arguments, end.code, *printed)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run_on_terminal(*arguments, columns=80):
    """Return the lines that a process prints on a terminal of so many columns."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    printed = b""
    with subprocess.Popen([*RUN, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        with contextlib.suppress(OSError):  # what a terminal says that nobody writes to any more
            while some := os.read(ours, 4096):
                printed += some
    os.close(ours)
    return printed.decode().splitlines()


def but_for_frames(stderr):
    """Return what was said, but for warnings of boxes that tests let lie beyond their maps."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"Warning: \d+ of \d+ boxes lie", line))


def bytes_of(output):
    """Return the bytes of a file, or of the files of a folder by their names."""
    output = Path(output)
    if output.is_file():
        return output.read_bytes()
    files = [path for path in output.rglob("*") if path.is_file()]
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def remove(output):
    """Remove a file or a folder."""
    output = Path(output)
    shutil.rmtree(output) if output.is_dir() else output.unlink()
