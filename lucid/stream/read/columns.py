"""Which column of a table is the image, and which four are the box: by name or by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lucid.errors import ShapeError

ROLES = ("image", "id", "x1", "y1", "x2", "y2", "x", "y", "w", "h", "cx", "cy")
FORMS = {
    "xyxy": ("x1", "y1", "x2", "y2"),
    "xywh": ("x", "y", "w", "h"),
    "cxcywh": ("cx", "cy", "w", "h"),
}
# What headers call them, in small letters without _ and space. The first group names an image by
# id, the second by position; the third are what boxes are called.
WORDS = {
    "image": ("imageid", "imgid", "image", "filename"),
    "position": ("batchindex", "imageindex"),
    "id": ("id", "annid", "roiid"),
    "x1": ("x1", "xmin", "left"),
    "y1": ("y1", "ymin", "top"),
    "x2": ("x2", "xmax", "right"),
    "y2": ("y2", "ymax", "bottom"),
    "x": ("x",),
    "y": ("y",),
    "w": ("w",),
    "h": ("h",),
    "cx": ("cx",),
    "cy": ("cy",),
}


class Columns(NamedTuple):
    """The columns of a table that are used."""

    image: int | None  # None where rows do not say their image
    index_by: str | None  # whether that is a 'position' or an 'id', None where no word says it
    box: tuple[int, int, int, int]
    form: str  # of the box
    id: int | None  # what a box is called


def by_header(header: Sequence[str], name: str) -> Columns:
    """Return the columns that a header names.

    Raises
    ------
    ShapeError
        If it does not say which columns are the box.
    """
    words = [word_of(one) for one in header]
    roles = {
        role: words.index(word)
        for role, known in WORDS.items()
        for word in known[::-1]
        if word in words
    }
    _add_sizes(roles, words)
    if "x2" not in roles and {"x1", "y1", "w", "h"} <= roles.keys():
        roles |= {"x": roles["x1"], "y": roles["y1"]}  # left, top, width, height
    return _columns(roles, name, f"its header is {', '.join(header)}")


def word_of(name: str) -> str:
    """Return a column's name as a word: in small letters, without _ and space."""
    return re.sub(r"[_ ]", "", name).lower()


def by_hand(text: str, header: Sequence[str] | None, name: str) -> Columns:
    """Return the columns that `--columns` names.

    Parameters
    ----------
    text : str
        Roles in the order of the columns, `image,-,x1,y1,x2,y2`, where - is a column that is not
        used; or `role=column` for columns that are called so.
    header : sequence of str or None
        What the columns are called.
    name : str
        Of the table.
    """
    parts = [part.strip() for part in text.split(",")]
    named = [tuple(part.split("=", 1)) for part in parts if "=" in part]
    if named and len(named) != len(parts):
        raise ShapeError(f"columns must be roles by order or role=name, not both, got {text}")
    roles: dict[str, int] = {}
    for at, part in enumerate(parts):
        role, column = named[at] if named else (part, None)
        if role == "-":
            continue
        if role not in ROLES or role in roles:
            raise ShapeError(f"columns must be of {', '.join(ROLES)}, each once, or -; got {text}")
        roles[role] = at if column is None else _position(column, header, name)
    return _columns(roles, name, f"columns are {text}")._replace(index_by=None)


def _position(column: str, header: Sequence[str] | None, name: str) -> int:
    if header is None or column not in header:
        known = ", ".join(header) if header else "no names"
        raise ShapeError(f"{name} has no column {column!r}; it has {known}")
    return list(header).index(column)


def _add_sizes(roles: dict[str, int], words: Sequence[str]) -> None:
    """Take width and height for the box's where there is a corner and no other corner."""
    corner = {"x", "y"} <= roles.keys() or {"x1", "y1"} <= roles.keys()
    if corner and "x2" not in roles:
        for role, word in (("w", "width"), ("h", "height")):
            if word in words:
                roles.setdefault(role, words.index(word))


def _columns(roles: dict[str, int], name: str, given: str) -> Columns:
    found = [form for form, needed in FORMS.items() if set(needed) <= roles.keys()]
    if len(found) != 1:
        ways = "; or ".join(", ".join(needed) for needed in FORMS.values())
        raise ShapeError(f"{name} must have columns {ways}; {given}. Name them with columns")
    first, second, third, fourth = (roles[role] for role in FORMS[found[0]])
    return Columns(
        image=roles.get("image", roles.get("position")),
        index_by="id" if "image" in roles else "position",
        box=(first, second, third, fourth),
        form=found[0],
        id=roles.get("id"),
    )
