"""Boxes that have a table of their own for each image: a text, or an array whose columns are named.

All are read when they are opened, and held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from lucid.errors import RoiError, ShapeError
from lucid.stream.checks import PLACE
from lucid.stream.read.box_columns import Column, own_ids
from lucid.stream.read.box_files import read_box_file
from lucid.stream.read.box_rows import BoxRows, Keys, require_seen
from lucid.stream.read.columns import form_of, forms_of
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.ids import Id, as_id, match
from lucid.stream.read.named import as_keys
from lucid.stream.read.opened import Opened
from lucid.stream.read.per_image import PerImage
from lucid.stream.read.source import Source
from lucid.stream.read.tables import columns_of
from lucid.stream.read.url import as_path
from lucid.stream.settings import Settings
from lucid.stream.types import Array


class Rows(Protocol):
    """Where the table of each image is."""

    def rows(self, image: int) -> tuple[str, BoxRows | None] | None:
        """Return the name of a table and what it has; None if there is no table."""

    def as_input(self, shape: tuple[int, ...]) -> Input:
        """Return what is recorded of all."""


class Tables:
    """A table for each image, all of which are held."""

    dtype = np.dtype(np.float64)

    def __init__(self, read: Rows, settings: Settings, ids: Sequence[str], opened: Opened) -> None:
        self._read, self.missing, self._first = read, 0, ""
        self.form, self._given = settings.boxes, settings.boxes
        tables = [self._table(image, one) for image, one in enumerate(ids)]
        self.counts = np.array([0 if one is None else len(one.boxes) for one in tables], np.int64)
        filled = [one for one in tables if one is not None]
        require_seen(settings.category, filled, str(settings.rois))
        none = np.empty((0, len(form_of(settings).columns)))
        self._boxes = np.concatenate([none, *(one.boxes for one in filled)])
        self.roi_ids = _joined([one.roi_ids for one in filled if len(one.boxes)])
        if self.roi_ids is not None:
            opened.held_bytes += 2 * self.roi_ids.nbytes
        self._begin = np.cumsum(self.counts) - self.counts
        opened.held_bytes += 2 * self._boxes.nbytes + 512 * len(ids)

    def _table(self, image: int, own: str) -> BoxRows | None:
        """Return the boxes of an image, None if there is no table or nothing in it."""
        found = self._read.rows(image)
        if found is None:
            self.missing += 1
        name, rows = found or ("", None)
        if rows is None:
            return None
        other = _other_image(rows, own)
        if other is not None:
            raise RoiError(
                f"{name} must have boxes of image {own!r} and no other, got "
                f"{other!r}; if that is no image, choose columns without it"
            )
        if self._given not in ("xyxy", rows.form):
            raise ShapeError.advising(f"{name} says that its boxes are {rows.form}", "drop {boxes}")
        if self._first and rows.form != self.form:
            raise ShapeError(f"{name} says that its boxes are {rows.form}, and {self._first} that "
                             f"its are {self.form}")  # fmt: skip
        self._first, self.form = self._first or name, rows.form
        return rows

    def note(self, shape: tuple[int, ...], opened: Opened) -> None:
        """Note what was read."""
        opened.inputs.append(self._read.as_input(shape))

    def read(self, image: int, rows: slice) -> Array:
        """Return some boxes of an image."""
        begin = self._begin[image]
        return self._boxes[begin + rows.start : begin + rows.stop]


class RowsOfTexts:
    """Files of text."""

    def __init__(self, settings: Settings, ids: Sequence[str]) -> None:
        self._settings, self._pattern = settings, as_path(settings.rois)
        self._paths = tuple(as_path(str(settings.rois).replace(PLACE, one)) for one in ids)

    def rows(self, image: int) -> tuple[str, BoxRows | None] | None:
        """Return the name of a file and what it has; None if there is no file."""
        path = self._paths[image]
        try:
            is_filled = path.stat().st_size > 0 or path.suffix == ".xml"
            return str(path), read_box_file(path, self._settings) if is_filled else None
        except FileNotFoundError:
            return None

    def as_input(self, shape: tuple[int, ...]) -> Input:
        """Return what is recorded of all."""
        return Input("rois", self._pattern, None, shape, "text", self._paths)


class RowsOfArrays:
    """Arrays of records, or of numbers whose columns were named by hand."""

    def __init__(self, arrays: PerImage, settings: Settings, opened: Opened) -> None:
        self._arrays, self._columns, self._opened = arrays, settings.columns, opened
        self._forms = forms_of(settings)

    def rows(self, image: int) -> tuple[str, BoxRows | None] | None:
        """Return the name of an array and what it has; None if there is no array."""
        source = self._arrays.look(image)
        if source is None:
            return None
        return source.name, None if 0 in source.shape else self._rows(source)

    def _rows(self, source: Source) -> BoxRows:
        values = source[...]
        rows = values.reshape(values.shape[1:] if _is_batch_of_one(values) else values.shape)
        used = columns_of(rows.shape, rows.dtype, self._columns, source.name, self._forms)
        columns = [Column(rows, rows.dtype, at).of(rows) for at in used.box]
        own = None
        if used.id is not None:
            own = own_ids(Column(rows, rows.dtype, used.id), len(rows), source.name, self._opened)
        return BoxRows(
            keys=_keys(rows, used.image),
            index_by=used.index_by or ("position" if used.image is None else "id"),
            boxes=np.column_stack(columns).astype(np.float64),
            form=used.form,
            images=None,
            roi_ids=own,
        )

    def as_input(self, shape: tuple[int, ...]) -> Input:
        """Return what is recorded of all."""
        return self._arrays.as_input("rois", shape, "table")


def _is_batch_of_one(values: Array) -> bool:
    """Return whether an axis of length 1 stands before those of a table."""
    return len(values) == 1 and values.ndim == (2 if values.dtype.names else 3)


def _keys(rows: Array, at: int | None) -> Keys:
    """Return the names of images that a column has."""
    if at is None:
        return Keys(names=[0], codes=np.zeros(len(rows), np.int64))
    names, codes = np.unique(as_keys(Column(rows, rows.dtype, at).of(rows)), return_inverse=True)
    return Keys(names=[as_id(one) for one in names.tolist()], codes=codes)


def _other_image(rows: BoxRows, own: str) -> Id | None:
    """Return what rows call another image, None if they are of one or do not say of which."""
    names = rows.keys.names
    if rows.index_by == "position":
        return next((one for one in names if one != 0), None)
    missing = match(names, [own]).missing
    return names[missing[0]] if len(missing) else None


def _joined(parts: Sequence[Array | None]) -> Array | None:
    """Return what all boxes are called, whole numbers if all are; None unless all have names."""
    known: list[Any] = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    are_texts = any(part.dtype.kind == "U" for part in known)
    return np.concatenate([part.astype(np.str_) if are_texts else part for part in known])
