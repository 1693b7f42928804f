"""Where boxes lie on their maps: the wrong coordinate frame is the commonest mistake of all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lucid.roi.table import RoiTable

SLACK = 1e-3  # of a cell, by which rounding may carry a box over the border


@dataclass(slots=True)
class Coverage:
    """What is known about valid boxes after reading them, in one piece or many."""

    sizes: NDArray[np.int64]  # (N, 2) or (1, 2) height and width of the maps, in cells
    scale: tuple[float, float]  # (y, x) cells per input pixel
    boxes: int = 0
    zero_area: int = 0
    partly_outside: int = 0
    outside: int = 0
    within_a_cell: int = 0  # neither higher nor wider than one
    spans: NDArray[np.float64] = field(  # lowest and highest x, then y, in input coordinates
        default_factory=lambda: np.array([[np.inf, -np.inf]] * 2)
    )

    def add(self, table: RoiTable) -> None:
        """Take in the valid boxes of a piece."""
        boxes = table.boxes[table.valid]
        if not len(boxes):
            return
        size = self.sizes[np.minimum(table.batch_index[table.valid], len(self.sizes) - 1)]
        limit = size[:, ::-1]  # (k, 2) width and height
        with np.errstate(over="ignore"):
            low, high = (boxes.reshape(-1, 2, 2) * self.scale[::-1]).swapaxes(0, 1)
            extent = high - low  # (k, 2) in cells, x before y
        beyond = (low < -SLACK) | (high > limit + SLACK)
        apart = (high < 0) | (low > limit)
        outside = apart.any(axis=1)
        self.boxes += len(boxes)
        self.zero_area += int((boxes[:, 2:] == boxes[:, :2]).any(axis=1).sum())
        self.outside += int(outside.sum())
        self.partly_outside += int((beyond.any(axis=1) & ~outside).sum())
        self.within_a_cell += int((extent <= 1).all(axis=1).sum())
        self.spans[:, 0] = np.minimum(self.spans[:, 0], boxes[:, :2].min(axis=0))
        self.spans[:, 1] = np.maximum(self.spans[:, 1], boxes[:, 2:].max(axis=0))

    def in_words(self) -> str:
        """Say where the boxes lie, in input coordinates and in cells."""
        if not self.boxes:
            return "there are no valid boxes"
        (x, y), (rows, cols) = self.spans, self.sizes.max(axis=0)
        across, down = x * self.scale[1], y * self.scale[0]
        return (
            f"boxes span {_span(x)} x {_span(y)}; in cells they span "
            f"{_span(across)} of {cols} columns and {_span(down)} of {rows} rows"
        )

    def warnings(self) -> list[str]:
        """Say what looks like a mistake."""
        found = []
        if self.outside * 2 > self.boxes:
            found.append(
                f"{self.outside} of {self.boxes} boxes lie outside their map; "
                "is the spatial scale too large, or are boxes not in x, y order?"
            )
        if self.within_a_cell * 2 > self.boxes:
            found.append(
                f"{self.within_a_cell} of {self.boxes} boxes are no larger than one cell; "
                "is the spatial scale too small, or are boxes fractions of the image?"
            )
        return found


def _span(pair: NDArray[np.float64]) -> str:
    return f"{pair[0]:.4g}..{pair[1]:.4g}"
