"""Features file and RoI file to crops file: what `lucid-roialign extract` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.errors import DTypeError, SinkError, SourceError
from lucid.roi import kernel
from lucid.roi.geometry import Geometry
from lucid.roi.operator import (
    Operator,
    OutputSize,
    SpatialScale,
    as_spatial_scale,
    compute_dtype,
    crop_dtype,
)
from lucid.stream.plan import Job, Plan, make_plan
from lucid.stream.report import ExtractReport, identity, recorded
from lucid.stream.settings import Settings
from lucid.stream.sinks import FileSink, Sink, beginning
from lucid.stream.sources import Source, open_source
from lucid.stream.tables import select, survey

Array = NDArray[Any]
PathLike = str | os.PathLike[str]
Progress = Callable[[int], None]


class Extraction:
    """A run that is checked and planned, with its inputs open; `run` reads pixels and writes."""

    def __init__(
        self, plan: Plan, report: ExtractReport, done: NDArray[np.bool_], sink: Sink | None
    ) -> None:
        self.report = report
        self.rows_done = len(done) - int(plan.survey.counts.sum())
        self._plan, self._job = plan, plan.job
        self._done, self._sink = done.copy(), sink

    def run(self, on_progress: Progress | None = None) -> ExtractReport:
        """Write the crops; tell `on_progress` after each chunk how many rows are done in all."""
        tell = on_progress or (lambda rows_done: None)
        tell(self.rows_done)  # invalid rows are zeros, as the output is laid out
        if self._sink is not None:
            with self._sink as sink:
                for rows, crops in self._chunks():
                    sink.write(rows, crops)
                    self.rows_done += len(rows)
                    tell(self.rows_done)
                sink.commit()
        return self.report

    def _chunks(self) -> Iterator[tuple[NDArray[np.intp], Array]]:
        """Yield crops with their rows; each chunk is overwritten by the next."""
        plan, job = self._plan, self._job
        reader = _Reader(job.features, plan.images)
        most = min(plan.crops, job.crops_shape[0])
        crops = np.empty((most, *job.crops_shape[1:]), job.dtype)
        for images in plan.groups():
            for selection in select(job.rois, plan.survey, self._done, images, plan.selected):
                geometry = job.lay_out(selection.boxes)
                for some in plan.regions(geometry):
                    rows, cols = geometry[some].bounds()
                    region = reader.read(selection.image, rows, cols)
                    for start in range(0, len(some), most):
                        chunk = some[start : start + most]
                        self._pool(region, geometry[chunk], crops, (rows.start, cols.start))
                        yield selection.rows[chunk], crops[: len(chunk)]

    def _pool(
        self, region: Array, geometry: Geometry, crops: Array, origin: tuple[int, int]
    ) -> None:
        every = np.arange(len(geometry))
        try:
            with np.errstate(over="raise"):
                kernel.pool(
                    region, geometry, crops, every, compute_dtype(region.dtype), origin=origin
                )
        except FloatingPointError as error:
            raise DTypeError(
                f"{self._job.features.name}: crops exceed the range of {self._job.dtype}; "
                "choose a wider dtype"
            ) from error

    def close(self) -> None:
        """Close the inputs."""
        self._job.features.close()
        self._job.rois.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


class _Reader:
    """Parts of maps; where blocks of the file hold several images, those are read together."""

    def __init__(self, features: Source, images: int) -> None:
        self._features, self._images = features, images
        self._first, self._held = -1, np.empty(0)

    def read(self, image: int, rows: slice, cols: slice) -> Array:
        """Return (C, h, w) of an image."""
        if self._images == 1:
            return self._features[image, :, rows, cols]
        first = image - image % self._images
        if first != self._first:
            self._held = np.empty(0)  # never two at a time
            self._held = self._features[first : first + self._images]
            self._first = first
        return self._held[image - first, :, rows, cols]


def extract(
    features: PathLike,
    rois: PathLike,
    output: PathLike = "crops.h5",
    *,
    output_size: OutputSize = (7, 7),
    spatial_scale: SpatialScale | None = None,
    sampling_ratio: SupportsIndex = -1,
    aligned: bool = False,
    invalid: str = "raise",
    memory: int | str = "512M",
    dtype: DTypeLike | None = None,
    compression: str = "none",
    blocks: SupportsIndex | None = None,
    checksum: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> ExtractReport:
    """Write the crops of all RoIs of a file on the feature maps of another.

    Parameters
    ----------
    features : path
        Maps (N, C, H, W): a .npy file, or `PATH::DATASET` of an HDF5 file. Without a dataset, the
        one called 'features' or else the only one of four axes.
    rois : path
        Rows batch_index, x1, y1, x2, y2, (K, 5), likewise; the dataset 'rois' or the only
        one of two axes and five columns.
    output : path
        A .h5, .hdf5 or .npy file for the crops (K, C, PH, PW); row k belongs to RoI k. HDF5 has
        them as dataset 'crops', with the job as attributes.
    output_size, sampling_ratio, aligned, invalid
        As in `lucid.models.utils.roi_align`.
    spatial_scale : float or (float, float), optional
        Cells per box unit, y before x; unless given, the attribute `spatial_scale` of the features
        dataset, or else 1.
    memory : int or str
        Bytes that the run may hold beyond the interpreter and its libraries, as 536870912 or
        '512M'. Pages of memory-mapped inputs, which the system can drop, do not count.
    dtype : {'float16', 'float32', 'float64'}, optional
        Of the crops; unless given, that of the features if they are floats, or else float32.
    compression : {'none', 'gzip', 'lzf'}
        Of an HDF5 output.
    blocks : int, optional
        Rows that an HDF5 output stores as one block. Unless given, it is contiguous, or if it is
        to be compressed or checked, in blocks of about 256 KiB.
    checksum : bool
        Whether each block of an HDF5 output gets a checksum, which readers then verify.
    overwrite : bool
        Whether an existing output may be replaced; it is there until the new one is complete.
    resume : bool
        Whether to finish what an interrupted run of the same job has left. Where there is nothing
        to finish it starts; where all is done it does nothing.
    dry_run : bool
        Check and plan everything, read no pixel, write nothing.
    on_progress : callable, optional
        Is told the number of rows done, after every chunk.

    Returns
    -------
    ExtractReport
        What was done.

    Raises
    ------
    SourceError, ShapeError, DTypeError
        If an input cannot be read or is not what it should be.
    RoiError
        If a RoI is invalid and `invalid` is 'raise'.
    SinkError
        If the output exists, or cannot be written.
    MemoryLimitError
        If `memory` is too little for one RoI.
    ValueError, TypeError
        If another argument has no meaning.

    Examples
    --------
    >>> import lucid, os, tempfile
    >>> crops = os.path.join(tempfile.mkdtemp(), "crops.npy")
    >>> report = lucid.extract("sample_data/features.h5", "sample_data/rois.npy", crops)
    >>> report.shape
    (12, 24, 7, 7)
    """
    settings = Settings.checked(
        output=output,
        output_size=output_size,
        spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
        invalid=invalid,
        memory=memory,
        dtype=dtype,
        compression=compression,
        blocks=blocks,
        checksum=checksum,
        overwrite=overwrite,
        resume=resume,
    )
    with prepare(features, rois, settings) as extraction:
        return extraction.report if dry_run else extraction.run(on_progress)


def prepare(features: PathLike, rois: PathLike, settings: Settings) -> Extraction:
    """Open, check and plan what `extract` does; read no pixel, write nothing."""
    with ExitStack() as opened:
        maps = opened.enter_context(open_source(features, "features"))
        table = opened.enter_context(open_source(rois, "rois"))
        _keep_inputs(settings, maps, table)
        scale, scale_from = _spatial_scale(settings, maps)
        operator = Operator(settings.output_size, scale, settings.sampling_ratio, settings.aligned)
        job = Job(maps, table, operator, settings.dtype or crop_dtype(maps.dtype))
        layout = settings.layout_of(job.crops_shape, job.dtype, recorded(job, settings))
        start = beginning(layout, identity(job, settings), settings.overwrite, settings.resume)
        done = np.ones(table.shape[0], bool) if start is None else start.done
        found = survey(table, maps.shape[0], done)
        if settings.invalid == "raise":
            found.report.require_valid(table.name)
        plan = make_plan(job, found, done, settings.memory)
        opened.pop_all()
    report = ExtractReport.of(plan, settings, scale_from)
    return Extraction(plan, report, done, FileSink(layout, start) if start else None)


def _keep_inputs(settings: Settings, *sources: Source) -> None:
    """Raise rather than write over an input, even if asked to overwrite."""
    for source in sources:
        if settings.output.exists() and settings.output.samefile(source.path):
            raise SinkError(f"{settings.output} is an input of this run; name another output")


def _spatial_scale(settings: Settings, features: Source) -> tuple[tuple[float, float], str]:
    """Return the scale of a run and where it is from: argument, features file or default."""
    if settings.spatial_scale is not None:
        return settings.spatial_scale, "argument"
    noted = features.attribute("spatial_scale")
    if noted is None:
        return (1.0, 1.0), "default"
    try:
        values = np.ravel(noted).tolist()
        return as_spatial_scale(values[0] if len(values) == 1 else tuple(values)), "features"
    except (TypeError, ValueError) as error:
        raise SourceError(f"{features.name} has a bad attribute: {error}") from error
