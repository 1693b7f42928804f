"""What must not happen to inputs: that an output is written over them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lucid.errors import SinkError
from lucid.stream.checks import PathLike, is_url
from lucid.stream.read.url import Url
from lucid.stream.write.layout import Output
from lucid.stream.write.sidecars import sidecar_paths


def keep_inputs(output: Output, inputs: Iterable[PathLike]) -> None:
    """Raise rather than write over an input, even if asked to overwrite."""
    path = output.layout.path
    if isinstance(path, Url):
        _keep_urls(path, inputs)
    with about(path):
        ours = _numbers((*output.files(), *sidecar_paths(path)))
        theirs = _numbers(_with_folders(inputs) if path.is_dir() else inputs) if ours else {}
        for number, one in ours.items():
            if number in theirs:
                raise SinkError(f"{one} is an input of this run; name another output")


def _keep_urls(output: Url, inputs: Iterable[PathLike]) -> None:
    """Raise if an input is at the URL of an output, or below it."""
    for path in inputs:
        if is_url(path) and output in (Url(path), *Url(path).parents):
            raise SinkError(f"{output} is an input of this run; name another output")


def _with_folders(paths: Iterable[PathLike]) -> Iterator[PathLike]:
    """Yield paths, and the folders that they lie in."""
    for path in paths:
        yield from (path, *Path(os.path.realpath(path)).parents)


def _numbers(paths: Iterable[PathLike]) -> dict[tuple[int, int], PathLike]:
    """Return the files that are there, by their device and number; others may just vanish."""
    found = {}
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError):
            state = os.stat(path)  # noqa: PTH116
            found[state.st_dev, state.st_ino] = path
    return found


@contextmanager
def about(output: Path) -> Iterator[None]:
    """Raise errors of the system as ones about the output."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        raise SinkError(f"{output} cannot be written: {error.strerror or error}") from error
    except ValueError as error:  # a name that no file can have
        raise SinkError(f"{str(output)!r} cannot be written: {error}") from error
