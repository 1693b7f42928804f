"""What `info` says of a file: its arrays, or what a text holds, and what each is usable as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from lucid.errors import LucidError, ShapeError, SourceError
from lucid.stream.checks import PLACE, PathLike
from lucid.stream.read.attention_tsv import is_attention_tsv, read_attention_tsv
from lucid.stream.read.box_files import is_box_file
from lucid.stream.read.box_rows import Room
from lucid.stream.read.columns import FORMS, UPRIGHT_FORMS, Columns, by_header
from lucid.stream.read.contents import Content, contents_of
from lucid.stream.read.features import files_matching
from lucid.stream.read.json_stream import elements
from lucid.stream.read.listings import SIZE, is_coco, read_listing
from lucid.stream.read.per_image import files_of
from lucid.stream.read.size_tables import size_columns
from lucid.stream.read.text_tables import is_row, lines_of_fields, numbers_in
from lucid.stream.read.url import as_path

ALL_FORMS = (
    ("volume",),
    ("rotated",),
    ("corners8",),
    UPRIGHT_FORMS,
)  # those with more columns first


class TextInfo(NamedTuple):
    """What is in a file of text."""

    kind: str
    rows: int
    columns: dict[str, str]  # what each is taken for, '' where for nothing; of a JSON, none
    images: int | None  # that are named, None where none are
    roles: list[str]  # the options that it may be given to
    needs_columns: bool = False  # to be usable as RoIs
    fault: str = ""  # of the first row that is no box

    def __str__(self) -> str:
        images = "" if self.images is None else f" of {_counted(self.images, 'images')}"
        columns = (
            f"{name} ({role})" if role not in ("", name) else name
            for name, role in self.columns.items()
        )
        return (
            f"{_counted(self.rows, self.kind)}{images}"
            + ", columns " * bool(self.columns)
            + ", ".join(columns)
        )


def _counted(number: int, things: str) -> str:
    """Return a number of things, whose first word is their plural."""
    word, *others = things.split(" ", 1)
    return " ".join([str(number), word.removesuffix("s") if number == 1 else word, *others])


def describe(path: PathLike, trust: bool = False, stats: bool = False) -> list[Content] | TextInfo:
    """Return what a file holds; of a path with '{id}' or wildcards, the first that it means.

    With `stats`, also what values arrays have.

    Raises
    ------
    SourceError
        If there is no such file, or it is damaged or of no format that is read.
    """
    file = as_path(first_of(path)[0])
    has_arrays = not is_box_file(file) or file.suffix == ".xml"  # also the size of a picture
    if has_arrays or file.is_dir():
        return contents_of(file, trust, stats)
    return _json(file) if file.suffix == ".json" else _table(file)


def first_of(path: PathLike) -> tuple[str, int]:
    """Return the first file that a path means, and how many it means."""
    text = str(path)
    if not text:
        raise SourceError("a path was expected, got an empty text")
    if PLACE in text:
        ids = files_of(text)
        return text.replace(PLACE, ids[0]), len(ids)
    files = files_matching(text) or [text]
    return files[0], len(files)


def _table(path: Path) -> TextInfo:
    """Return what is in a table, or in a list of ids."""
    if is_attention_tsv(path):
        found = read_attention_tsv(path, Room())
        return TextInfo("boxes in base64", len(found.boxes), {}, len(found.keys.names), ["rois"])
    lines = lines_of_fields(path)
    first = next(lines, None)
    if first is None:
        raise SourceError(f"{path} is empty")
    if not is_row(first[1]):
        header = _by_words(first[1], path)
        if header.roles or path.suffix != ".txt":
            return _of_header(header, lines)
    rows = chain([first], lines)
    if path.suffix == ".txt" and (len(first[1]) == 1 or not is_row(first[1])):
        return TextInfo("lines", sum(1 for _ in rows), {}, None, ["ids"])
    sizes = ["image_size"] * (len(first[1]) == 2)
    kind = f"rows of {len(first[1])} columns without a header"
    return TextInfo(kind, sum(1 for _ in rows), {}, None, sizes, len(first[1]) >= 4)


class _Header(NamedTuple):
    """What words make of columns."""

    columns: dict[str, str]
    roles: list[str]  # of the table
    image: int | None  # which column names it
    box: tuple[int, ...]  # which columns are one


def _of_header(header: _Header, lines: Iterable[tuple[int, Sequence[str]]]) -> TextInfo:
    """Return what is in rows under a header."""
    images, count, fault = set[str](), 0, ""
    for number, fields in lines:
        count += 1
        if header.image is not None and header.image < len(fields):
            images.add(fields[header.image])
        try:
            numbers_in(fields, header.box)
        except ValueError as error:
            fault = fault or f"line {number} is not a box: {error}"
    return TextInfo(
        kind="rows",
        rows=count,
        columns=header.columns,
        images=None if header.image is None else len(images),
        roles=header.roles,
        needs_columns=not header.roles and len(header.columns) >= 4,
        fault=fault,
    )


def _by_words(header: Sequence[str], path: Path) -> _Header:
    """Return what words make of columns."""
    taken, roles, image = dict.fromkeys(header, ""), [], None
    used = next((one for one in map(partial(_used, header, str(path)), ALL_FORMS) if one), None)
    if used is not None:
        names = zip(
            (used.image, used.id, *used.box), ("image", "id", *FORMS[used.form]), strict=True
        )
        taken |= {header[at]: role for at, role in names if at is not None}
        roles, image = ["rois"], used.image
    with suppress(LucidError):
        pair, key = size_columns(header, len(header), None, path)
        taken |= {header[at]: role for at, role in zip(pair, ("height", "width"), strict=True)}
        roles, image = [*roles, "image_size"], image if key is None else key
    return _Header(taken, roles, image, used.box if used else ())


def _used(header: Sequence[str], name: str, forms: Sequence[str]) -> Columns | None:
    """Return the columns that are a box of one of some forms, None if there are none."""
    try:
        return by_header(header, name, forms)
    except LucidError:
        return None


def _json(path: Path) -> TextInfo:
    """Return what is in a .json: boxes, or what is said of images."""
    if not is_coco(path):
        images, rows = read_listing(path)
        roles = ["ids"] * bool(images.ids) + ["image_size"] * bool((images.sizes > 0).all())
        kind = "images" + ", each with its file and idx" * (rows is not None)
        return TextInfo(kind, len(images.sizes), {}, None, roles)
    return _coco(path)


def _coco(path: Path) -> TextInfo:
    """Return what is in a .json of COCO, or the results of a detector."""
    counts, images, has_sizes = Counter[str](), set[Any](), True
    for name, one in elements(path):
        counts[name] += 1
        fields = one if isinstance(one, dict) else {}
        if name in ("annotations", "", "images"):
            images.add(str(fields.get("id" if name == "images" else "image_id")))
        if name == "images":
            has_sizes &= fields.keys() >= SIZE
    boxes, sizes = counts["annotations"] + counts[""], ["image_size"] * has_sizes
    if not boxes and not counts["images"]:
        raise ShapeError(f"{path} has neither annotations nor images, as COCO files have")
    roles = ["rois"] * bool(boxes) + ["ids", *sizes] * bool(counts["images"])
    return TextInfo("annotations" if counts["images"] else "boxes", boxes, {}, len(images), roles)
