"""Boxes that have an array or a table of text of their own for each image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from lucid.errors import MissingFileError, ShapeError
from lucid.roi.forms import BoxForm
from lucid.roi.table import require_table
from lucid.stream.read.box_files import is_box_file
from lucid.stream.read.box_rows import Images, Ints
from lucid.stream.read.columns import form_of
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.owners import POSITIONS, WHOSE, owners_given
from lucid.stream.read.per_image import PerImage, per_image
from lucid.stream.read.tables_per_image import RowsOfArrays, RowsOfTexts, Tables
from lucid.stream.read.url import as_path
from lucid.stream.settings import Settings
from lucid.stream.types import Array

NAMES = ("rois", "boxes", "bboxes")


class BoxesPerImage:
    """Boxes (n, B) of each image, in the order of the images; one without a file has none."""

    named = POSITIONS
    pictures: Images | None = None

    def __init__(self, settings: Settings, features: Features, opened: Opened) -> None:
        self.name, self.form = str(settings.rois), settings.boxes
        if owners_given(settings):
            raise ShapeError.advising(f"{self.name} says the image of each box", f"drop {WHOSE}")
        ids = require_ids_of(features, self.name)
        self._held = _held(settings, ids, opened)
        self.missing, counts = self._held.missing, self._held.counts
        if self.missing == len(ids):
            raise MissingFileError(f"{self.name} matches nothing, as for {ids[0]!r}", self.name)
        self.dtype, self.form = self._held.dtype, self._held.form
        self.roi_ids = self._held.roi_ids
        self._until = np.cumsum(counts)
        self._before = self._until - counts
        self.rois = int(counts.sum())
        self._columns = len(form_of(settings).columns)
        self.shape: tuple[int, ...] = (self.rois, self._columns)
        self._last = range(0), np.empty(0, np.int64), np.empty((0, self._columns))
        self._held.note(self.shape, opened)
        opened.held_bytes += 3 * counts.nbytes

    def read(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return the images (k,) and the boxes (k, B); what was read last is not read again."""
        rows = range(start, stop)
        if rows != self._last[0]:
            index = np.searchsorted(self._until, np.arange(start, stop), side="right")
            self._last = rows, index, self._boxes(start, stop, index)
        return self._last[1:]

    def _boxes(self, start: int, stop: int, index: Ints) -> Array:
        images = np.unique(index)
        begin = np.maximum(start - self._before[images], 0).tolist()
        end = (np.minimum(stop, self._until[images]) - self._before[images]).tolist()
        parts = [
            self._held.read(image, rows)
            for image, rows in zip(images.tolist(), map(slice, begin, end), strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self._columns))


def require_ids_of(features: Features, name: str) -> list[str]:
    """Return what images are called; raise if that is not known."""
    if features.ids is None:
        raise ShapeError.advising(
            f"{name} is of images by id, and {features.name} does not say what its images are "
            "called",
            "pass {ids}, one per image in its order",
        )
    return features.ids


def _held(settings: Settings, ids: Sequence[str], opened: Opened) -> Tables | Arrays:
    """Return what reads the boxes of images, from tables or arrays (n, B)."""
    if is_box_file(as_path(settings.rois)):
        return Tables(RowsOfTexts(settings, ids), settings, ids, opened)
    boxes = partial(_require_boxes, form=form_of(settings))
    check = boxes if settings.columns is None else _require_rows
    arrays = per_image(settings.rois, ids, NAMES, check, opened.trust)
    opened.keep(arrays)
    if settings.columns is not None or _are_records(arrays, len(ids)):
        return Tables(RowsOfArrays(arrays, settings, opened), settings, ids, opened)
    return Arrays(arrays, settings, ids, opened)


def _are_records(arrays: PerImage, images: int) -> bool:
    """Return whether the first array that there is has columns with names."""
    found = next(filter(None, map(arrays.look, range(images))), None)
    return found is not None and found.dtype.names is not None


class Arrays:
    """An array for each image, of which one is read at a time."""

    roi_ids: Array | None = None

    def __init__(
        self, arrays: PerImage, settings: Settings, ids: Sequence[str], opened: Opened
    ) -> None:
        self.form, self._arrays = settings.boxes, arrays
        self._require_boxes = partial(_require_boxes, form=form_of(settings))
        self.dtype, self.missing, self._chunk_bytes = np.dtype(np.float64), 0, 0
        self.counts = np.array([self._count(image) for image in range(len(ids))], np.int64)
        opened.chunk_bytes += self._chunk_bytes
        opened.held_bytes += 512 * len(ids)  # where they are

    def _count(self, image: int) -> int:
        """Return how many boxes an image has."""
        source = self._arrays.look(image)
        if source is None:
            self.missing += 1
            return 0
        self._require_boxes(source.shape, source.dtype, source.name)
        if 0 in source.shape:
            return 0
        self.dtype = source.dtype
        self._chunk_bytes = max(self._chunk_bytes, source.chunk_bytes)
        return source.shape[-2]

    def note(self, shape: tuple[int, ...], opened: Opened) -> None:
        """Note what was read."""
        opened.inputs.append(self._arrays.as_input("rois", shape, str(self.dtype)))

    def read(self, image: int, rows: slice) -> Array:
        """Return some boxes of an image."""
        source = self._arrays.again(image)
        return source[(*(0,) * (len(source.shape) - 2), rows)]


def _require_boxes(shape: tuple[int, ...], dtype: np.dtype[Any], name: str, form: BoxForm) -> None:
    """Raise unless an array is of boxes (n, B) of one image, or has no values."""
    if 0 in shape or dtype.names is not None:
        return
    columns = len(form.columns)
    if shape[-1:] != (columns,) or len(shape) < 2 or any(length != 1 for length in shape[:-2]):
        raise ShapeError(f"{name} must have the boxes (n, {columns}) of one image, got {shape}")
    require_table((1, columns + 1), dtype, name, form)


def _require_rows(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array can be a table, perhaps with an axis of length 1 before its own."""
    if dtype.names is None and len(shape) not in {1, 2, 3}:
        raise ShapeError(f"{name} must be a table (n, columns), got {shape} {dtype}")
