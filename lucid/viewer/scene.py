"""From what a caller asks to see to what is seen: inputs are understood, and crops made."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from lucid.errors import FrameError, ShapeError
from lucid.stream.plan.coverage import Coverage
from lucid.stream.plan.inputs import placement_of, plan_inputs
from lucid.stream.plan.job import Job
from lucid.stream.plan.plan import Plan, make_plan
from lucid.stream.plan.survey import survey
from lucid.stream.report import ExtractReport
from lucid.stream.row_set import RowSet
from lucid.stream.run import local
from lucid.stream.settings import Settings
from lucid.stream.types import Array, Rows
from lucid.viewer.choice import Choice, choose
from lucid.viewer.maps import drawn_maps, images_asked_for, images_of
from lucid.viewer.parts import Image, Roi, Scene
from lucid.viewer.planes import Reduction, reduction_of
from lucid.viewer.pooled import pooled_as
from lucid.viewer.recorded import crops_in_place
from lucid.viewer.rois import rois_of
from lucid.viewer.wishes import Wishes


def make_scene(wishes: Wishes) -> Scene:
    """Open the inputs and return what is to be seen of them.

    Raises
    ------
    SourceError, ShapeError, DTypeError, RoiError, MemoryLimitError
        As `lucid.extract`, but for invalid RoIs, which are drawn.
    """
    arguments = wishes.arguments()
    settings = Settings(**arguments)
    with ExitStack() as opened:
        job, scale_from = plan_inputs(settings, opened)
        job = replace(job, reduce=None)
        _require_drawable(job, settings, wishes)
        wanted = images_asked_for(job, wishes)
        placement = placement_of(job, settings)
        choice = choose(job.rois, wishes, wanted, placement)
        plan = _plan(job, choice, Coverage(placement, job.rois.named.warnings), settings)
        by_map, strays = rois_of(job, choice)
        numbers = drawn_maps(job, by_map, wanted)
        images, other = _drawn(plan, numbers, by_map, settings, wishes)
    return Scene(
        images=images,
        strays=strays,
        report=ExtractReport.of(plan, settings, scale_from),
        warnings=(*other, *plan.survey.coverage.warnings()),
        left_out=choice.left_out,
        wishes=wishes,
        arguments=arguments,
        operator=job.operator,
        compute_dtype=job.compute_dtype,
    )


def _plan(job: Job, choice: Choice, coverage: Coverage, settings: Settings) -> Plan:
    """Return how to make the crops of chosen rows, as if all others were done.

    Raises
    ------
    FrameError
        If the run is strict and boxes look as if they did not belong to the maps.
    """
    done = RowSet.all_but(job.rois.rois, np.unique(choice.rows))
    found = survey(job.rois, done, coverage)
    for fact in coverage.warnings() if settings.strict else ():
        raise FrameError.of(fact)
    return make_plan(job, found, settings.memory)


def _drawn(
    plan: Plan,
    numbers: list[int],
    by_map: dict[int, list[Roi]],
    settings: Settings,
    wishes: Wishes,
) -> tuple[list[Image], list[str]]:
    """Return images with maps and crops, and warnings about crops that a file has."""
    job = plan.job
    shown = reduction_of(wishes.show, job.features, numbers, settings.memory // 4)
    images = list(images_of(job, numbers, by_map, shown, settings, wishes))
    for _ in local.rows_written(plan, _Crops(images, shown)):
        pass
    if not wishes.is_as_recorded:
        return images, []
    return images, list(crops_in_place(images, Path(wishes.crops), shown))


def _require_drawable(job: Job, settings: Settings, wishes: Wishes) -> None:
    """Raise unless maps are planes and, for a page, the operator is one that it can do."""
    if job.rois.box_form.axes != 2:
        raise ShapeError(f"preview draws boxes on planes, and {settings.operator} has volumes")
    if wishes.html is not None:
        pooled_as(job.operator, settings.operator)


class _Crops:
    """A sink: what is drawn of crops goes to their RoIs."""

    def __init__(self, images: list[Image], shown: Reduction) -> None:
        self._rois = {roi.row: roi for image in images for roi in image.rois}
        self._shown = shown

    def write(self, rows: Rows, crops: Array) -> None:
        """Take in crops (k, C, PH, PW), which are overwritten afterwards."""
        for row, crop in zip(rows.tolist(), crops, strict=True):
            self._rois[row].crop = self._shown(crop)

    def commit(self) -> None:
        """Do nothing: all of them are there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None: ...
