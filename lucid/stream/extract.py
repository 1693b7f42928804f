"""Features file and RoI file to crops file: what `lucid-roialign extract` does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from typing import Any, Unpack
from warnings import warn

from numpy.typing import NDArray

from lucid.errors import FrameError, FrameWarning, RoiError, spelled
from lucid.roi.engines.selection import get_engine
from lucid.stream import tuning
from lucid.stream.bar import drawn
from lucid.stream.checks import PathLike, SourceLike
from lucid.stream.extraction import Extraction, Progress
from lucid.stream.options import Options, documented
from lucid.stream.plan.coverage import Coverage
from lucid.stream.plan.inputs import placement_of, plan_inputs
from lucid.stream.plan.job import Job
from lucid.stream.plan.partition import is_scattered
from lucid.stream.plan.plan import Plan, jobs_worth, make_plan
from lucid.stream.plan.shares import Share, share_of
from lucid.stream.plan.survey import Survey, survey
from lucid.stream.read.five_columns import require_batch_index
from lucid.stream.read.rois import RoiSource
from lucid.stream.report import ExtractReport
from lucid.stream.row_set import RowSet
from lucid.stream.run.executors import require_executor, workers_of
from lucid.stream.run.scheduler import scheduled
from lucid.stream.settings import Settings
from lucid.stream.write.companions import Companions
from lucid.stream.write.complete import engine_of
from lucid.stream.write.identity import identity, inputs_of, recorded
from lucid.stream.write.inputs_kept import keep_inputs
from lucid.stream.write.journal_file import JournalState
from lucid.stream.write.layout import Layout, Output, path_of
from lucid.stream.write.outputs import output_of
from lucid.stream.write.pending import pending_bytes
from lucid.stream.write.shard_sink import ShardSink
from lucid.stream.write.sinks import FileSink, Sink
from lucid.stream.write.stream import StreamSink
from lucid.stream.write.unfinished import require_space, resume_state

Array = NDArray[Any]


@documented
def extract(
    features: SourceLike | Sequence[PathLike] | None,
    rois: SourceLike,
    output: PathLike = "crops.h5",
    *,
    dry_run: bool = False,
    progress: bool = False,
    on_progress: Progress | None = None,
    executor: Executor | None = None,
    **options: Unpack[Options],
) -> ExtractReport:
    """Write the crops of RoIs on feature maps, from files or arrays, to a file.

    Parameters
    ----------
    features : path, sequence of path, or array
        Maps (N, C, H, W), or volumes (N, C, D, H, W) for the operator 'roi-align-3d': a .npy file,
        or 'PATH::DATASET' of a .npz, HDF5, zarr, safetensors or torch file. Without a dataset, the
        one called 'features', 'feat' or 'x', or else the only one usable as features. '{id}' in the
        path or the name of the dataset stands for an image: a file or dataset (C, H, W) each, of
        any height and width. Several files, or a path with wildcards, are one run of images,
        numbered on from file to file. '-' is a .npy stream on standard input. None where `level`
        names the maps of a pyramid.
    rois : path or array
        Rows batch_index, x1, y1, x2, y2, (K, 5), in such a file. Without a dataset, the one called
        'rois', 'boxes', 'bboxes' or 'image_bb', or else the only one usable as RoIs. Or boxes
        (K, 4) with `batch_index`, `box_ranges` or `box_counts`; or padded boxes (N, M, 4), of which
        `box_counts` says how many of each image are valid; or a table whose columns have names:
        records, a table of pandas, a .csv, .tsv or .txt file; or COCO's .json. '{id}' in the path
        or the name of the dataset stands for an image, with boxes (n, 4) each. '-' is a .npy stream
        on standard input. An array is taken too, as by all options that name one, or a list of
        boxes (n, 4) for each image.
    output : path
        A .h5, .hdf5, .npy, .npz or .safetensors file, or a .zarr store (also a URL), for the crops
        (K, C, PH, PW), or (K, C) with `reduce`; row k belongs to RoI k. All but .npy have them as
        'crops', with the job as attributes, member attributes.json or metadata, and beside them
        what the rows are ('rois', 'roi_ids', 'ids', 'ranges'). With '{id}' in the name of a .npz,
        .npy or HDF5 file, each image has its crops in a file of its own, and after 'FILE.h5::' in a
        group: 'features', 'boxes', 'image_h', 'image_w', 'num_boxes'. '-' is a .npy stream on
        standard output, in the order of rows.
    dry_run : bool
        Check and plan everything, read no pixel, write nothing.
    progress : bool
        Draw a bar, in a notebook or on standard error.
    on_progress : callable, optional
        Is told the number of rows done, after every batch.
    executor : concurrent.futures.Executor, optional
        Whose workers do the run, in this process, in others or on other machines; it is not shut
        down. All must see inputs and output under the same paths. `jobs` then says for how many
        workers to cut the run, 'auto' for as many as the executor says it has, and `memory` is that
        of each.
    **options
        The options of the command, with the same names and defaults:

        {options}

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
        If `memory` is too little; it says what is enough.
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
    settings = Settings(features=features, rois=rois, output=output, **options)
    with prepare(settings, executor) as extraction:
        for fact in extraction.warnings:
            warn(spelled(fact), FrameWarning, stacklevel=2)
        if dry_run:
            return extraction.report
        if not progress:
            return extraction.run(on_progress)
        rows = extraction.report.shape[0]
        with drawn(rows, extraction.rows_done, "packing" * extraction.packs) as advance:
            return extraction.run(_told(advance, on_progress))


def _told(*those: Progress | None) -> Progress:
    """Return what tells several the number of rows done."""

    def tell(rows_done: int) -> None:
        for one in filter(None, those):
            one(rows_done)

    return tell


def prepare(settings: Settings, executor: Executor | None = None) -> Extraction:
    """Open, check and plan what `extract` does; read no pixel, write nothing."""
    tuning.sync_seconds()  # raises early if the environment says none
    if executor is not None or settings.scheduler:
        require_executor(executor, settings)
    begun_with = engine_of(path_of(settings)) if settings.resume or settings.shard else None
    settings = settings.with_engine(begun_with or get_engine())
    with ExitStack() as opened:
        if settings.scheduler:
            executor = opened.enter_context(scheduled(settings))
        job, scale_from = plan_inputs(settings, opened)
        known = {} if settings.to_stream else inputs_of(job, path_of(settings))
        attributes = recorded(job, settings, known)
        beside = Companions(job, settings.coverage)
        layout = Layout.of(settings, job.crops_shape, job.dtype, attributes, beside)
        output = None if settings.to_stream else output_of(layout)
        if output is not None:
            keep_inputs(output, [*job.features.paths, *job.rois.paths])
        share = _share(job, output, settings)
        start = _start(job, output, settings, known, share.nothing)
        sent = RowSet(job.rois.rois) if output is None else None
        found = _survey(job, settings, start, sent, share)
        plan = _plan(job, found, settings, output.packing_bytes if output else 0, executor)
        report = ExtractReport.of(plan, settings, scale_from)
        sink: Sink | None = None  # all is done
        if sent is not None:
            sink = StreamSink(layout, sent)
        elif output is not None and start is not None:
            is_apart = executor is not None or plan.jobs > 1 or is_scattered(plan)
            require_space(output, pending_bytes(plan) if is_apart else 0)
            sink = _file_sink(output, start, settings)
        return Extraction(plan, report, sink, settings, opened.pop_all(), executor)


def _file_sink(output: Output, start: JournalState, settings: Settings) -> FileSink:
    if settings.shard:
        return ShardSink(output, start, settings.shard)
    return FileSink(output, start, keep=settings.can_resume)


def _plan(
    job: Job, found: Survey, settings: Settings, packing: int, executor: Executor | None
) -> Plan:
    """Return how to do a job, on as many workers as were asked for, are there or are worth it."""
    if executor is not None:
        jobs = workers_of(executor) if settings.jobs == "auto" else int(settings.jobs)
        return make_plan(job, found, settings.memory, packing, [jobs], is_of_each=True)
    if settings.jobs != "auto":
        return make_plan(job, found, settings.memory, packing, [int(settings.jobs)])
    most = jobs_worth(job, found) if settings.can_share else 1
    return make_plan(job, found, settings.memory, packing, range(most, 0, -1))


def _survey(
    job: Job,
    settings: Settings,
    start: JournalState | None,
    zeros: RowSet | None,
    share: Share,
) -> Survey:
    """Read the RoIs once, and raise if the run cannot do with them."""
    table = job.rois
    done = start.done if start else RowSet.all_but(len(share.rows), first=share.rows.start)
    coverage = Coverage(placement_of(job, settings), table.named.warnings)
    found = survey(table, done, coverage, *share, zeros)
    require_batch_index(found.report, table)
    if settings.unmatched == "zero" and table.named.unmatched:
        found.report.forgive("no such image")  # positions that were ids are all of images
    if settings.invalid == "raise":
        found.report.require_valid(table.name, _hint(found, table))
    _require_frame(found.coverage, settings.strict)
    if settings.to_stream and job.features.sequential and found.out_of_order is not None:
        raise RoiError(
            f"{table.name}: from pipe to pipe, RoIs must be in the order of their images; "
            f"row {found.out_of_order} goes back. Sort them, or write to a file"
        )
    return found


def _hint(found: Survey, table: RoiSource) -> str:
    """Return what is likely wrong where rows are invalid."""
    if found.coverage.are_misordered:
        return "; half of the rows are like it: if boxes are xywh, pass {boxes:xywh}"
    return table.named.hint if "no such image" in found.report.defects else ""


def _require_frame(coverage: Coverage, strict: bool) -> None:
    """Raise the first warning if a run is strict."""
    for fact in coverage.warnings() if strict else ():
        raise FrameError.of(fact)


def _share(job: Job, output: Output | None, settings: Settings) -> Share:
    """Return which of the RoIs are to be done."""
    if settings.shard and output is not None:
        return share_of(settings.shard, job.rois, output.border_rows)
    return Share(range(job.rois.rois))


def _start(
    job: Job, output: Output | None, settings: Settings, known: dict[str, Any], nothing: RowSet
) -> JournalState | None:
    """Return from where a run goes on, None if its output is there already."""
    if output is None:
        return JournalState(job={}, replaces=False, done=nothing)
    inputs = [*job.features.inputs, *job.rois.inputs]
    same = identity(job, settings, known)
    asked = settings.overwrite, settings.resume, settings.shard
    return resume_state(output, same, inputs, nothing, *asked)
