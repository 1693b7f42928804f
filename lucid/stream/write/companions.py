"""What stands beside crops in a file: their RoIs and rows, and what RoIs and images are called.

- `rois` (K, 5): batch index, x1, y1, x2, y2 in the coordinates that the boxes' file has.
- `roi_ids` (K,) and `ids` (N,): of RoIs and of images, where they have any.
- `levels` (K,): of a pyramid, which of its maps each RoI is pooled from, -1 for none.
- `coverage` (K, PH, PW): how much of each bin is on the map, where that is asked for.
- `ranges` (N, 2): the rows of each image, end exclusive, where they follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from lucid.stream import tuning
from lucid.stream.plan.job import Job
from lucid.stream.read.pyramid import PyramidRois
from lucid.stream.read.rois import RoiSource
from lucid.stream.types import Array

if TYPE_CHECKING:
    from lucid.roi.operators.wrapped import Covering

BINS = "z", "y", "x"  # what axes of bins are called
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")  # as Python writes an int64
PART_BYTES = 1 << 20  # of texts at once


class Companion(NamedTuple):
    """An array beside the crops."""

    name: str
    axes: tuple[str, ...]  # what each is called
    shape: tuple[int, ...]
    dtype: np.dtype[Any]  # bytes are UTF-8
    parts: Callable[[], Iterator[Array]]  # reads it, some rows at a time

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.dtype.itemsize * int(np.prod(self.shape))


class Companions:
    """What is to stand beside the crops of a job, read as it is asked for."""

    def __init__(self, job: Job, coverage: bool = False) -> None:
        self._job, self._covers = job, coverage
        self._rois, self._maps = job.rois, job.features
        self._columns = len(job.rois.box_form.row)

    @property
    def nbytes(self) -> int:
        """The most that it can be."""
        return sum(one.nbytes for one in self._listed()) + 16 * self._rois.images

    def __iter__(self) -> Iterator[Companion]:
        yield from self._listed()
        ranges = ranges_of(self._rois)
        if ranges is not None:
            axes = ("image", "bound")
            yield Companion("ranges", axes, ranges.shape, ranges.dtype, lambda: iter([ranges]))

    def _listed(self) -> Iterator[Companion]:
        """Yield what is there whatever the order of RoIs."""
        shape, dtype = (self._rois.rois, self._columns), np.dtype(np.float64)
        yield Companion("rois", ("roi", "column"), shape, dtype, self._pictured)
        if self._covers:
            bins = self._rois.rois, *self._job.operator.output_size
            yield Companion("coverage", bin_axes("roi", axes=len(bins)), bins, dtype, self._covered)
        if self._rois.roi_ids is not None:
            yield _ids("roi_ids", "roi", self._rois.roi_ids)
        if isinstance(self._rois, PyramidRois):
            length = (self._rois.rois,)
            yield Companion("levels", ("roi",), length, np.dtype(np.int64), self._leveled)
        if self._maps.ids is not None:
            yield _ids("ids", "image", self._maps.ids)

    def _covered(self) -> Iterator[Array]:
        """Yield how much of the bins of RoIs is on the map; nothing of one that is invalid."""
        for start, stop in _steps(self._rois.rois, tuning.current.batch_rois):
            yield covered(self._job, start, stop)

    def _pictured(self) -> Iterator[Array]:
        """Yield the RoIs as rows, before any frame moves them."""
        for start, stop in _steps(self._rois.rois, tuning.current.slice_rows):
            yield self._rois.read(start, stop, framed=False).astype(np.float64)

    def _leveled(self) -> Iterator[Array]:
        """Yield the levels that RoIs are pooled from."""
        for start, stop in _steps(self._rois.rois, tuning.current.slice_rows):
            yield cast(PyramidRois, self._rois).levels_of_rows(start, stop)

    def table(self) -> NDArray[np.float64]:
        """Return `rois` as a whole."""
        table, start = np.empty((self._rois.rois, self._columns)), 0
        for part in self._pictured():
            table[start : start + len(part)] = part
            start += len(part)
        return table

    def names(self) -> list[str]:
        """Return what images are called; their numbers where they have no ids."""
        ids = self._maps.ids
        return [str(image) for image in range(self._maps.images)] if ids is None else ids

    def picture_sizes(self) -> NDArray[np.float64] | None:
        """Return heights and widths of pictures, (N, 2) or (1, 2), NaN or None if not known."""
        return self._rois.picture_sizes(self._maps)


def bin_axes(*before: str, axes: int) -> tuple[str, ...]:
    """Return what so many axes are called: some, and those of bins."""
    return (*before, *BINS[len(BINS) + len(before) - axes :])[:axes]


def covered(job: Job, start: int, stop: int) -> NDArray[np.float64]:
    """Return how much of the bins of some rows is on the map; nothing of one that is invalid."""
    operator = cast("Covering", job.operator)
    table = job.rois.examined(start, stop).table
    found = np.zeros((stop - start, *operator.output_size))
    boxes, images = table.boxes[table.valid], table.batch_index[table.valid]
    found[table.valid] = operator.coverage(job.lay_out(boxes, images))
    return found


def ranges_of(source: RoiSource) -> NDArray[np.int64] | None:
    """Return the rows of each image, (N, 2), None if they do not follow each other.

    An image without rows has an empty range. Rows that name no image may lie between those of two.
    """
    ranges = np.full((source.images, 2), [-1, 0])
    image, row = -1, -1  # the last that names one
    for start, stop in _steps(source.rois, tuning.current.slice_rows):
        index = source.read(start, stop, framed=False)[:, 0].astype(np.float64)
        some = np.flatnonzero((index >= 0) & (index < source.images) & (index == np.floor(index)))
        images, rows = index[some].astype(np.int64), start + some
        onward, gaps = np.diff(images, prepend=image), np.diff(rows, prepend=row)
        if (onward < 0).any() or (gaps[onward == 0] > 1).any():
            return None
        ranges[images[onward > 0], 0] = rows[onward > 0]
        ranges[images, 1] = rows + 1  # of several, the last
        image, row = (int(images[-1]), int(rows[-1])) if len(some) else (image, row)
    np.maximum.accumulate(ranges[:, 1], out=ranges[:, 1])
    return np.where(ranges < 0, ranges[:, 1:], ranges)


def _ids(name: str, axis: str, ids: Sequence[str] | Array) -> Companion:
    """Return ids as whole numbers if all are, else as texts in UTF-8 of one length."""
    is_whole = isinstance(ids, np.ndarray) and ids.dtype.kind == "i"
    if is_whole or all(WHOLE.fullmatch(one) for one in ids):
        dtype: np.dtype[Any] = np.dtype(np.int64)
    else:
        dtype = np.dtype(f"S{max(len(_utf8(one)) for one in ids)}")

    def parts() -> Iterator[Array]:
        for start, stop in _steps(len(ids), max(PART_BYTES // dtype.itemsize, 1)):
            some = ids[start:stop]
            yield np.array([_utf8(one) for one in some] if dtype.kind == "S" else some, dtype)

    return Companion(name, (axis,), (len(ids),), dtype, parts)


def _utf8(one: str) -> bytes:
    """Return a text in UTF-8; bytes in it that are no text are written as escapes."""
    return one.encode("utf-8", "backslashreplace")


def _steps(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield the ends of runs of so many rows."""
    for start in range(0, length, step):
        yield start, min(start + step, length)
