"""A run that is checked and planned: the loop from maps and RoIs to crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lucid.errors import DTypeError
from lucid.roi import kernel
from lucid.roi.cells import Region
from lucid.roi.geometry import Geometry
from lucid.roi.operator import compute_dtype
from lucid.roi.threads import working_threads
from lucid.stream.features import Reader
from lucid.stream.plan import Plan
from lucid.stream.report import ExtractReport
from lucid.stream.sinks import Sink
from lucid.stream.tables import select

Array = NDArray[Any]
Rows = NDArray[np.intp]
Progress = Callable[[int], None]


class Extraction:
    """A run that is checked and planned, with its inputs open; `run` reads pixels and writes."""

    def __init__(
        self,
        plan: Plan,
        report: ExtractReport,
        sink: Sink | None,
        opened: ExitStack,
    ) -> None:
        self.report = report
        self.rows_done = int(plan.survey.done.sum())
        self._plan, self._job = plan, plan.job
        self._sink, self._opened = sink, opened

    def run(self, on_progress: Progress | None = None) -> ExtractReport:
        """Write the crops; tell `on_progress` after each chunk how many rows are done in all."""
        tell = on_progress or (lambda rows_done: None)
        tell(self.rows_done)  # invalid rows are zeros, as the output is laid out
        if self._sink is not None:
            with working_threads(1) as self._workers, self._sink as sink:
                for rows, crops in self._chunks():
                    sink.write(rows, crops)
                    self.rows_done += len(rows)
                    tell(self.rows_done)
                sink.commit()
        return self.report

    def _chunks(self) -> Iterator[tuple[Rows, Array]]:
        """Yield crops with their rows; each chunk is overwritten by the next."""
        job, most = self._job, min(self._plan.crops, self._job.crops_shape[0])
        reader = Reader(job.features, self._plan.images)
        crops = np.empty((most, *job.crops_shape[1:]), job.dtype)
        for image, rows, geometry in self._regions():
            down, across = geometry.bounds()
            region = reader.read(image, down, across)
            for start in range(0, len(rows), most):
                chunk = slice(start, start + most)
                self._pool(region, geometry[chunk], crops, (down.start, across.start))
                yield rows[chunk], crops[: len(rows[chunk])]

    def _regions(self) -> Iterator[tuple[int, Rows, Geometry]]:
        """Yield, map by map, the RoIs that are cut out of one region of it."""
        plan, job = self._plan, self._job
        for images in plan.groups():
            for selection in select(job.rois, plan.survey, images, plan.selected):
                geometry = job.lay_out(selection.boxes, selection.image)
                for some in plan.regions(geometry):
                    yield selection.image, selection.rows[some], geometry[some]

    def _pool(
        self, region: Array, geometry: Geometry, crops: Array, origin: tuple[int, int]
    ) -> None:
        rows = np.arange(len(geometry))
        regions = [Region(region, len(geometry), origin)]
        dtype = compute_dtype(region.dtype)
        try:
            kernel.pool(regions, geometry, crops, rows, dtype, self._workers)
        except FloatingPointError as error:
            raise DTypeError(
                f"{self._job.features.name}: crops exceed the range of {self._job.dtype}; "
                "choose a wider dtype"
            ) from error

    def close(self) -> None:
        """Close the inputs."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
