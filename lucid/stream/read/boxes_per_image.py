"""Boxes that have an array or a table of text of their own for each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lucid.errors import MissingFileError, RoiError, ShapeError
from lucid.roi.table import require_table
from lucid.stream.checks import PLACE
from lucid.stream.read.box_files import is_box_file, read_box_file
from lucid.stream.read.box_rows import BoxRows, Images, Ints
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.ids import Id, match
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.owners import POSITIONS, WHOSE, owners_given
from lucid.stream.read.per_image import per_image
from lucid.stream.settings import Settings
from lucid.stream.types import Array


class BoxesPerImage:
    """Boxes (n, 4) of each image, in the order of the images; one without a file has none."""

    named = POSITIONS
    pictures: Images | None = None

    def __init__(self, settings: Settings, features: Features, opened: Opened) -> None:
        self.name, self.form = str(settings.rois), settings.boxes
        if owners_given(settings):
            raise ShapeError(f"{self.name} says the image of each box; drop {WHOSE}")
        ids = require_ids_of(features, self.name)
        is_text = is_box_file(Path(self.name))
        if settings.columns is not None and not is_text:
            raise ShapeError(f"{self.name} must have boxes (n, 4); columns are for tables of text")
        self._held: Texts | Arrays = (Texts if is_text else Arrays)(settings, ids, opened)
        self.missing, counts = self._held.missing, self._held.counts
        if self.missing == len(ids):
            raise MissingFileError(f"{self.name} matches nothing, as for {ids[0]!r}", self.name)
        self.dtype, self.form = self._held.dtype, self._held.form
        self.roi_ids = self._held.roi_ids
        self._until = np.cumsum(counts)
        self._before = self._until - counts
        self.rois = int(counts.sum())
        self.shape: tuple[int, ...] = (self.rois, 4)
        self._last = range(0), np.empty(0, np.int64), np.empty((0, 4))
        self._held.note(self.shape, opened)
        opened.held_bytes += 3 * counts.nbytes

    def read(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return the images (k,) and the boxes (k, 4); what was read last is not read again."""
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
        return np.concatenate(parts) if parts else np.empty((0, 4))


def require_ids_of(features: Features, name: str) -> list[str]:
    """Return what images are called; raise if that is not known."""
    if features.ids is None:
        raise ShapeError(
            f"{name} is of images by id, and {features.name} does not say what its images are "
            "called; pass ids (--ids), one per image in its order"
        )
    return features.ids


class Arrays:
    """An array for each image, of which one is read at a time."""

    roi_ids: Array | None = None

    def __init__(self, settings: Settings, ids: Sequence[str], opened: Opened) -> None:
        self.form = settings.boxes
        names = ("rois", "boxes", "bboxes")
        self._arrays = per_image(settings.rois, ids, names, _require_boxes, opened.trust)
        opened.keep(self._arrays)
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
        _require_boxes(source.shape, source.dtype, source.name)
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


class Texts:
    """A table of text for each image, all of which are held."""

    dtype = np.dtype(np.float64)

    def __init__(self, settings: Settings, ids: Sequence[str], opened: Opened) -> None:
        self._paths = tuple(Path(str(settings.rois).replace(PLACE, one)) for one in ids)
        self._pattern, self.missing, self._first = Path(settings.rois), 0, ""
        self.form = settings.boxes
        named = zip(self._paths, ids, strict=True)
        tables = [self._table(path, one, settings) for path, one in named]
        self.counts = np.array([0 if one is None else len(one.boxes) for one in tables], np.int64)
        filled = [one for one in tables if one is not None]
        self._boxes = np.concatenate([np.empty((0, 4)), *(one.boxes for one in filled)])
        self.roi_ids = _joined([one.roi_ids for one in filled if len(one.boxes)])
        if self.roi_ids is not None:
            opened.held_bytes += 2 * self.roi_ids.nbytes
        self._begin = np.cumsum(self.counts) - self.counts
        opened.held_bytes += 2 * self._boxes.nbytes + 512 * len(ids)

    def _table(self, path: Path, own: str, settings: Settings) -> BoxRows | None:
        """Return the boxes of an image, None if there is no file or nothing in it."""
        try:
            if not path.stat().st_size:
                return None
            rows = read_box_file(path, settings)
        except FileNotFoundError:
            self.missing += 1
            return None
        other = _other_image(rows, own)
        if other is not None:
            raise RoiError(
                f"{path} must have boxes of image {own!r} and no other, got "
                f"{other!r}; if that is no image, choose columns without it"
            )
        if settings.boxes not in ("xyxy", rows.form):
            raise ShapeError(f"{path} says that its boxes are {rows.form}; drop --boxes")
        if self._first and rows.form != self.form:
            raise ShapeError(f"{path} says that its boxes are {rows.form}, and {self._first} that "
                             f"its are {self.form}")  # fmt: skip
        self._first, self.form = self._first or str(path), rows.form
        return rows

    def note(self, shape: tuple[int, ...], opened: Opened) -> None:
        """Note what was read."""
        opened.inputs.append(Input("rois", self._pattern, None, shape, "text", self._paths))

    def read(self, image: int, rows: slice) -> Array:
        """Return some boxes of an image."""
        begin = self._begin[image]
        return self._boxes[begin + rows.start : begin + rows.stop]


def _other_image(rows: BoxRows, own: str) -> Id | None:
    """Return what rows call another image, None if they are of one or do not say of which."""
    names = rows.keys.names
    if rows.index_by == "position":
        return next((one for one in names if one != 0), None)
    missing = match(names, [own]).missing
    return names[missing[0]] if len(missing) else None


def _joined(parts: Sequence[Array | None]) -> Array | None:
    """Return what all boxes are called, whole numbers if all are; None unless all have names."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    are_texts = any(part.dtype.kind == "U" for part in known)
    return np.concatenate([part.astype(np.str_) if are_texts else part for part in known])


def _require_boxes(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array is of boxes (n, 4) of one image, or has no values."""
    if 0 in shape:
        return
    if shape[-1:] != (4,) or len(shape) < 2 or any(length != 1 for length in shape[:-2]):
        raise ShapeError(f"{name} must have the boxes (n, 4) of one image, got {shape}")
    require_table((1, 5), dtype, name)
