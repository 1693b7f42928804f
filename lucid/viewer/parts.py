"""What is seen, in arrays: images with their maps, the RoIs on them, and crops.

Positions are in cells, y before x; the centre of the first cell is at 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.geometry import Operator
from lucid.stream.report import ExtractReport
from lucid.viewer.photos import Backdrop
from lucid.viewer.wishes import Wishes

Floats = NDArray[np.float64]


class Grid(NamedTuple):
    """Where the operator samples a RoI, along y and x."""

    start: tuple[float, float]  # in cells
    bin: tuple[float, float]  # length of a bin
    samples: tuple[int, int]  # per bin
    centre: tuple[float, float] = (0.0, 0.0)  # which the grid is turned about, and counts from
    turn: tuple[float, float] = (0.0, 1.0)  # sine and cosine, against the clock as seen

    @property
    def is_turned(self) -> bool:
        """Whether bins do not lie along the axes of the map."""
        return self.turn != (0.0, 1.0)

    def at(self, v: Any, u: Any) -> tuple[Any, Any]:
        """Return where on the map, y and x, is what lies at v and u before it is turned."""
        sine, cosine = self.turn
        y, x = self.centre
        return y - u * sine + v * cosine, x + u * cosine + v * sine

    def ends(self, axis: int, bins: int) -> tuple[float, float]:
        """Return where bins begin along an axis, and where they end."""
        return self.start[axis], self.start[axis] + self.bin[axis] * bins

    def edges(self, axis: int, bins: int) -> Floats:
        """Return the borders of bins along an axis."""
        edges: Floats = self.start[axis] + self.bin[axis] * np.arange(bins + 1.0)
        return edges

    def positions(self, axis: int, bins: int) -> Floats:
        """Return where samples lie along an axis."""
        count = self.samples[axis]
        along: Floats = (np.arange(bins * count) + 0.5) / max(count, 1)
        return self.start[axis] + self.bin[axis] * along


@dataclass(slots=True)
class Roi:
    """A RoI as it is drawn."""

    row: int
    box: tuple[float, ...]  # as in its file: x1, y1, x2, y2 of the picture, or cx, cy, w, h, angle
    cells: tuple[float, float, float, float]  # y1, x1, y2, x2 as the operator has it, or around it
    input_box: tuple[float, ...]  # the same in input coordinates
    grid: Grid | None  # None if it is invalid, or there is none
    name: str = ""  # what it is called, if it is
    kinds: tuple[str, ...] = ()  # why it is among the worst
    fact: str = ""  # why it is invalid
    crop: Floats | None = None  # (PH, PW) or (PH, PW, 3)


@dataclass(slots=True)
class Image:
    """A map as it is drawn, and RoIs on it; of a pyramid, that of a level."""

    number: int
    name: str  # its id, '' if it has none
    size: tuple[int, int]  # cells
    plane: Floats  # (h, w) or (h, w, 3)
    level: int | None = None
    scale: tuple[float, float] = (1.0, 1.0)  # cells per input coordinate
    step: int = 1  # cells from one of its values to the next
    backdrop: Backdrop | None = None  # a photograph
    rois: list[Roi] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn."""

    images: list[Image]
    strays: list[Roi]  # RoIs of no image
    report: ExtractReport
    warnings: tuple[str, ...]  # to be `spelled`
    left_out: int  # RoIs that were asked for and are not drawn
    wishes: Wishes
    arguments: Mapping[str, Any]  # of the run
    operator: Operator
    compute_dtype: np.dtype[Any]  # what bins are weighted in

    @property
    def rois(self) -> Iterator[Roi]:
        """All RoIs on images."""
        return (roi for image in self.images for roi in image.rois)
