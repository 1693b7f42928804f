"""Checks of what a caller asks to see; as those of the stream, they need no NumPy."""

import os
from operator import index
from pathlib import Path
from typing import Any

PICTURES = (".png", ".svg", ".pdf")
PAGES = (".html", ".htm")
SHOWN = ("mean", "norm", "pca")


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


def as_images(value: Any) -> tuple[str, ...]:
    """Return ids of images, or their numbers, as texts; what was checked before stays as it is."""
    if isinstance(value, (list, tuple)):
        return tuple(text for one in value for text in as_images(one))
    return (str(value),)


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
