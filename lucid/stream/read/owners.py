"""Which image a RoI belongs to: each way in which files say it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lucid.errors import RoiError, ShapeError
from lucid.roi.table import COLUMNS
from lucid.stream import tuning
from lucid.stream.checks import PathLike
from lucid.stream.read.opened import Opened
from lucid.stream.settings import Settings
from lucid.stream.types import Array

OWNERS = ("batch_index", "box_ranges", "box_counts")  # options that say the images of boxes
WHOSE = "--batch-index, --box-ranges and --box-counts"


class Owners(Protocol):
    """What reads RoIs with their images."""

    rois: int  # how many RoIs there are

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4); or None and rows (k, 5)."""


class FirstColumn:
    """The first of five columns says the image."""

    def __init__(self, rois: int) -> None:
        self.rois = rois

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return None and rows (k, 5)."""
        return None, array[start:stop]


class Listed:
    """A list as long as the boxes says the image of each."""

    def __init__(self, rois: int, index: Any) -> None:
        self.rois, self._index = rois, index

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4)."""
        return self._index[start:stop], array[start:stop]


class Ranges:
    """A range of rows, end exclusive, belongs to each image; a row in no range to image -1."""

    def __init__(self, rois: int, ranges: NDArray[np.int64]) -> None:
        begin, end = ranges.T
        if (begin > end).any() or (end > rois).any():
            raise RoiError(f"box_ranges must have rows start, end with start <= end <= {rois}")
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

    def __init__(
        self, shape: tuple[int, ...], counts: NDArray[np.int64] | None, images: int
    ) -> None:
        if shape[0] != images:
            raise ShapeError(f"boxes (N, M, 4) must be of {images} images, got {shape}")
        counts = np.full(images, shape[1]) if counts is None else counts
        if (counts > shape[1]).any():
            raise RoiError(f"box_counts must be at most {shape[1]}, got {counts.max()}")
        self._step = max(tuning.current.padded_boxes // max(shape[1], 1), 1)
        self._until = np.cumsum(counts)
        self._before = self._until - counts
        self.rois = int(counts.sum())

    def read(self, array: Any, start: int, stop: int) -> tuple[Array | None, Array]:
        """Return the images (k,) and the boxes (k, 4)."""
        rows = np.arange(start, stop)
        index = np.searchsorted(self._until, rows, side="right")
        if not len(index):
            return index, np.empty((0, 4))
        # The padding is read along, so images are read a few at a time.
        boxes = [
            array[first : first + self._step][
                index[some] - first, rows[some] - self._before[index[some]]
            ]
            for first in range(int(index[0]), int(index[-1]) + 1, self._step)
            for some in [slice(*np.searchsorted(index, [first, first + self._step]))]
        ]
        return index, np.concatenate(boxes)


def require_list(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array is a list of numbers."""
    if len(shape) != 1 or dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ShapeError(f"{name} must be a list of numbers (K,), got {shape} {dtype}")


def owners_given(settings: Settings) -> list[str]:
    """Return the options that were given to say the images of boxes."""
    return [name for name in OWNERS if getattr(settings, name) is not None]


def find_owners(
    name: str, shape: tuple[int, ...], settings: Settings, images: int, opened: Opened
) -> Owners:
    """Return what knows which image a box of an array belongs to; raise if that is not clear."""
    given, (rois, *width) = owners_given(settings), shape
    if width == [5] and not given:
        return FirstColumn(rois)
    if width == [5]:
        raise ShapeError(f"{name} says the image in its first column; drop {WHOSE}")
    if len(width) == 2 and given in ([], ["box_counts"]):
        counts = _numbers(settings.box_counts, "box_counts", images, opened) if given else None
        return Padded(shape, counts, images)
    if len(width) == 1 and given == ["box_ranges"]:
        return Ranges(rois, _numbers(settings.box_ranges, "box_ranges", images, opened))
    if len(width) == 1 and given == ["batch_index"]:
        return Listed(rois, _list_of_images(settings.batch_index, rois, opened))
    if len(width) == 1 and images == 1 and not given:
        return Ranges(rois, np.array([[0, rois]]))
    raise ShapeError(
        f"{name} {shape}: boxes (K, 4) need --batch-index or --box-ranges to say "
        f"their image, boxes (N, M, 4) may have --box-counts; or give rows "
        f"({', '.join(COLUMNS)})"
    )


def _list_of_images(spec: PathLike, rois: int, opened: Opened) -> Any:
    """Return what reads the image of each box."""
    index = opened.source(spec, ("batch_index",), require_list)
    if index.shape != (rois,):
        raise ShapeError(f"{index.name} must have a number for each of {rois} boxes, "
                         f"got {index.shape}")  # fmt: skip
    return opened.rows(index)


def _numbers(spec: PathLike, name: str, images: int, opened: Opened) -> NDArray[np.int64]:
    """Return a whole array of whole numbers, a row per image: ranges (N, 2) or counts (N,)."""
    width = (2,) if name == "box_ranges" else ()

    def require(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
        if len(shape) != 1 + len(width) or shape[1:] != width or dtype.kind not in "iuf":
            raise ShapeError(f"{where} must be {name} (N{', 2' * len(width)}), got {shape}")
        if shape[0] != images:
            raise ShapeError(f"{where} must have a row for each of {images} images, "
                             f"got {shape[0]}")  # fmt: skip

    source = opened.source(spec, (name, "pos_boxes", "num_boxes"), require)
    values = source[:]
    if not ((values == np.floor(values)) & (values >= 0) & (values < 2**53)).all():
        raise ShapeError(f"{source.name} must hold whole numbers >= 0")
    whole: NDArray[np.int64] = values.astype(np.int64)
    opened.held_bytes += 3 * whole.nbytes  # as their owners hold them
    return whole
