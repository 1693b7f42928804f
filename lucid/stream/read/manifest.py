"""Lists of jobs: a .csv with a header, or a .jsonl with an object a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from lucid.errors import SourceError
from lucid.stream.read.text_tables import delimiter_of
from lucid.stream.read.texts import opened_text

Cells = dict[str, Any]


def read_manifest(path: Path) -> list[tuple[int, Cells]]:
    """Return the lines of a list of jobs, each with its number and what its cells say.

    Raises
    ------
    SourceError
        If it cannot be read, or is no such list.
    """
    rows = _rows_of_json if path.suffix == ".jsonl" else _rows_of_table
    try:
        with opened_text(path, newline="") as stream:
            found = list(rows(stream))
    except (ValueError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if not found:
        raise SourceError(f"{path} has no jobs")
    return [(line, {name: cell for name, cell in row if cell not in (None, "")})
            for line, row in found]  # fmt: skip


def _rows_of_table(stream: TextIO) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    first = next(stream, "")
    lines = csv.reader(
        chain([first], stream), delimiter=delimiter_of(first), skipinitialspace=True, strict=True
    )
    header = [name.strip() for name in next(lines, [])]
    for name in header:
        if header.count(name) > 1:
            raise ValueError(f"its header has {name!r} more than once")
    for cells in filter(None, lines):
        if len(cells) > len(header):
            raise ValueError(f"line {lines.line_num} has more cells than the header")
        yield lines.line_num, list(zip(header, map(str.strip, cells), strict=False))


def _rows_of_json(stream: TextIO) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object")
            yield number, list(row.items())
