"""From what a caller asks to see to what is seen: inputs are understood, and crops made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from lucid.errors import FrameError, RoiError, ShapeError, SinkError, SourceError
from lucid.roi.operators import RoiAlign, RoiAlignRotated
from lucid.roi.operators.align import MAX_BIN_SAMPLES
from lucid.roi.table import examine
from lucid.stream.plan.coverage import Coverage
from lucid.stream.plan.inputs import placement_of, plan_inputs
from lucid.stream.plan.job import Job
from lucid.stream.plan.plan import Plan, make_plan
from lucid.stream.plan.survey import survey
from lucid.stream.read.ids import match
from lucid.stream.read.maps import Features
from lucid.stream.report import ExtractReport
from lucid.stream.row_set import RowSet
from lucid.stream.run import local
from lucid.stream.settings import Settings
from lucid.stream.types import Array, Rows
from lucid.stream.write.identity import printable
from lucid.viewer.choice import MOST_IMAGES, Choice, choose
from lucid.viewer.parts import Floats, Grid, Image, Roi, Scene
from lucid.viewer.photos import Photos
from lucid.viewer.planes import Reduction, plane_of, reduction_of, size_of
from lucid.viewer.recorded import crops_in_place
from lucid.viewer.wishes import Wishes

MOST_CELLS = 1 << 18  # of a map that are drawn
CELLS_OF_PAGE = 20 << 16  # of all planes of a page, which has them as numbers


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
        wanted = _images_asked_for(job.features, wishes)
        placement = placement_of(job, settings)
        choice = choose(job.rois, wishes, wanted, placement)
        plan = _plan(job, choice, Coverage(placement, job.rois.named.warnings), settings)
        by_image, strays = _rois_of(job, choice)
        numbers = _numbers(sorted(by_image), wanted, job.features.images)
        images, other = _drawn(plan, numbers, by_image, settings, wishes)
    return Scene(
        images=images,
        strays=strays,
        report=ExtractReport.of(plan, settings, scale_from),
        warnings=(*other, *plan.survey.coverage.warnings()),
        left_out=choice.left_out,
        wishes=wishes,
        arguments=arguments,
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
    by_image: dict[int, list[Roi]],
    settings: Settings,
    wishes: Wishes,
) -> tuple[list[Image], list[str]]:
    """Return images with maps and crops, and warnings about crops that a file has."""
    job = plan.job
    shown = reduction_of(wishes.show, job.features, numbers, settings.memory // 4)
    images = list(_images(job, numbers, by_image, shown, settings, wishes))
    for _ in local.rows_written(plan, _Crops(images, shown)):
        pass
    if not wishes.is_as_recorded:
        return images, []
    return images, list(crops_in_place(images, Path(wishes.crops), shown))


def _require_drawable(job: Job, settings: Settings, wishes: Wishes) -> None:
    """Raise unless maps are planes and boxes, in a page, are pooled as the page does it."""
    if job.rois.box_form.axes != 2:
        raise ShapeError(f"preview draws boxes on planes, and {settings.operator} has volumes")
    plain = isinstance(job.operator, RoiAlign) and job.operator.max_samples == MAX_BIN_SAMPLES
    if wishes.html is not None and not (plain and type(job.operator) is RoiAlign):
        raise SinkError.advising(
            "a page pools means of samples, counted or as many as given, as roi-align by itself "
            "does",
            "pass {output} for a picture of what other options of the operator make",
        )


def _images_asked_for(features: Features, wishes: Wishes) -> list[int] | None:
    """Return the numbers of the images that are asked for by id or number, None for any."""
    if wishes.image is None:
        return None
    found = []
    for one in wishes.image:
        number = int(match([one], features.ids).images[0]) if features.ids else -1
        if number < 0 and one.isdecimal() and int(one) < features.images:
            number = int(one)
        if number < 0:
            known = f"ids such as {features.ids[0]!r}" if features.ids else "no ids"
            raise SourceError(
                f"{features.name} has no image {one!r}: its {features.images} images have {known} "
                "and numbers from 0"
            )
        found.append(number)
    return list(dict.fromkeys(found))


def _numbers(numbers: list[int], wanted: list[int] | None, images: int) -> list[int]:
    """Return which images are drawn, also if none of them has a RoI."""
    shown = wanted or numbers or [0][:images]
    if len(shown) > MOST_IMAGES:
        raise RoiError.advising(
            f"these RoIs lie on {len(shown)} images, and {MOST_IMAGES} can be drawn at once",
            "choose fewer with {rows}, {image} or {random}",
        )
    return shown


def _rois_of(job: Job, choice: Choice) -> tuple[dict[int, list[Roi]], list[Roi]]:
    """Return the chosen RoIs by image, and those of none."""
    by_image: dict[int, list[Roi]] = {}
    strays: list[Roi] = []
    for row in choice.rows.tolist():
        image, roi = _roi(job, row, tuple(choice.kinds.get(row, ())))
        (strays if image is None else by_image.setdefault(image, [])).append(roi)
    return by_image, strays


def _roi(job: Job, row: int, kinds: tuple[str, ...]) -> tuple[int | None, Roi]:
    """Return the image of a row, None if there is no such image, and the RoI."""
    source, offset = job.rois, job.operator.offset
    values = source.read(row, row + 1)
    own = source.read(row, row + 1, framed=False)
    table, report = examine(values, source.images, row, source.box_form)
    named, *box = map(float, values[0])
    x1, y1, x2, y2 = _around(job, values[:, 1:])
    sy, sx = job.operator.spatial_scale
    roi = Roi(
        row=row,
        box=tuple(map(float, own[0, 1:])),
        cells=(y1 * sy - offset, x1 * sx - offset, y2 * sy - offset, x2 * sx - offset),
        input_box=tuple(box),
        grid=None,
        name="" if source.roi_ids is None else printable(str(source.roi_ids[row])),
        kinds=kinds,
        fact="".join(defect.fact for defect in report.defects.values()),
    )
    if table.valid[0]:
        _lay_out(roi, job, table.boxes, int(table.batch_index[0]))
        return int(named), roi
    is_image = named.is_integer() and 0 <= named < source.images
    return int(named) if is_image else None, roi


def _around(job: Job, boxes: Array) -> list[float]:
    """Return the least upright box around one (1, B)."""
    upright = getattr(job.operator, "upright", None)
    with np.errstate(invalid="ignore"):
        found: list[float] = (boxes if upright is None else upright(boxes))[0].tolist()
    return found


def _lay_out(roi: Roi, job: Job, boxes: Floats, image: int) -> None:
    """Put in where an operator samples a RoI, which may be more than its box."""
    geometry = job.lay_out(boxes, image)
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


def _images(
    job: Job,
    numbers: list[int],
    rois: dict[int, list[Roi]],
    shown: Reduction,
    settings: Settings,
    wishes: Wishes,
) -> Iterator[Image]:
    """Yield images with their maps, photographs and RoIs."""
    features = job.features
    photos = Photos(job, settings, wishes)
    most_cells = MOST_CELLS
    if wishes.html is not None:
        planes = len(numbers) * (3 if wishes.show == "pca" else 1)
        most_cells = min(MOST_CELLS, CELLS_OF_PAGE // planes)
    for number in numbers:
        plane, step = plane_of(features, number, shown, most_cells, settings.memory // 4)
        yield Image(
            number=number,
            name=printable(features.ids[number]) if features.ids else "",
            size=size_of(features, number),
            plane=plane,
            step=step,
            backdrop=photos.of(number, len(numbers)),
            rois=rois.get(number, []),
        )


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
