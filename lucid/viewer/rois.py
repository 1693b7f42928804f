"""From rows of the table to RoIs as they are drawn: where boxes, bins and samples lie."""

from __future__ import annotations

import numpy as np

from lucid.roi.operators import RoiAlignRotated
from lucid.stream.plan.job import Job
from lucid.stream.types import Array
from lucid.stream.write.identity import printable
from lucid.viewer.choice import Choice
from lucid.viewer.parts import Floats, Grid, Roi


def rois_of(job: Job, choice: Choice) -> tuple[dict[int, list[Roi]], list[Roi]]:
    """Return the chosen RoIs by the map that each is on, and those of no image."""
    by_map: dict[int, list[Roi]] = {}
    strays: list[Roi] = []
    for row in choice.rows.tolist():
        number, roi = _roi(job, row, tuple(choice.kinds.get(row, ())))
        (strays if number is None else by_map.setdefault(number, [])).append(roi)
    return by_map, strays


def _roi(job: Job, row: int, kinds: tuple[str, ...]) -> tuple[int | None, Roi]:
    """Return the map of a row, None if there is no such image, and the RoI."""
    source, offset = job.rois, job.operator.offset
    own = source.read(row, row + 1, framed=False)
    given = source.read(row, row + 1)
    _, moved, table, report = source.examined(row, row + 1)
    x1, y1, x2, y2 = _around(job, moved[:, 1:])
    sy, sx = job.operator.spatial_scale
    roi = Roi(
        row=row,
        box=tuple(map(float, own[0, 1:])),
        cells=(y1 * sy - offset, x1 * sx - offset, y2 * sy - offset, x2 * sx - offset),
        input_box=tuple(map(float, given[0, 1:])),
        grid=None,
        name="" if source.roi_ids is None else printable(str(source.roi_ids[row])),
        kinds=kinds,
        fact="".join(defect.fact for defect in report.defects.values()),
    )
    if table.valid[0]:
        number = int(table.batch_index[0])
        _lay_out(roi, job, table.boxes, number)
        return number, roi
    named = float(given[0, 0])
    is_image = named.is_integer() and 0 <= named < source.images
    return int(named) if is_image else None, roi


def _around(job: Job, boxes: Array) -> list[float]:
    """Return the least upright box around one (1, B)."""
    upright = getattr(job.operator, "upright", None)
    with np.errstate(invalid="ignore"):
        found: list[float] = (boxes if upright is None else upright(boxes))[0].tolist()
    return found


def _lay_out(roi: Roi, job: Job, boxes: Floats, number: int) -> None:
    """Put in where an operator samples a RoI on a map, which may be more than its box."""
    geometry = job.lay_out(boxes, number)
    if isinstance(job.operator, RoiAlignRotated):
        turned = job.operator.turned(geometry)
        names = ("start", "bin", "samples", "centre", "turn")
        roi.grid = Grid(**{name: tuple(getattr(turned, name)[:, 0].tolist()) for name in names})
        return
    found = geometry.tap_operator.grids(geometry)
    if found is None:
        return
    start, bins, _, samples = (values[:, 0].tolist() for values in found[0])
    roi.grid = Grid(start=tuple(start), bin=tuple(bins), samples=tuple(samples))
    end = [s + b * n for s, b, n in zip(start, bins, geometry.pooled, strict=True)]
    roi.cells = (start[0], start[1], end[0], end[1])
