"""Which image a RoI belongs to: each way in which files say it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lucid.errors import RoiError, ShapeError, literal
from lucid.roi.forms import UPRIGHT
from lucid.roi.table import COLUMNS
from lucid.stream import tuning
from lucid.stream.checks import Held, PathLike
from lucid.stream.read.box_columns import Column
from lucid.stream.read.columns import form_of
from lucid.stream.read.ids import holds_texts
from lucid.stream.read.maps import Features
from lucid.stream.read.named import Named, Naming
from lucid.stream.read.opened import Opened
from lucid.stream.read.ranges import counts_given, ranges_given
from lucid.stream.settings import Settings
from lucid.stream.types import Array

OWNERS = ("batch_index", "box_ranges", "box_counts")  # options that say the images of boxes
WHOSE = "{batch_index}, {box_ranges} and {box_counts}"
POSITIONS = Named(None)  # of boxes that name no image


class Keyed(NamedTuple):
    """What a column of a table calls the image of each box."""

    column: Any  # (K,) numbers or texts, read in slices
    index_by: str | None  # whether they are a 'position' or an 'id', None if that is open


class Owners(Protocol):
    """What reads RoIs with their images."""

    rois: int  # how many RoIs there are
    named: Named  # how boxes name their images

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4); or None and rows (k, 5)."""


class FirstColumn:
    """The first of five columns says the image."""

    def __init__(self, rois: int, named: Named) -> None:
        self.rois, self.named = rois, named

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return None and rows (k, 5)."""
        return None, array[start:stop]


class Listed:
    """Names, in a list as long as the boxes or in a first column, say the image of each."""

    def __init__(self, rois: int, named: Named, columns: int) -> None:
        self.rois, self.named, self._columns = rois, named, columns

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, B)."""
        return self.named.images[start:stop], array[start:stop][:, -self._columns :]


class Ranges:
    """A range of rows, end exclusive, belongs to each image; a row in no range to image -1."""

    named = Named(
        None,
        hint="; a box in no range is of image -1: if ranges end with their last box, pass "
        "{box_ranges_inclusive:True}",
    )

    def __init__(self, rois: int, ranges: NDArray[np.int64]) -> None:
        begin, end = ranges.T
        wrong = np.flatnonzero((begin > end) | (end > rois))
        if len(wrong):
            raise RoiError.of(
                f"{{box_ranges}} must have rows start, end with start <= end <= {rois}, got "
                f"{begin[wrong[0]]}, {end[wrong[0]]} at row {wrong[0]}; if end is the last box, "
                "pass {box_ranges_inclusive:True}"
            )
        full = np.flatnonzero(end > begin)
        self._images = full[np.argsort(begin[full], kind="stable")]
        self._begin, self._end = begin[self._images], end[self._images]
        if (self._begin[1:] < self._end[:-1]).any():
            raise RoiError("box_ranges must not overlap")
        self.rois = rois

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4)."""
        rows = np.arange(start, stop)
        which = np.searchsorted(self._begin, rows, side="right") - 1
        inside = which >= 0
        inside[inside] = rows[inside] < self._end[which[inside]]
        index = np.full(len(rows), -1)
        index[inside] = self._images[which[inside]]
        return index, array[start:stop]


class Padded:
    """Each image has M boxes, of which the first so many count; the RoIs are those, in order."""

    def __init__(self, array: Any, counts: NDArray[np.int64] | None, images: int) -> None:
        shape = array.shape
        if shape[0] != images:
            raise ShapeError(
                f"{array.name} must have boxes (N, M, 4) of {images} images, got {shape}"
            )
        self._step = max(tuning.current.padded_boxes // max(shape[1], 1), 1)
        padded = 0 if counts is not None else self._padded(array, images)
        self.named = Named(
            None,
            warnings=(
                f"the last boxes of {padded} of {images} images are all 0 or all -1, as padding "
                "is; if they are, pass {box_counts}, how many boxes of each image are valid",
            )[: bool(padded)],
        )
        counts = np.full(images, shape[1]) if counts is None else counts
        if (counts > shape[1]).any():
            raise RoiError(f"box_counts must be at most {shape[1]}, got {counts.max()}")
        self._until = np.cumsum(counts)
        self._before = self._until - counts
        self.rois = int(counts.sum())

    def _padded(self, array: Any, images: int) -> int:
        """Return how many images end with a box of which all is 0 or all is -1."""
        last = [
            array[first : min(first + self._step, images)][:, -1]
            for first in range(0, images, self._step)
        ]
        return sum(int(((rows == 0).all(axis=1) | (rows == -1).all(axis=1)).sum()) for rows in last)

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4)."""
        rows = np.arange(start, stop)
        index = np.searchsorted(self._until, rows, side="right")
        if not len(index):
            return index, np.empty((0, array.shape[-1]))
        # The padding is read along, so images are read a few at a time.
        boxes = [
            array[first : first + self._step][
                index[some] - first, rows[some] - self._before[index[some]]
            ]
            for first in range(int(index[0]), int(index[-1]) + 1, self._step)
            for some in [slice(*np.searchsorted(index, [first, first + self._step]))]
        ]
        return index, np.concatenate(boxes)


def owners_given(settings: Settings) -> list[str]:
    """Return the options that were given to say the images of boxes."""
    return [name for name in OWNERS if getattr(settings, name) is not None]


def find_owners(
    array: Any, settings: Settings, features: Features, opened: Opened, keyed: Keyed | None = None
) -> Owners:
    """Return what knows which image a box of an array belongs to; raise if that is not clear."""
    (rois, *width), images, given = array.shape, features.images, owners_given(settings)
    naming = Naming(settings, features, opened, array.name)
    if 0 in array.shape and not given:
        return FirstColumn(0, POSITIONS)
    form = form_of(settings)
    columns = len(form.columns)
    if width == [columns + 1] or keyed is not None:
        if given:
            raise ShapeError.advising(f"{array.name} says the image of each box", f"drop {WHOSE}")
        return _named_in_a_column(array, keyed, naming, columns)
    if len(width) == 2 and given in ([], ["box_counts"]):
        return Padded(array, counts_given(settings, features, opened), images)
    if len(width) == 1 and given == ["batch_index"]:
        column = _list_of_images(settings.batch_index, rois, opened)
        return Listed(rois, naming.of_array(column, rois), columns)
    if len(width) == 1 and (given or images == 1):
        return Ranges(rois, ranges_given(settings, rois, features, opened))
    if columns != len(UPRIGHT.columns):
        row = ", ".join(form.row)
        raise ShapeError.of(
            f"{literal(array.name)} must have shape (K, {columns + 1}) with columns ({row}), or "
            f"(K, {columns}) with {{batch_index}}, got {array.shape}"
        )
    raise ShapeError.of(
        f"{literal(array.name)} {array.shape}: boxes (K, 4) need {{batch_index}}, {{box_ranges}} "
        "or {box_counts} to say their image, boxes (N, M, 4) may have {box_counts}; or give rows "
        f"({', '.join(COLUMNS)})"
    )


def _named_in_a_column(array: Any, keyed: Keyed | None, naming: Naming, columns: int) -> Owners:
    """Return what knows the images of boxes that a column of their table names."""
    rois = array.shape[0]
    if keyed is not None:
        return Listed(rois, naming.of_array(keyed.column, rois, keyed.index_by), columns)
    named = naming.of_array(Column(array, array.dtype, 0), rois)
    return Listed(rois, named, columns) if named.reading else FirstColumn(rois, named)


def _list_of_images(spec: PathLike | Held, rois: int, opened: Opened) -> Any:
    """Return what reads the name of the image of each box."""
    index = opened.source(spec, ("batch_index",), require_names)
    if index.shape != (rois,):
        raise ShapeError(f"{index.name} must have an image for each of {rois} boxes, "
                         f"got {index.shape}")  # fmt: skip
    return opened.rows(index)


def require_names(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array is a list of numbers or texts."""
    is_number = dtype.kind in "iuf" and dtype.itemsize <= 8
    if len(shape) != 1 or not (is_number or holds_texts(dtype)):
        raise ShapeError(f"{name} must be a list of numbers or texts (K,), got {shape} {dtype}")
