"""Which column of a table is the image, and which are the box: by name or by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lucid.errors import ShapeError, literal
from lucid.roi.forms import CORNERS, TURNED, UPRIGHT, VOLUME, BoxForm
from lucid.stream.settings import Settings

FORMS = {
    "xyxy": UPRIGHT.columns,
    "xywh": ("x", "y", "w", "h"),
    "cxcywh": ("cx", "cy", "w", "h"),
    "corners8": CORNERS.columns,
    "rotated": TURNED.columns,
    "volume": VOLUME.columns,
}
UPRIGHT_FORMS = ("xyxy", "xywh", "cxcywh")
ROLES = dict.fromkeys(("image", "id", *(role for form in FORMS.values() for role in form)))
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
    "angle": ("angle", "theta"),
    "z1": ("z1", "zmin"),
    "z2": ("z2", "zmax"),
    **{role: (role,) for role in ("x3", "y3", "x4", "y4")},
}


def form_of(settings: Settings) -> BoxForm:
    """Return the columns that boxes have in arrays."""
    return CORNERS if settings.boxes == "corners8" else settings.entry.form


def forms_of(settings: Settings) -> tuple[str, ...]:
    """Return the formats that boxes may have in tables."""
    columns = form_of(settings).columns
    if columns == UPRIGHT.columns:
        return UPRIGHT_FORMS
    return tuple(form for form, needed in FORMS.items() if needed == columns)


class Columns(NamedTuple):
    """The columns of a table that are used."""

    image: int | None  # None where rows do not say their image
    index_by: str | None  # whether that is a 'position' or an 'id', None where no word says it
    box: tuple[int, ...]
    form: str  # of the box
    id: int | None  # what a box is called


def by_header(header: Sequence[str], name: str, forms: Sequence[str] = UPRIGHT_FORMS) -> Columns:
    """Return the columns that a header names, of a box of one of some forms.

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
    return _columns(roles, name, f"its header is {', '.join(header)}", forms)


def word_of(name: str) -> str:
    """Return a column's name as a word: in small letters, without _ and space."""
    return re.sub(r"[_ ]", "", name).lower()


def by_hand(
    text: str, header: Sequence[str] | None, name: str, forms: Sequence[str] = UPRIGHT_FORMS
) -> Columns:
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
    forms : sequence of str
        Those that a box may have.
    """
    parts = [part.strip() for part in text.split(",")]
    named = [tuple(part.split("=", 1)) for part in parts if "=" in part]
    if named and len(named) != len(parts):
        raise ShapeError.of(
            f"{{columns}} must be roles by order or role=name, not both, got {literal(text)}"
        )
    roles: dict[str, int] = {}
    for at, part in enumerate(parts):
        role, column = named[at] if named else (part, None)
        if role == "-":
            continue
        if role not in ROLES or role in roles:
            raise ShapeError.of(
                f"{{columns}} must be of {', '.join(ROLES)}, each once, or -; got {literal(text)}"
            )
        roles[role] = at if column is None else _position(column, header, name)
    return _columns(roles, name, f"columns are {text}", forms)._replace(index_by=None)


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


def _columns(roles: dict[str, int], name: str, given: str, forms: Sequence[str]) -> Columns:
    found = [form for form in forms if set(FORMS[form]) <= roles.keys()]
    if len(found) != 1:
        ways = "; or ".join(", ".join(FORMS[form]) for form in forms)
        raise ShapeError.advising(
            f"{name} must have columns {ways}; {given}",
            "say which are what, as {columns:image=photo,x1=left,...}",
        )
    return Columns(
        image=roles.get("image", roles.get("position")),
        index_by="id" if "image" in roles else "position",
        box=tuple(roles[role] for role in FORMS[found[0]]),
        form=found[0],
        id=roles.get("id"),
    )
