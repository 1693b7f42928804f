"""Rows of five columns that hold no image: boxes, and an area, a score or a class.

They are told by the data: corners are in order from the first column on, and the last column is
what a box's area is, or lies within 0..1, or is often smaller than the bottom of a box would be.
"""

from __future__ import annotations

import numpy as np

from lucid.errors import RoiError, literal
from lucid.roi.table import Defect, RoiReport
from lucid.stream.read.box_rows import Floats
from lucid.stream.read.rois import RoiSource

ROWS = 1000  # that are looked at
FEW_ROWS = 8  # fewer say little, and so do fewer different numbers in the first column
LEAST_SHARE = 0.2  # of a box that an object fills


def require_batch_index(report: RoiReport, source: RoiSource) -> None:
    """Raise if the first of five columns is hardly a batch index, with the likely cause."""
    rows = source.five_columns(ROWS)
    if rows is None:
        return
    kinds = ("not integral", "no such image")
    wrong = [report.defects[kind] for kind in kinds if kind in report.defects]
    last = _last_column(rows)
    if sum(defect.count for defect in wrong) * 2 > report.rois:
        text = literal(f"{source.name}: {_why(wrong, report.rois)}")
        raise RoiError.of(f"{text}{_way(last, source)}")
    if last and _boxes_come_first(rows):
        raise RoiError.of(
            f"{literal(source.name)}: rows seem to be x1, y1, x2, y2 and {last}, not batch_index, "
            f"x1, y1, x2, y2{_way(last, source)}"
        )


def _why(wrong: list[Defect], rois: int) -> str:
    first = min(wrong, key=lambda defect: defect.rows)
    return (
        f"the first column cannot be a batch_index: {first.fact}, and "
        f"{sum(defect.count for defect in wrong)} of {rois} rows are like it"
    )


def _way(last: str, source: RoiSource) -> str:
    """Return what mends it, to be `spelled`."""
    if source.named.hint:
        return source.named.hint
    if last:
        return (
            f"; if they are x1, y1, x2, y2 and {last}, pass {{columns:x1,y1,x2,y2}} and the image "
            "of each box by {batch_index}, or put the image first"
        )
    if source.images == 0:
        return "; the features have no image at all"
    if source.images == 1:
        return "; there is one map, which is image 0: images are numbered from 0"
    return "; if images are named by ids, pass these as {ids}, one per image in its order"


def _last_column(rows: Floats) -> str:
    """Return what the last column may be if boxes come first, '' if they do not."""
    width, height = rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1]
    last = rows[:, 4]
    if not ((width >= 0) & (height >= 0)).all():
        return ""
    if ((last >= 0) & (last <= 1)).all():
        return "a score"
    if ((last >= LEAST_SHARE * width * height) & (last <= (width + 1) * (height + 1))).all():
        return "an area"
    is_class = (last >= 0) & (last == np.floor(last))
    return "a class" if is_class.all() and (last < rows[:, 2]).any() else ""


def _boxes_come_first(rows: Floats) -> bool:
    """Return whether the first column is in no order, as images seldom are, and of many values."""
    first = rows[:, 0]
    return bool((np.diff(first) < 0).any()) and len(np.unique(first)) >= FEW_ROWS
