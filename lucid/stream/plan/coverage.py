"""Where boxes lie on their maps: the wrong coordinate frame is the commonest mistake of all.

Boxes that lie far beyond their maps are read once more in the ways that people mix up, other box
formats, other axes, another scale, so that a warning can name the option that mends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.roi.forms import UPRIGHT, BoxForm
from lucid.roi.table import RoiTable

Floats = NDArray[np.float64]

SLACK = 1e-3  # of a cell, by which rounding may carry a box over the border
MOST_BEYOND = 10  # one box in so many may lie beyond its map, and a stride still fits
FEW_BOXES = 8  # fewer say little about a frame
LARGEST_STRIDE = 128  # that is advised
SAMPLE = 1000  # boxes that are kept, to be tried with other strides
LINES = "columns", "rows", "planes"  # that x, y and z number
BESIDE = "right or left of", "above or below", "before or behind"
FEWEST_FRACTIONS, LARGEST_FRACTION, SMALL_MAP_CELLS = 3, 1.5, 4

# Boxes of one format, as corners, read as another format.
READINGS: dict[tuple[str, str], Callable[[Floats], Floats]] = {
    ("xyxy", "xywh"): lambda boxes: np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]),
    ("xyxy", "yxyx"): lambda boxes: boxes[:, [1, 0, 3, 2]],
    ("yxyx", "xyxy"): lambda boxes: boxes[:, [1, 0, 3, 2]],
    ("xywh", "xyxy"): lambda boxes: np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]),
}


@dataclass(frozen=True, slots=True)
class Placement:
    """How boxes come to lie on maps."""

    sizes: NDArray[np.int64]  # (N, A) or (1, A) cells of the maps: heights, widths
    scale: tuple[float, ...]  # (y, x) cells per input pixel; of volumes, z is before both
    offset: float = 0.0  # cells that are subtracted: a half if aligned
    form: BoxForm = UPRIGHT
    upright: Callable[[Floats], Floats] | None = None  # the least upright boxes around others
    boxes: str = "xyxy"  # the format of the boxes in their file
    other_layout: tuple[str, int, int] | None = None  # and the size that maps have in it
    fractions_of: str = ""  # 'image' or 'map', if boxes were said to be fractions
    image_sizes: Floats | None = None  # (N, 2) or (1, 2) that fractions of images are times
    frame: Floats | None = None  # (N, 4) or (1, 4) that the features file says
    input_sizes: Floats | None = None  # (N, 2) or (1, 2) of the network's input, where known
    is_exact: bool = False  # whether inputs are never padded beyond these
    of_pictures: bool = False  # whether boxes are of pictures whose sizes are known, as they are
    ratios: Floats | None = None  # (N,) of a pyramid: by how much boxes are scaled before this

    def limits(self, images: NDArray[np.int64]) -> Floats:
        """Return widths and heights of the maps of images, (A, k)."""
        sizes = self.sizes[np.minimum(images, len(self.sizes) - 1)]
        return np.ascontiguousarray(sizes.T[::-1], np.float64)

    def in_input(self, boxes: Floats, images: NDArray[np.int64]) -> Floats:
        """Return boxes in input coordinates."""
        return boxes if self.ratios is None else boxes / self.ratios[images, None]

    def cells(self, boxes: Floats) -> tuple[Floats, Floats]:
        """Return the lower and the upper ends of boxes in cells, (A, k) x first."""
        scale = np.array(self.scale[::-1])[:, None]
        columns = np.ascontiguousarray(boxes.T)  # which NumPy is faster at than at short rows
        with np.errstate(over="ignore"):
            one, other = columns.reshape(2, len(scale), -1) * scale - self.offset
        return np.minimum(one, other), np.maximum(one, other)

    def size_warnings(self) -> Iterator[str]:
        """Yield a warning if maps have not the sizes that those of their inputs would have."""
        if self.input_sizes is None:
            return
        wrong = self._unlike(self.input_sizes)
        if not len(wrong):
            return
        image = int(wrong[0])
        input_size, cells = (
            sizes[min(image, len(sizes) - 1)] for sizes in (self.input_sizes, self.sizes)
        )
        height, width = input_size * self.scale
        swapped = not len(self._unlike(self.input_sizes[:, ::-1]))
        one_for_all = len(self.sizes) == len(self.input_sizes) == 1
        alike = f" ({'all' if one_for_all else len(wrong)} images are like it)"
        alike *= one_for_all or len(wrong) > 1
        hint = "it would fit if sizes were height before width; " * swapped
        yield (
            f"an input of {input_size[0]:g} x {input_size[1]:g} would have a map of {height:.4g} x "
            f"{width:.4g} cells, and that of image {image} has {cells[0]} x {cells[1]}"
            f"{alike}; {hint}check {{spatial_scale}}, {{image_size}} and {{resize}}"
        )

    def _unlike(self, input_sizes: Floats) -> NDArray[np.intp]:
        """Return the images whose maps are too small, or too large on both axes."""
        expected = input_sizes * self.scale
        more = self.sizes - expected
        padded = (self.sizes > expected * 4 / 3 + 1).all(axis=1)
        large = (more > 1).any(axis=1) if self.is_exact else padded
        wrong = (more < -1).any(axis=1) | large
        return np.flatnonzero(wrong & np.isfinite(expected).all(axis=1))

    def alternatives(
        self, boxes: Floats, images: NDArray[np.int64]
    ) -> Iterator[tuple[str, Floats, Floats]]:
        """Yield boxes and limits as other options would have them, after saying which."""
        limits = self.limits(images)
        if self.frame is not None:
            sy, sx, oy, ox = self.frame[np.minimum(images, len(self.frame) - 1)].T
            offset, scale = np.column_stack([ox, oy, ox, oy]), np.column_stack([sx, sy, sx, sy])
            yield "with {frame} none", (boxes - offset) / scale, limits
        if self.image_sizes is not None:
            sizes = self.image_sizes[np.minimum(images, len(self.image_sizes) - 1), ::-1]
            yield "without {normalized}", boxes / np.hstack([sizes, sizes]), limits
        for (meant, other), reading in READINGS.items():
            if meant == self.boxes:
                yield f"with {{boxes}} {other}", reading(boxes), limits
        if self.other_layout is not None:
            layout, height, width = self.other_layout
            other_limits = np.broadcast_to([[width], [height]], limits.shape)
            yield f"with {{layout}} {layout}", boxes, other_limits


@dataclass(slots=True)
class Coverage:
    """What is known about the boxes of a table after reading it, in one slice or many."""

    placement: Placement
    noted: tuple[str, ...] = ()  # warnings of how boxes name their images
    rois: int = 0
    boxes: int = 0  # that are valid
    zero_area: int = 0
    partly_outside: int = 0
    outside: int = 0
    fractions: int = 0  # with all coordinates from 0 to 1.5
    misordered: int = 0  # whose corners are out of order, and would not be as corner and size
    beyond: NDArray[np.int64] = field(init=False)  # along x, y, and z of volumes
    beyond_otherwise: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    spans: Floats = field(init=False)  # lowest and highest x, then y, in input coordinates
    sample: tuple[Floats, Floats] | None = None  # some boxes (2A, k), and limits (A, k)
    cell_spans: Floats = field(init=False)  # and in cells

    def __post_init__(self) -> None:
        axes = len(self.placement.scale)
        self.beyond = np.zeros(axes, np.int64)
        self.spans, self.cell_spans = np.array([[[np.inf, -np.inf]] * axes] * 2)

    def add(self, table: RoiTable, rows: NDArray[np.float64]) -> None:
        """Take in a slice of the table, checked and as it was read (k, 1 + B)."""
        self.rois += len(rows)
        boxes, around = table.boxes[table.valid], self.placement.upright
        if around is None:
            low, high = np.split(rows.T[1:], 2)
            with np.errstate(invalid="ignore"):
                swapped = (high < low).any(axis=0) & (high >= 0).all(axis=0)
            self.misordered += int(swapped.sum())
        self.zero_area += int((self.placement.form.sides(boxes) == 0).any(axis=0).sum())
        if len(boxes):
            boxes = boxes if around is None else around(boxes)
            self._add_valid(boxes, table.batch_index[table.valid])

    def _add_valid(self, boxes: Floats, images: NDArray[np.int64]) -> None:
        limits = self.placement.limits(images)
        low, high = self.placement.cells(boxes)
        over = ((low < -SLACK) | (high > limits + SLACK)).any(axis=0)
        outside = ((high < 0) | (low > limits)).any(axis=0)
        self.boxes += len(boxes)
        self.outside += int(outside.sum())
        self.partly_outside += int((over & ~outside).sum())
        given = np.ascontiguousarray(self.placement.in_input(boxes, images).T)
        self.fractions += int(((given >= 0) & (given <= LARGEST_FRACTION)).all(axis=0).sum())
        _widen(self.spans, *np.split(given, 2))
        _widen(self.cell_spans, low, high)
        self.sample = self.sample or (given[:, :SAMPLE].copy(), limits[:, :SAMPLE].copy())
        self.beyond += _mostly_beyond(low, high, limits)
        for options, others, other_limits in self.placement.alternatives(boxes, images):
            count = _mostly_beyond(*self.placement.cells(others), other_limits)
            self.beyond_otherwise[options] = self.beyond_otherwise.get(options, 0) + count

    def in_words(self) -> str:
        """Say where the boxes lie, in input coordinates and in cells as used."""
        if not self.boxes:
            return "there are no valid boxes"
        sizes = self.placement.sizes.T[::-1]
        *others, last = (
            f"{_span(span)} of {_of(cells)} {lines}"
            for span, cells, lines in zip(self.cell_spans, sizes, LINES, strict=False)
        )
        spans = " x ".join(map(_span, self.spans))
        return f"boxes span {spans}; in cells they span {', '.join(others)} and {last}"

    def extents(self) -> Iterator[dict[str, Any]]:
        """Yield by axis where valid boxes lie, and the lengths of the smallest and largest maps."""
        sizes = self.placement.sizes.T[::-1]
        axes = zip("xyz", self.spans, self.cell_spans, sizes, strict=False) if self.boxes else ()
        for axis, span, in_cells, cells in axes:
            yield {
                "axis": axis,
                "boxes": span.tolist(),
                "cells": in_cells.tolist(),
                "lengths": [int(cells.min()), int(cells.max())],
            }

    def warnings(self) -> Iterator[str]:
        """Yield what looks like a mistake, to be `spelled`, with the option that mends it."""
        yield from self.noted
        yield from self.placement.size_warnings()
        large = self.placement.sizes.max() > SMALL_MAP_CELLS
        if self.boxes >= FEWEST_FRACTIONS and self.fractions == self.boxes and large:
            if not self.placement.fractions_of:
                yield (
                    f"all {self.boxes} boxes lie within {LARGEST_FRACTION} input pixels; if they "
                    "are fractions of the image, pass {normalized} and {image_size}"
                )
        elif self._are_beyond(self.beyond):
            yield (
                f"{self.beyond.max()} of {self.boxes} boxes lie mostly "
                f"{BESIDE[int(self.beyond.argmax())]} their map; {self._mended()}"
            )
        if self.are_misordered:
            yield (
                f"{self.misordered} of {self.rois} boxes have their corners out of order; "
                "if they are a corner and a size, pass {boxes} xywh"
            )

    @property
    def are_misordered(self) -> bool:
        """Whether half of the boxes have corners that are out of order."""
        return self.rois > 0 and self.misordered * 2 >= self.rois and self.placement.boxes == "xyxy"

    def _are_beyond(self, counts: NDArray[np.int64]) -> bool:
        return self.boxes >= FEW_BOXES and int(counts.max()) * 3 >= self.boxes

    def _mended(self) -> str:
        """Say which options would make the boxes lie on their maps."""
        if self.placement.fractions_of == "map":
            return "they are fractions of it; divide pixels by the sizes of their images"
        ways = [
            options for options, counts in self.beyond_otherwise.items()
            if not self._are_beyond(counts) and counts.sum() * 4 < self.beyond.sum()
        ]  # fmt: skip
        if stride := self._fitting_stride():
            ways.append(f"with {{spatial_scale}} 1/{stride}")
        if not ways:
            way = "are they in other coordinates than those that {spatial_scale} is for?"
        else:
            way = f"they would fit {' or '.join(ways)}"
        if self.placement.of_pictures:
            way += ", and, if the network saw the pictures resized, {resize}"
        return way

    def _fitting_stride(self) -> int | None:
        """Return the least stride, a power of two, with which few boxes lie beyond their map."""
        if self.sample is None:
            return None
        boxes, limits = self.sample
        for stride in (1 << k for k in range(LARGEST_STRIDE.bit_length())):
            low, high = np.split(boxes / stride, 2)
            beyond = _mostly_beyond(low, high, limits).max()
            if 1 / stride < min(self.placement.scale) and beyond * MOST_BEYOND <= boxes.shape[1]:
                return stride
        return None


def _widen(spans: Floats, low: Floats, high: Floats) -> None:
    """Have spans (A, 2) hold what lies from low to high (A, k)."""
    spans[:, 0] = np.minimum(spans[:, 0], low.min(axis=1))
    spans[:, 1] = np.maximum(spans[:, 1], high.max(axis=1))


def _mostly_beyond(low: Floats, high: Floats, limits: Floats) -> NDArray[np.int64]:
    """Return how many boxes have more than half their extent beyond the map, (A,) x first."""
    with np.errstate(over="ignore", invalid="ignore"):
        inside = np.minimum(high, limits) - np.maximum(low, 0)
        apart = (high < 0) | (low > limits)
        beyond: NDArray[np.int64] = (apart | (inside * 2 < high - low)).sum(axis=1)
    return beyond


def _of(lengths: NDArray[np.int64]) -> str:
    """Say how many rows or columns there are, of the smallest map and of the largest."""
    low, high = lengths.min(), lengths.max()
    return f"{low}..{high}" if low < high else f"{high}"


def _span(pair: Floats) -> str:
    return f"{pair[0]:.4g}..{pair[1]:.4g}"
