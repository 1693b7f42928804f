"""Files without a name, in the folder of temporary files: they are gone with whoever has them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from lucid.errors import LucidError, SinkError


@contextmanager
def table() -> Iterator[int]:
    """Lend an open file where RoIs that are to be done may stand."""
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


@contextmanager
def errors() -> Iterator[None]:
    """Raise errors of the system as ones about that folder."""
    try:
        yield
    except LucidError:
        raise
    except OSError as error:
        raise SinkError(
            f"{tempfile.gettempdir()} cannot hold what a run keeps there: {error.strerror}; set "
            "TMPDIR to a folder with more room"
        ) from error
