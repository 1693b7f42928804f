"""RoIs as rows batch_index, x1, y1, x2, y2, whatever form their boxes have in files.

Boxes may be corners, or a corner or centre and a size; in input coordinates, as fractions of the
image, or in a frame of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import LucidError
from lucid.roi.forms import TURNED
from lucid.roi.table import RoiReport, RoiTable, examine
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.boxes import open_boxes
from lucid.stream.read.boxes_per_image import BoxesPerImage
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.frames import NO_FRAME, find_frames, of_images
from lucid.stream.read.maps import Features
from lucid.stream.read.opened import Opened
from lucid.stream.read.pictures import sizes_of
from lucid.stream.read.scale import Scale
from lucid.stream.read.sizes import find_sizes
from lucid.stream.settings import Settings
from lucid.stream.types import Array, Rows


class Examined(NamedTuple):
    """Some rows that were read."""

    numbers: Rows  # of the rows
    rows: Array  # (k, 1 + B) in input coordinates
    table: RoiTable
    report: RoiReport


class RoiSource:
    """The K RoIs of a run."""

    def __init__(
        self, settings: Settings, features: Features, scale: Scale, memory: int | None = None
    ) -> None:
        self.images = features.images
        self.maps = features.images  # of a pyramid, an image has several
        self.box_form = settings.entry.form  # the columns of the rows that are read
        self._opened = Opened(trust=settings.trust_input)
        self._normalized, self._index_by = settings.normalized, settings.index_by
        self._expand, self._unit = settings.expand, unit_of(settings)
        try:
            self._boxes = open_boxes(settings, features, self._opened, memory)
            self._sizes = find_sizes(settings, features, self._boxes, self._opened)
            flat = settings.entry.form.axes == 2  # those of volumes are in input coordinates
            frame_of = settings, features, self._sizes, scale, self._opened
            self.frames = find_frames(*frame_of) if flat else None
        except BaseException:
            self.close()
            raise
        self.name, self.dtype, self.shape = self._boxes.name, self._boxes.dtype, self._boxes.shape
        self.missing = self._boxes.missing if isinstance(self._boxes, BoxesPerImage) else 0
        self.form, self.rois, self.named = self._boxes.form, self._boxes.rois, self._boxes.named
        self.roi_ids = self._boxes.roi_ids
        self.reading = self.named.reading
        are_in_input = settings.normalized or str(settings.frame) == NO_FRAME
        self._sizes_said = self._sizes if are_in_input else self._said(features)

    @property
    def held_bytes(self) -> int:
        """What is held for as long as a run goes on."""
        return self._opened.held_bytes

    @property
    def chunk_bytes(self) -> int:
        """The size of the chunks of storage that are read one at a time."""
        return self._opened.chunk_bytes

    @property
    def input_sizes(self) -> tuple[Floats | None, bool]:
        """Return the sizes of the network's inputs, where known, and whether they are exact."""
        if self.frames is not None:
            return self.frames.input_sizes, self.frames.is_exact
        return self._sizes_said, False

    def _said(self, features: Features) -> Floats | None:
        """Return the sizes of pictures, None where it is not clear which maps they are of."""
        with suppress(LucidError):
            return self.picture_sizes(features)
        return None

    @property
    def are_of_pictures(self) -> bool:
        """Whether boxes are in pixels of pictures of known sizes, taken for the network's input."""
        is_known = self._sizes is not None or self._boxes.pictures is not None
        return is_known and self.frames is None and not self._normalized

    def picture_sizes(self, features: Features) -> Floats | None:
        """Return heights and widths of pictures, (N, 2) or (1, 2), if any file says them."""
        if self._sizes is None and self._boxes.pictures is not None:
            by_position = self._index_by == "position"
            return sizes_of(self._boxes.pictures, features, self.name, by_position=by_position)
        return self._sizes

    @property
    def frame_of_features(self) -> Floats | None:
        """The frame of input coordinates that the features file says, if it is used."""
        return self.frames.rows if self.frames is not None and self.frames.is_said else None

    @property
    def coordinates(self) -> str:
        """What boxes are in: 'input', 'fractions', or whence their frames are."""
        if self.frames is not None:
            return self.frames.origin
        return "fractions" if self._normalized else "input"

    @property
    def paths(self) -> Sequence[Path]:
        """The files that are read."""
        return [one.path for one in self.inputs if one.path]

    @property
    def inputs(self) -> Sequence[Input]:
        """What is read from them."""
        return self._opened.inputs

    def read(self, start: int, stop: int, *, framed: bool = True) -> Array:
        """Return rows (k, 5), in input coordinates or, if not `framed`, in those of pictures."""
        return self._moved(*self._boxes.read(start, stop), framed)

    def _moved(self, index: Array | None, rows: Array, framed: bool) -> Array:
        frames = self.frames if framed else None
        moved = self._normalized or frames is not None or self._expand != 1
        if index is None and self.form == "xyxy" and not moved:
            return rows
        index, rows = (rows[:, 0], rows[:, 1:]) if index is None else (index, rows)
        with np.errstate(over="ignore", invalid="ignore"):
            boxes = rows.astype(np.float64)
            if self.form == "corners8":  # of the picture, where their angle is
                boxes = turned(self._in_pixels(boxes, index, framed), self._unit)
            else:
                boxes = as_corners(boxes, self.form)
            boxes = self.box_form.expanded(boxes, self._expand) if framed else boxes
            if self.form != "corners8":
                boxes = self._in_pixels(boxes, index, framed)
            if frames is not None:
                boxes = frames.applied(boxes, index, turned=self.box_form == TURNED)
        return np.column_stack([index.astype(np.float64), boxes])

    @property
    def sizes_of_fractions(self) -> Floats | None:
        """The sizes of images that boxes are fractions of, (N, 2) or (1, 2)."""
        return self._sizes if self._normalized else None

    def _in_pixels(self, boxes: Floats, index: Array, framed: bool) -> Floats:
        """Return boxes times the sizes of their images, if they are fractions."""
        sizes = self.sizes_of_fractions
        if sizes is None:
            return boxes
        boxes *= np.tile(of_images(sizes, index)[:, ::-1], boxes.shape[1] // 2)
        if not framed and len(sizes) > 1:  # of no image, there are no pixels
            boxes[~((index >= 0) & (index < self.images))] = np.nan
        return boxes

    def examined(self, start: int, stop: int, images: range | None = None) -> Examined:
        """Return rows in input coordinates, and what they are; all, or those of some images."""
        index, rows = self._boxes.read(start, stop)
        numbers = np.arange(start, stop)
        if images is not None:
            owners = self._owners(index, rows)
            some = np.flatnonzero((owners >= images.start) & (owners < images.stop))
            index, rows = None if index is None else index[some], rows[some]
            numbers = numbers[some]
        rows = self._moved(index, rows, framed=True)
        return Examined(numbers, rows, *examine(rows, self.images, numbers, self.box_form))

    def owners(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the image that each row names (k,), -1 where it names none."""
        return self._owners(*self._boxes.read(start, stop))

    def _owners(self, index: Array | None, rows: Array) -> NDArray[np.int64]:
        named = (rows[:, 0] if index is None else index).astype(np.float64)
        is_image = (named >= 0) & (named < self.images) & (named == np.floor(named))
        return np.where(is_image, named, -1).astype(np.int64)

    def five_columns(self, rows: int) -> Floats | None:
        """Return the first rows as they are, if the first of their five columns is the image."""
        index, some = self._boxes.read(0, min(rows, self.rois))
        is_plain = index is None and self.form == "xyxy" and self.rois and self.box_form.is_upright
        return some.astype(np.float64) if is_plain else None

    def close(self) -> None:
        """Close the files."""
        self._opened.close()


def as_corners(boxes: Floats, form: str) -> Floats:
    """Return boxes (k, B) of a format as two corners, if that is one of upright boxes.

    They may be changed in place.
    """
    if form == "yxyx":
        return boxes[:, [1, 0, 3, 2]]
    if form == "cxcywh":
        boxes[:, :2] -= boxes[:, 2:] / 2
    if form in {"xywh", "cxcywh"}:
        boxes[:, 2:] += boxes[:, :2]
    return boxes


def turned(corners: Floats, unit: float) -> Floats:
    """Return boxes cx, cy, w, h, angle (k, 5) of four corners (k, 8), clockwise from the top left.

    Sides are the means of two that are opposite to each other; the first has the angle, which
    counts `unit` in a radian against the clock.
    """
    corner = corners.reshape(-1, 4, 2)
    sides = np.hypot(*np.moveaxis(np.roll(corner, -1, axis=1) - corner, 2, 0))
    across, down = (corner[:, 1] - corner[:, 0]).T
    w, h = (sides[:, :2] + sides[:, 2:]).T / 2
    return np.column_stack([corner.mean(axis=1), w, h, np.arctan2(-down, across) * unit])


def unit_of(settings: Settings) -> float:
    """Return what the angles of a run count in a radian against the clock."""
    unit = 180 / np.pi if settings.angle == "degrees" else 1.0
    return -unit if settings.clockwise else unit
