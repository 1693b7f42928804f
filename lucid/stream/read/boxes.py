"""Boxes and the image of each, as files have them: read slice by slice, or held as a whole.

Boxes in an array say their image in their first column, in a list beside them, in ranges of rows
per image, or by being padded to a number per image. Files of text say it in each row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lucid.errors import MemoryLimitError, ShapeError, literal
from lucid.stream import tuning
from lucid.stream.checks import PIPE, PLACE, Held
from lucid.stream.read.arrays import open_stdin
from lucid.stream.read.box_columns import BoxColumns, Column, own_ids
from lucid.stream.read.box_files import is_box_file, read_box_file
from lucid.stream.read.box_rows import NAME_BYTES, BoxRows, Images, Ints, require_seen
from lucid.stream.read.boxes_per_image import BoxesPerImage
from lucid.stream.read.columns import form_of, forms_of
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.held import HeldArray
from lucid.stream.read.maps import Features
from lucid.stream.read.named import Named, Naming
from lucid.stream.read.opened import Opened
from lucid.stream.read.owners import WHOSE, Keyed, Owners, find_owners, owners_given
from lucid.stream.read.tables import columns_of, rois_check
from lucid.stream.read.url import as_path
from lucid.stream.settings import Settings
from lucid.stream.types import Array

NAMES = ("rois", "boxes", "bboxes", "image_bb")


class Boxes(Protocol):
    """K boxes, each with its image."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # of the array or table that they are in
    rois: int  # how many boxes there are, K
    form: str  # 'xyxy', 'yxyx', or one of those that tables have
    named: Named  # how they name their images
    pictures: Images | None  # what the file says about images
    roi_ids: Array | None  # (K,) what boxes are called

    def read(self, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4); or None and rows (k, 5)."""


def open_boxes(settings: Settings, features: Features, opened: Opened, memory: int | None) -> Boxes:
    """Open the boxes of a run.

    Raises
    ------
    SourceError, ShapeError, DTypeError
        If they cannot be read, or it is not clear which image a box is of.
    RoiError
        If a box names an image that there is not.
    MemoryLimitError
        If they must be held as a whole, and that is more than `memory`.
    """
    spec = settings.rois
    if PLACE in str(spec):
        return BoxesPerImage(settings, features, opened)
    if spec == PIPE:
        array: Any = PipedArray(settings, opened, memory)
    elif not isinstance(spec, Held) and is_box_file(as_path(spec)):
        return _of_text(as_path(spec), settings, features, opened, memory)
    else:
        array = opened.source(spec, NAMES, rois_check(settings))
    if settings.columns is not None or array.dtype.names is not None:
        return _of_columns(array, settings, features, opened)
    return ArrayBoxes(opened.rows(array), settings.boxes, settings, features, opened)


def _of_columns(array: Any, settings: Settings, features: Features, opened: Opened) -> ArrayBoxes:
    """Return the boxes of a table, and what its columns say of them."""
    used = columns_of(array.shape, array.dtype, settings.columns, array.name, forms_of(settings))
    require_form(settings, used.form, array.name)
    rows, length = opened.rows(array), array.shape[0]
    columns = [Column(rows, array.dtype, at) for at in used.box]
    keyed = own = None
    if used.image is not None:
        keyed = Keyed(Column(rows, array.dtype, used.image), used.index_by)
    if used.id is not None:
        own = own_ids(Column(rows, array.dtype, used.id), length, array.name, opened)
    table = BoxColumns(array.name, rows, columns, length)
    boxes = ArrayBoxes(table, used.form, settings, features, opened, keyed, own)
    boxes.shape = array.shape
    return boxes


def _of_text(
    path: Path, settings: Settings, features: Features, opened: Opened, memory: int | None
) -> Boxes:
    """Return the boxes of a text, whose images it says itself, or an option."""
    rows = read_box_file(path, settings, memory)
    require_seen(settings.category, [rows], str(path))
    require_form(settings, rows.form, str(path))
    if rows.says_images or not owners_given(settings):
        return TextBoxes(path, rows, settings, features, opened)
    held = [rows.boxes, *([] if rows.roi_ids is None else [rows.roi_ids])]
    opened.inputs.append(Input("rois", path, None, rows.boxes.shape, str(rows.boxes.dtype)))
    opened.held_bytes += sum(each.nbytes for each in held)
    array = HeldArray(Held(rows.boxes), str(path))
    return ArrayBoxes(array, rows.form, settings, features, opened, roi_ids=rows.roi_ids)


def require_form(settings: Settings, form: str, name: str) -> None:
    """Raise if boxes were said to have another form than columns say."""
    if settings.boxes not in ("xyxy", form):
        raise ShapeError.advising(f"{name} says that its boxes are {form}", "drop {boxes}")


def require_images(rows: BoxRows, settings: Settings, features: Features, name: str) -> None:
    """Raise unless rows of a text say their image, or there is but one, and no option says it."""
    if owners_given(settings):
        raise ShapeError.advising(f"{name} says the image of each box", f"drop {WHOSE}")
    if not rows.says_images and features.images > 1:
        raise ShapeError.advising(
            f"{name} has no column that names the image of a box, of {features.images}",
            "say which it is, as {columns:image=photo,x1=left,...}, or pass {batch_index}",
        )


class PipedArray:
    """An array that is piped in, which must be held as a whole."""

    chunk_bytes = 0

    def __init__(self, settings: Settings, opened: Opened, memory: int | None) -> None:
        stream = open_stdin("rois")
        self.name, (self.shape, _, self.dtype) = stream.name, stream.header
        rois_check(settings)(self.shape, self.dtype, self.name)
        require_held(stream.header.nbytes, memory, self.name, opened)
        self._values = stream.read(self.shape)

    def __getitem__(self, key: Any) -> Array:
        part: Array = self._values[key]
        return part


def require_held(nbytes: int, memory: int | None, name: str, opened: Opened) -> None:
    """Note what is held as a whole; raise if that is more than a run may hold."""
    opened.held_bytes += nbytes
    if memory is not None and nbytes > memory:
        raise MemoryLimitError.of(
            f"{{memory}} must be more than {nbytes >> 20}M to hold {literal(name)}; or put "
            "them into a file, which is read slice by slice"
        )


class ArrayBoxes:
    """Boxes in an array of numbers: (K, 5), (K, 4) or (N, M, 4)."""

    pictures: Images | None = None

    def __init__(
        self,
        array: Any,
        form: str,
        settings: Settings,
        features: Features,
        opened: Opened,
        keyed: Keyed | None = None,
        roi_ids: Array | None = None,
    ) -> None:
        self.name, self.dtype, self.shape = array.name, array.dtype, array.shape
        self.form, self._array = form, array
        self._columns = len(form_of(settings).columns)
        self._owners: Owners = find_owners(array, settings, features, opened, keyed)
        self.named = self._owners.named
        kept = self._kept = self.named.kept
        self.rois = self._owners.rois if kept is None else len(kept)
        self.roi_ids = roi_ids if kept is None or roi_ids is None else roi_ids[kept]

    def read(self, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4); or None and rows (k, 5)."""
        if self._kept is None:
            return self._owners.read(self._array, start, stop)
        return self._some(self._kept[start:stop])

    def _some(self, rows: Ints) -> tuple[Array, Array]:
        """Return images and boxes of some rows, which may lie far apart."""
        step = tuning.current.slice_rows
        images, boxes = [np.empty(0, np.int64)], [np.empty((0, self._columns))]
        for first in np.unique(rows // step) * step:
            some = rows[(rows >= first) & (rows < first + step)] - first
            stop = min(first + step, self._owners.rois)
            index, part = self._owners.read(self._array, first, stop)
            images.append(index[some])  # type: ignore[index]  # those that are named have images
            boxes.append(part[some])
        return np.concatenate(images), np.concatenate(boxes)


class TextBoxes:
    """Boxes in a file of text, held as a whole; it can be sent to another process."""

    def __init__(
        self,
        path: Path,
        rows: BoxRows,
        settings: Settings,
        features: Features,
        opened: Opened,
    ) -> None:
        self.name, self.form, self.pictures = str(path), rows.form, rows.images
        require_images(rows, settings, features, self.name)
        naming = Naming(settings, features, opened, self.name)
        named = naming.of_keys(rows.keys, len(rows.boxes), rows.index_by, rows.images)
        self.index = named.images[: len(rows.boxes)]
        if named.kept is not None:
            rows, self.index = rows.some(named.kept), self.index[named.kept]
        self.named = named._replace(images=None, kept=None)
        self.dtype, self.shape, self.rois = rows.boxes.dtype, rows.boxes.shape, len(rows.boxes)
        self._boxes, self.roi_ids = rows.boxes, rows.roi_ids
        held = [self._boxes, self.index, *([] if self.roi_ids is None else [self.roi_ids])]
        opened.inputs.append(Input("rois", path, None, self.shape, str(self.dtype)))
        opened.held_bytes += sum(each.nbytes for each in held)
        opened.held_bytes += NAME_BYTES * len(self.pictures.ids if self.pictures else [])

    def read(self, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4)."""
        return self.index[start:stop], self._boxes[start:stop]
