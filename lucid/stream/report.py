"""What a run did, for people, for JSON, and as attributes beside the crops."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from lucid.stream.checks import spelled
from lucid.stream.options import Recorded
from lucid.stream.plan.plan import Plan, maps_bytes
from lucid.stream.settings import Settings
from lucid.stream.write.identity import options_of, printable

PARAMETERS = ("sampling_ratio", "aligned")  # of some operators


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What a run did, or as a dry run would do. Pairs are height before width."""

    output: str
    shape: tuple[int, ...]  # of the crops: (K, C, PH, PW), or (K, C) if reduced
    apart: int  # images that have a file or a group of their own, 0 where crops are together
    dtype: str
    reduce: str | None  # what bins became: 'mean', or None
    nbytes: int
    features: str
    features_shape: tuple[int, ...]
    features_dtype: str
    rois: str
    rois_shape: tuple[int, ...]
    rois_dtype: str
    operator: str
    output_size: tuple[int, int]
    spatial_scale: tuple[float, float]
    spatial_scale_from: str  # 'argument', 'features', 'default', or 'images' where each has its own
    sampling_ratio: int | None  # None where it means nothing to the operator, as below
    aligned: bool | None
    invalid: str  # the policy
    invalid_rois: int
    invalid_kinds: tuple[dict[str, Any], ...]  # each with count, first rows, and the first's fact
    zero_area: int  # RoIs
    partly_outside: int
    outside: int
    frame: str  # where the boxes lie, in words
    boxes: str  # their format
    coordinates: (
        str  # 'input', 'fractions', a rule of resizing, or words such as 'frame', 'im_info'
    )
    ids: tuple[str, ...]  # what the first and the last image are called, if that is known
    ids_from: str  # 'argument', 'names' that match, 'files', 'dataset NAME', or '' where not known
    ids_read: str  # how RoIs that name images by id found them, '' for image indices
    unmatched: str  # what happens to RoIs whose image id no image has
    unmatched_rois: int
    warnings: tuple[str, ...]
    images: int  # that have a valid RoI
    spooled_bytes: int  # of the temporary file that a packed features file is unpacked to
    without_boxes: int  # images whose own file or dataset of boxes is not there
    missing_chunks: int  # of the features file, never written: they read as its fill value
    resumed: int  # rows that earlier runs had done
    memory: int
    bytes_to_read: int  # of the maps that have RoIs, if each is read once and as a whole
    images_at_once: int
    crops_at_once: int
    jobs: int  # processes
    engine: str  # 'compiled' or 'numpy'
    # Cells without a value, as `_FillValue` says, among those that the run has read: each once, but
    # where several processes share the RoIs of one map, once for each that has read it.
    holes: int = 0

    @classmethod
    def of(cls, plan: Plan, settings: Settings, scale_from: str) -> "ExtractReport":
        """Return the report on a planned run."""
        job, survey, coverage = plan.job, plan.survey, plan.survey.coverage
        known: dict[str, Any] = dict.fromkeys(PARAMETERS)
        known |= options_of(job, settings, Recorded.ALWAYS)
        names = {field.name for field in fields(cls)}
        return cls(
            **{name: value for name, value in known.items() if name in names},
            operator=settings.operator,
            features=printable(job.features.name),
            features_shape=job.features.shape,
            features_dtype=job.features.kind,
            rois=printable(job.rois.name),
            rois_shape=job.rois.shape,
            rois_dtype=str(job.rois.dtype),
            output=settings.output_name,
            apart=job.features.images if settings.is_per_image else 0,
            shape=job.crops_shape,
            reduce=job.reduce,
            nbytes=job.crops_shape[0] * job.row_bytes,
            spatial_scale_from=scale_from,
            invalid_rois=survey.report.invalid,
            invalid_kinds=tuple(
                {"kind": kind, "count": defect.count, "rows": defect.rows, "first": defect.fact}
                for kind, defect in survey.report.defects.items()
            ),
            zero_area=coverage.zero_area,
            partly_outside=coverage.partly_outside,
            outside=coverage.outside,
            frame=coverage.in_words(),
            boxes=job.rois.form,
            coordinates=job.rois.coordinates,
            ids=_ends(job.features.ids or []),
            ids_from=job.features.ids_from,
            ids_read=job.rois.reading,
            without_boxes=job.rois.missing,
            unmatched=settings.unmatched,
            unmatched_rois=job.rois.named.unmatched,
            warnings=tuple(spelled(fact, str) for fact in coverage.warnings()),
            images=int(np.count_nonzero(survey.valid)),
            spooled_bytes=job.features.spooled_bytes,
            missing_chunks=job.features.missing_chunks,
            resumed=int(survey.valid.sum() - survey.counts.sum()),
            memory=settings.memory,
            bytes_to_read=maps_bytes(job, survey),
            images_at_once=plan.images,
            crops_at_once=plan.crops,
            jobs=plan.jobs,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


def _ends(ids: list[str]) -> tuple[str, ...]:
    """Return the first id and the last."""
    return (printable(ids[0]), printable(ids[-1])) if ids else ()
