"""What is known before any guess: numbers of boxes as they stand, sizes of maps and pictures."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucid.errors import RoiError, ShapeError
from lucid.fitter.request import Request
from lucid.stream import tuning
from lucid.stream.plan.inputs import plan_inputs
from lucid.stream.plan.job import Job
from lucid.stream.read.frames import Frames, of_images

Floats = NDArray[np.float64]
MOST_BOXES = 2000  # that candidates are tried on


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of inputs; boxes are a sample of those whose image is there."""

    job: Job
    rows: NDArray[np.int64]  # (k,) of the table
    index: NDArray[np.int64]  # (k,) images
    numbers: Floats  # (k, 4) as they stand
    form: str  # as they are read if nothing else is guessed
    maps: NDArray[np.int64]  # (N, 2) or (1, 2) height and width
    pictures: Floats | None  # (N, 2) or (1, 2) height and width
    frames: Frames | None  # as given, or said by the features
    scale: tuple[float, ...]
    scale_from: str

    @property
    def limits(self) -> Floats:
        """Height and width of the map of each box, (k, 2)."""
        return of_images(self.maps.astype(np.float64), self.index)


def look(request: Request, opened: ExitStack) -> Sight:
    """Open the inputs and return what is known of them.

    Raises
    ------
    ShapeError, RoiError
        If boxes are not upright, or no box has an image.
    """
    job, scale_from = plan_inputs(request.settings, opened)
    if len(job.rois.box_form.columns) != 4 or not job.rois.box_form.is_upright:
        raise ShapeError(f"frames are tried for upright boxes, not {request.settings.operator}'s")
    rows, numbers = _numbers(job)
    if not len(rows):
        raise RoiError(f"{job.rois.name} has no box with finite numbers and an image")
    pictures = job.rois.picture_sizes(job.features)
    if pictures is not None and not np.isfinite(pictures).all():
        pictures = None
    return Sight(
        job=job,
        rows=rows,
        index=numbers[:, 0].astype(np.int64),
        numbers=numbers[:, 1:],
        form=job.rois.form,
        maps=job.features.sizes,
        pictures=pictures,
        frames=job.rois.frames,
        scale=job.operator.spatial_scale,
        scale_from=scale_from,
    )


def _numbers(job: Job) -> tuple[NDArray[np.int64], Floats]:
    """Return rows of the table and (k, 5) numbers, evenly spread over it."""
    count, found = job.rois.rois, []
    step = max(count // MOST_BOXES, 1)
    for start in range(0, count, tuning.current.slice_rows):
        stop = min(start + tuning.current.slice_rows, count)
        wanted = np.arange(start + -start % step, stop, step)
        some: Any = _raw(job, start, stop)[wanted - start]
        index = some[:, 0]
        valid = (index >= 0) & (index < job.rois.images) & (index == np.floor(index))
        valid &= np.isfinite(some).all(axis=1)
        found.append(np.column_stack([wanted, some])[valid])
    table = np.concatenate([np.empty((0, 6)), *found])
    return table[:, 0].astype(np.int64), table[:, 1:]


def _raw(job: Job, start: int, stop: int) -> Floats:
    """Return rows as boxes have them before they become corners, unless the file has its own."""
    return job.rois.read(start, stop, framed=False).astype(np.float64)
