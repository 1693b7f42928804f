"""How texts and sizes are written for people."""

import re
from collections.abc import Iterable, Iterator

COLUMNS = 100  # that a line of a report has where no terminal says it, if its parts are no longer
MARGIN = 10
# Where a long one is cut, first at the larger parts; nothing within parentheses is one.
SEAMS = [re.compile(rf"(?<={mark}) (?![^()]*\))") for mark in ";,"]


def shown(text: str) -> str:
    """Return a text whose unprintable characters, as names in files may have, are escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def in_units(size: float) -> str:
    """Return a number of bytes as people read it, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def wrapped(lines: Iterable[str], columns: int = COLUMNS) -> Iterator[str]:
    """Yield lines of a report; of long ones several, which end where a part of them does."""
    larger, smaller = SEAMS
    for line in lines:
        for part in _cut(line, larger, columns):
            yield from _cut(part, smaller, columns)


def _cut(line: str, seam: re.Pattern[str], columns: int) -> Iterator[str]:
    """Yield the parts of a long line, as many together as there is room for."""
    first, *others = seam.split(line) if len(line) > columns else [line]
    for part in others:
        if len(first) + 1 + len(part) > columns:
            yield first
            first = " " * MARGIN + part
        else:
            first = f"{first} {part}"
    yield first
