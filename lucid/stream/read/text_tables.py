"""Boxes in CSV, TSV and plain text, with a header that names columns or without."""

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, dropwhile
from pathlib import Path

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.stream.read.box_rows import BoxRows, IdList, KeyList, Room
from lucid.stream.read.columns import UPRIGHT_FORMS, Columns, by_hand, by_header
from lucid.stream.read.ids import Id, as_id
from lucid.stream.read.texts import opened_text

DELIMITERS = {".csv": ",", ".tsv": "\t"}
MAX_FIELD_CHARS = 1 << 20
OTHERS = ";\t,"  # spreadsheets write semicolons where numbers have commas


def read_text_table(
    path: Path,
    columns: str | None = None,
    room: Room | None = None,
    forms: Sequence[str] = UPRIGHT_FORMS,
) -> BoxRows:
    """Return the boxes of a table in a text file.

    Parameters
    ----------
    path : Path
        `.csv` with commas or semicolons, `.tsv` with tabs, or `.txt` with spaces or commas.
    columns : str, optional
        Which columns are what; needed where there is no header.
    room : Room, optional
        What they may take.
    forms : sequence of str
        Those that boxes may have.

    Raises
    ------
    SourceError, ShapeError
        If it is not such a table, or a row does not hold what its columns should.
    MemoryLimitError
        If there is not room enough.
    """
    lines = lines_of_fields(path)
    first = next(lines, None)
    if first is None:
        raise SourceError(f"{path} is empty")
    header = None if is_row(first[1]) else first[1]
    if columns is not None:
        used = by_hand(columns, header, str(path), forms)
    elif header is not None:
        used = by_header(header, str(path), forms)
    else:
        raise ShapeError.advising(
            f"{path} has no header",
            "say which columns are what, as {columns:image,x1,y1,x2,y2}",
        )
    return _rows(lines if header else chain([first], lines), used, path, room or Room())


def lines_of_fields(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the lines of a file that are not empty, with their numbers, in fields."""
    try:
        with opened_text(path, newline="") as stream:
            if path.suffix not in DELIMITERS:
                split = ((line.replace(",", " ").split()) for line in stream)
                rows = ((k, row) for k, row in enumerate(split, 1) if row)
                yield from dropwhile(_is_remark, rows)
                return
            csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
            header = next(stream, "")
            delimiter = delimiter_of(header, DELIMITERS[path.suffix])
            lines = chain([header], stream)
            table = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
            yield from ((table.line_num, row) for row in table if row)
    except csv.Error as error:
        raise SourceError(f"{path} cannot be read as a table: {error}") from None


def delimiter_of(line: str, own: str = ",") -> str:
    """Return what is between the fields of a line: another than a format's own if that is not."""
    return next((one for one in (own, *OTHERS) if one in line), own)


def _is_remark(line: tuple[int, Sequence[str]]) -> bool:
    """Return whether a line is one that aerial sets begin with: gsd:0.15, imagesource:..."""
    return re.match(r"[A-Za-z]+:", line[1][0]) is not None


def is_row(fields: Sequence[str]) -> bool:
    """Return whether fields are values and not names: more than half of them are numbers."""
    return sum(map(_is_number, fields)) * 2 > len(fields)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows(
    lines: Iterator[tuple[int, Sequence[str]]], used: Columns, path: Path, room: Room
) -> BoxRows:
    keys, boxes, own = KeyList(room), array("d"), IdList(room)
    for number, fields in lines:
        try:
            boxes.extend(numbers_in(fields, used.box))
            keys.add(0 if used.image is None else key_in(fields, used.image))
            own.add(None if used.id is None else key_in(fields, used.id))
        except ValueError as error:
            raise SourceError(f"{path}: line {number} is not a box: {error}") from None
    return BoxRows(
        keys=keys.keys(),
        index_by=used.index_by or ("position" if used.image is None else "id"),
        boxes=np.frombuffer(boxes).reshape(-1, len(used.box)),
        form=used.form,
        images=None,
        roi_ids=own.ids(),
        says_images=used.image is not None,
    )


def numbers_in(fields: Sequence[str], columns: Sequence[int]) -> list[float]:
    """Return the numbers in some columns of a line.

    Raises
    ------
    ValueError
        If they are none, with the reason.
    """
    try:
        return [float(fields[at]) for at in columns]
    except IndexError:
        raise ValueError(_too_short(fields)) from None
    except ValueError:
        at = next(at for at in columns if not _is_number(fields[at]))
        hint = "; decimals are written with a point" * ("," in fields[at])
        raise ValueError(f"its column {at + 1} is {fields[at]!r} and no number{hint}") from None


def key_in(fields: Sequence[str], column: int) -> Id:
    """Return the id in a column of a line; raise `ValueError` if there is none."""
    if column >= len(fields):
        raise ValueError(_too_short(fields))
    return as_key(fields[column])


def _too_short(fields: Sequence[str]) -> str:
    return f"it has {len(fields)} columns"


def as_key(text: str) -> Id:
    """Return a field as an id: 7 and 7.0 are a number, 007 is a text."""
    text = text.strip()
    plain = text.removesuffix(".0")
    return as_id(int(plain) if plain.isdecimal() and str(int(plain)) == plain else text)
