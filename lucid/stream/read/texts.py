"""Files of text: UTF-8 or, as spreadsheets save "Unicode text", UTF-16 with a mark in front."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lucid.errors import LucidError, SourceError
from lucid.stream.read.missing import not_opened

MARKS_OF_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


@contextmanager
def opened_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open a file of text for reading.

    Raises
    ------
    SourceError
        If it cannot be opened, or what is read of it is in another encoding.
    """
    try:
        with path.open("rb") as stream:
            is_utf16 = stream.read(2) in MARKS_OF_UTF16
        with path.open(encoding="utf-16" if is_utf16 else "utf-8-sig", newline=newline) as text:
            yield text
    except UnicodeDecodeError as error:
        where = "it is cut off or damaged" if is_utf16 else f"line {_first_odd_line(path)} is not"
        raise SourceError(
            f"{path} must be UTF-8 or UTF-16 text, and {where}; if it is of another encoding, "
            "convert it: iconv -f LATIN1 -t UTF-8"
        ) from error
    except OSError as error:
        raise error if isinstance(error, LucidError) else not_opened(path, error) from error


def _first_odd_line(path: Path) -> int:
    """Return the number of the first line that is not UTF-8."""
    number = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):  # noqa: B007 - it is returned
            try:
                line.decode()
            except UnicodeDecodeError:
                break
    return number
