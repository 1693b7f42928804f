"""Boxes and the image of each, as files have them: read slice by slice, or held as a whole.

Boxes in an array say their image in their first column, in a list beside them, in ranges of rows
per image, or by being padded to a number per image. Files of text say it in each row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lucid.errors import MemoryLimitError, ShapeError
from lucid.stream.checks import PIPE, PLACE, Held
from lucid.stream.read.arrays import open_stdin
from lucid.stream.read.box_files import images_of, is_box_file, read_box_file
from lucid.stream.read.box_rows import Images
from lucid.stream.read.boxes_per_image import BoxesPerImage
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.owners import WHOSE, Owners, find_owners, owners_given
from lucid.stream.read.source import require_rois
from lucid.stream.settings import Settings
from lucid.stream.types import Array

NAMES = ("rois", "boxes", "bboxes", "image_bb")


class Boxes(Protocol):
    """K boxes, each with its image."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # of the array or table that they are in
    rois: int  # how many boxes there are, K
    form: str  # 'xyxy', 'yxyx', 'xywh' or 'cxcywh'
    reading: str  # how ids of images were read, '' where boxes have image indices
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
    if isinstance(spec, Held):
        source = opened.source(spec, NAMES, require_rois)
        return ArrayBoxes(source, settings, features.images, opened)
    if spec == PIPE:
        return ArrayBoxes(PipedArray(opened, memory), settings, features.images, opened)
    if PLACE in spec:
        return BoxesPerImage(settings, features, opened)
    if is_box_file(Path(spec)):
        return TextBoxes(Path(spec), settings, features, opened)
    source = opened.source(spec, NAMES, require_rois)
    return ArrayBoxes(source, settings, features.images, opened)


class PipedArray:
    """An array that is piped in, which must be held as a whole."""

    chunk_bytes = 0

    def __init__(self, opened: Opened, memory: int | None) -> None:
        stream = open_stdin("rois")
        self.name, (self.shape, _, self.dtype) = stream.name, stream.header
        require_rois(self.shape, self.dtype, self.name)
        nbytes = stream.header.nbytes
        if memory is not None and nbytes > memory:
            raise MemoryLimitError(
                f"memory must be more than {nbytes >> 20}M to hold "
                f"{self.name}; or put them into a file, which is read slice by slice"
            )
        opened.held_bytes += nbytes
        self._values = stream.read(self.shape)

    def __getitem__(self, key: Any) -> Array:
        part: Array = self._values[key]
        return part


class ArrayBoxes:
    """Boxes in an array of numbers: (K, 5), (K, 4) or (N, M, 4)."""

    reading = ""
    pictures: Images | None = None
    roi_ids: Array | None = None

    def __init__(self, array: Any, settings: Settings, images: int, opened: Opened) -> None:
        self.name, self.dtype, self.shape = array.name, array.dtype, array.shape
        self.form = settings.boxes
        self._array = opened.rows(array)
        self._owners: Owners = find_owners(self.name, self.shape, settings, images, opened)
        self.rois = self._owners.rois

    def read(self, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4); or None and rows (k, 5)."""
        return self._owners.read(self._array, start, stop)


class TextBoxes:
    """Boxes in a file of text, held as a whole."""

    def __init__(self, path: Path, settings: Settings, features: Features, opened: Opened) -> None:
        rows = read_box_file(path, settings)
        if settings.boxes not in ("xyxy", rows.form):
            raise ShapeError(f"{path} says that its boxes are {rows.form}; drop --boxes")
        if owners_given(settings):
            raise ShapeError(f"{path} says the image of each box; drop {WHOSE}")
        self.name, self.form, self.pictures = str(path), rows.form, rows.images
        self.dtype, self.shape, self.rois = rows.boxes.dtype, rows.boxes.shape, len(rows.boxes)
        self._boxes, self.roi_ids = rows.boxes, rows.roi_ids
        self.index, self.reading = images_of(rows, features, self.name)
        opened.note("rois", path, self.shape, str(self.dtype))
        opened.held_bytes += rows.boxes.nbytes + 4 * self.index.nbytes
        opened.held_bytes += 0 if rows.roi_ids is None else rows.roi_ids.nbytes

    def read(self, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4)."""
        return self.index[start:stop], self._boxes[start:stop]
