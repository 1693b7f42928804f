"""RoI files that are text: COCO's JSON, VOC's XML and tables. They are read as a whole.

What reads a file is imported when there is one: most runs have none.
"""

from __future__ import annotations

from pathlib import Path

from lucid.stream.checks import TABLE_SUFFIXES
from lucid.stream.read.box_rows import BoxRows, Room
from lucid.stream.read.columns import forms_of
from lucid.stream.settings import Settings


def is_box_file(path: Path) -> bool:
    """Return whether a file is one of text, by its ending."""
    return path.suffix in {".json", ".xml", *TABLE_SUFFIXES}


def read_box_file(path: Path, settings: Settings, memory: int | None = None) -> BoxRows:
    """Return the boxes of a file of text.

    Raises
    ------
    SourceError, ShapeError
        If it is not what its ending says.
    MemoryLimitError
        If they would take more than `memory`.
    """
    room = Room(memory, str(path))
    if path.suffix == ".json":
        from lucid.stream.read.coco import read_coco

        return read_coco(path, settings.category, keep_crowd=not settings.no_crowd, room=room)
    if path.suffix == ".xml":
        from lucid.stream.read.voc import read_voc

        return read_voc(path, settings.category)
    return _read_table(path, settings, room)


def _read_table(path: Path, settings: Settings, room: Room) -> BoxRows:
    """Return the boxes of a table in text."""
    from lucid.stream.read.attention_tsv import is_attention_tsv, read_attention_tsv
    from lucid.stream.read.text_tables import read_text_table

    is_upright = settings.entry.form.is_upright and settings.columns is None
    if is_upright and is_attention_tsv(path):
        return read_attention_tsv(path, room)
    return read_text_table(path, settings.columns, room, forms_of(settings))
