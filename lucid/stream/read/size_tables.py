"""Heights and widths of images in CSV, TSV and plain text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.columns import WORDS, word_of
from lucid.stream.read.ids import Id
from lucid.stream.read.text_tables import is_row, key_in, lines_of_fields, numbers_in

HEIGHTS = ("imageheight", "imgheight", "imageh", "imgh", "height", "h")
WIDTHS = ("imagewidth", "imgwidth", "imagew", "imgw", "width", "w")
CORNERS = {*WORDS["x"], *WORDS["x1"], *WORDS["cx"]}  # beside which width and height are a box's
IDS = (*WORDS["image"], *WORDS["position"], "id")


class SizeTable(NamedTuple):
    """Sizes as a file has them."""

    sizes: Floats  # (n, 2) height and width
    ids: list[Id] | None  # of the images (n,), None where rows are in the order of images
    index_by: str = "id"  # what they are: 'position' or 'id'


def read_size_table(path: Path, names: str | None) -> SizeTable:
    """Return the sizes of a table.

    Parameters
    ----------
    path : Path
        `.csv`, `.tsv` or `.txt`.
    names : str or None
        The two columns, as 'height,width', in any order if words say which is which, and else
        height first; if there are none, the header says it, or there are two columns.

    Raises
    ------
    SourceError, ShapeError
        If it is not such a table, or does not have these columns.
    """
    lines = lines_of_fields(path)
    first = next(lines, None)
    if first is None:
        raise SourceError(f"{path} is empty")
    header = None if is_row(first[1]) else first[1]
    pair, key = size_columns(header or [], len(first[1]), names, path)
    by_position = header and key is not None and word_of(header[key]) in WORDS["position"]
    sizes, ids = [], []
    for number, fields in lines if header else chain([first], lines):
        try:
            sizes.append(numbers_in(fields, pair))
            ids.append(0 if key is None else key_in(fields, key))
        except ValueError as error:
            raise SourceError(f"{path}: line {number} is not a size: {error}") from None
    rows = np.array(sizes, np.float64).reshape(-1, 2)
    wrong = np.flatnonzero(~(np.isfinite(rows) & (rows > 0)).all(axis=1))
    if len(wrong):
        raise ShapeError(f"{path} must hold sizes above 0, got {rows[wrong[0]].tolist()} at "
                         f"row {wrong[0]}")  # fmt: skip
    if key is None:
        return SizeTable(rows, None)
    return _each_once(rows, ids, path)._replace(index_by="position" if by_position else "id")


def _each_once(sizes: Floats, ids: Sequence[Id], path: Path) -> SizeTable:
    """Return the size of each image, which may have several rows, as a table of boxes has."""
    rows = {one: row for row, one in reversed(list(enumerate(ids)))}
    firsts = np.array([rows[one] for one in ids], np.int64)
    wrong = np.flatnonzero((sizes[firsts] != sizes).any(axis=1))
    if len(wrong):
        raise ShapeError(f"{path} has two sizes of image {ids[wrong[0]]!r}")
    return SizeTable(sizes[list(rows.values())], list(rows))


def size_columns(
    header: Sequence[str], columns: int, names: str | None, path: Path
) -> tuple[list[int], int | None]:
    """Return which columns are height and width, and which names the image.

    Raises
    ------
    ShapeError
        If that is not clear.
    """
    words = [word_of(one) for one in header]
    key = next((words.index(word) for word in IDS if word in words), None)
    if names is not None:
        pair = [one.strip() for one in names.split(",")]
        if len(pair) != 2 or not set(pair) <= set(header):
            known = ", ".join(header) or "no names"
            raise ShapeError(f"{path} has no columns {names!r}; it has {known}")
        return [header.index(one) for one in height_first(pair)], key
    if not header and columns == 2:
        return [0, 1], None
    found = [words.index(one) for some in (HEIGHTS, WIDTHS)
             for one in [one for one in some if one in words][:1]]  # fmt: skip
    if len(found) < 2:
        raise ShapeError(
            f"{path} must have columns height and width; say which they are as {path}::H,W"
        )
    if _may_be_of_box(words, [words[at] for at in found]):
        said = ", ".join(header[at] for at in found)
        raise ShapeError(
            f"{path} has columns {said} beside those of a box, whose size they may be; if they are "
            f"the sizes of images, pass {path}::{said.replace(' ', '')}"
        )
    return found, key


def _may_be_of_box(words: Sequence[str], pair: Sequence[str]) -> bool:
    """Return whether a height and a width may be those of a box that the same rows have."""
    has_box = bool(CORNERS & set(words))
    are_image = has_box and bool({*WORDS["x2"]} & set(words)) and pair[0] == "height"
    return has_box and pair[0] in {"height", "h"} and not are_image


def height_first(pair: Sequence[str]) -> list[str]:
    """Return the names of height and width in this order, if words say which is which."""
    width_first = word_of(pair[0]) in WIDTHS and word_of(pair[1]) in HEIGHTS
    return list(pair[::-1] if width_first else pair)
