"""Checks of what a caller asks to see; as those of the stream, they need no NumPy."""

import os
import re
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

PICTURES = (".png", ".svg", ".pdf")
PAGES = (".html", ".htm")
SHOWN = ("mean", "norm", "pca")

Rows = tuple[slice, ...]


def as_picture(path: Any) -> Path:
    """Return the path of a picture, if its ending is of a format that can be drawn."""
    picture = Path(path)
    if picture.suffix.lower() not in PICTURES and str(path) != "-":
        raise ValueError(f"output must end in {', '.join(PICTURES)} or be -, got {path}")
    return picture


def as_page(path: Any) -> Path:
    """Return the path of a page."""
    page = Path(path)
    if page.suffix.lower() not in PAGES:
        raise ValueError(f"html must end in .html, got {path}")
    return page


def as_path(path: Any) -> str:
    """Return a path as text."""
    return str(os.fspath(path))


def as_rows(value: Any) -> Rows:
    """Return rows as slices, from numbers, slices or text such as '3,17,100:200'.

    Examples
    --------
    >>> as_rows("3,100:200")
    (slice(3, 4, None), slice(100, 200, None))
    """
    if isinstance(value, str):
        return tuple(_range(part) for part in value.split(","))
    if isinstance(value, slice):
        return (value,)
    if hasattr(value, "__index__"):
        value = [value]
    return tuple(
        row if isinstance(row, slice) else slice(index(row), index(row) + 1) for row in value
    )


def _range(text: str) -> slice:
    match = re.fullmatch(r"\s*(\d+)(?:(:)(\d+))?\s*", text)
    if not match or (match[2] and int(match[3]) <= int(match[1])):
        raise ValueError(
            f"rows must be numbers from 0 and ranges with an exclusive end, as 3,17,100:200, "
            f"got {text!r}"
        )
    first = int(match[1])
    return slice(first, int(match[3]) if match[2] else first + 1)


def as_images(value: Any) -> tuple[str, ...]:
    """Return ids of images, or their numbers, as texts; what was checked before stays as it is."""
    if isinstance(value, (list, tuple)):
        return tuple(text for one in value for text in as_images(one))
    return (str(value),)


def as_count(name: str) -> Any:
    """Return a check that a value is a whole number, and not below 0."""

    def check(value: SupportsIndex) -> int:
        number = index(value)
        if number < 0:
            raise ValueError(f"{name} must be at least 0, got {value}")
        return number

    return check


def as_shown(value: Any) -> str | int:
    """Return what of a map's channels is drawn: 'mean', 'norm', 'pca', or the number of one."""
    if value in SHOWN:
        return str(value)
    try:
        channel = int(value) if isinstance(value, str) else index(value)
    except (TypeError, ValueError):
        channel = -1
    if channel < 0:
        raise ValueError(
            f"show must be one of {', '.join(SHOWN)} or the number of a channel, got {value}"
        )
    return channel
