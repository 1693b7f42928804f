"""What a run did, for people, for JSON, and as attributes beside the crops."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from html import escape
from importlib import import_module
from io import BytesIO
from typing import Any
from warnings import catch_warnings, simplefilter

from lucid.errors import LucidError, Spell, spelled
from lucid.stream.options import OPTIONS, Recorded
from lucid.stream.options.option import OPERATOR
from lucid.stream.plan.coverage import Coverage
from lucid.stream.plan.job import Job
from lucid.stream.plan.plan import Plan, maps_bytes
from lucid.stream.plan.survey import Survey
from lucid.stream.read.maps import Features
from lucid.stream.read.pyramid import Pyramid
from lucid.stream.read.rois import RoiSource
from lucid.stream.report_lines import input_lines, output_lines
from lucid.stream.settings import Settings
from lucid.stream.wording import COLUMNS, shown, wrapped
from lucid.stream.write.identity import options_of, printable

MOST_DRAWN = 6  # RoIs in a notebook
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
    features_shape: tuple[int, ...]  # with the height and the width of the largest maps
    features_smallest: tuple[int, ...]  # height and width that no map is below
    features_dtype: str
    levels: tuple[dict[str, Any], ...]  # of a pyramid: each with features, shape, scale and rois
    rois: str
    rois_shape: tuple[int, ...]
    rois_dtype: str
    operator: str
    output_size: tuple[int, ...]
    spatial_scale: tuple[float, ...]
    spatial_scale_from: (
        str  # 'argument', 'features', 'default', 'images' where each has its own, or 'fractions'
    )
    sampling_ratio: int | str | None  # None where it means nothing to the operator, as below
    aligned: bool | None
    parameters: dict[str, Any]  # others of the operator that are not the default
    invalid: str  # the policy
    invalid_rois: int
    invalid_kinds: tuple[dict[str, Any], ...]  # each with count, first rows, and the first's fact
    zero_area: int  # RoIs
    partly_outside: int
    outside: int
    frame: str  # where the boxes lie, in words, and in numbers:
    extents: tuple[dict[str, Any], ...]  # by axis, x first: axis, boxes, cells, lengths of maps
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
    shard: tuple[int, int] | None = None  # its number and how many there are, of a part of the run
    shards_missing: tuple[int, ...] = ()  # that are to be done before the output is complete

    @classmethod
    def of(cls, plan: Plan, settings: Settings, scale_from: str) -> ExtractReport:
        """Return the report on a planned run."""
        job, survey = plan.job, plan.survey
        known: dict[str, Any] = dict.fromkeys(PARAMETERS)
        known["spatial_scale"] = job.operator.spatial_scale
        known |= options_of(job, settings, Recorded.ALWAYS)
        names = {field.name for field in fields(cls)}
        return cls(
            **{name: value for name, value in known.items() if name in names},
            **_of_features(job.features, survey),
            **_of_rois(job.rois, survey),
            **_of_coverage(survey.coverage),
            operator=settings.operator,
            parameters=_parameters(job, settings),
            output=settings.output_name,
            apart=job.features.images if settings.is_per_image else 0,
            shape=job.crops_shape,
            reduce=job.reduce,
            nbytes=job.crops_shape[0] * job.row_bytes,
            spatial_scale_from=scale_from,
            unmatched=settings.unmatched,
            resumed=int(survey.valid.sum() - survey.counts.sum()),
            shard=settings.shard,
            memory=settings.memory,
            bytes_to_read=maps_bytes(job, survey),
            images_at_once=plan.images,
            crops_at_once=plan.crops,
            jobs=plan.jobs,
        )

    def input_lines(self, columns: int = COLUMNS, spell: Spell = str) -> Iterator[str]:
        """Yield what the command prints about the inputs, options as `spell` writes them."""
        return wrapped(map(shown, input_lines(self, spell)), columns)

    def output_lines(self, dry_run: bool = False, columns: int = COLUMNS) -> Iterator[str]:
        """Yield what the command prints about the output."""
        return wrapped(map(shown, output_lines(self, dry_run)), columns)

    def __str__(self) -> str:
        return "\n".join((*self.input_lines(), *self.output_lines()))

    def _repr_html_(self) -> str:
        """Return the text and, of a file of crops that can be drawn, its preview."""
        return as_html(str(self)) + _picture_of(self.output)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, in numbers where there is a text of these as well."""
        return {name: value for name, value in asdict(self).items() if name != "frame"}


def _of_features(features: Features, survey: Survey) -> dict[str, Any]:
    """Return what is reported of the maps, by field."""
    maps = features.levels[0] if isinstance(features, Pyramid) else features
    return {
        "features": printable(features.name),
        "features_shape": maps.shape,
        "features_smallest": maps.smallest,
        "features_dtype": features.kind,
        "levels": _levels(features, survey),
        "ids": _ends(features.ids or []),
        "ids_from": features.ids_from,
        "images": int(survey.valid.reshape(-1, maps.images).any(axis=0).sum()),
        "spooled_bytes": features.spooled_bytes,
        "missing_chunks": features.missing_chunks,
    }


def _of_rois(rois: RoiSource, survey: Survey) -> dict[str, Any]:
    """Return what is reported of the RoIs, by field."""
    is_named = rois.box_form.is_upright or rois.form == "corners8"
    return {
        "rois": printable(rois.name),
        "rois_shape": rois.shape,
        "rois_dtype": str(rois.dtype),
        "boxes": rois.form if is_named else ", ".join(rois.box_form.columns),
        "coordinates": rois.coordinates,
        "ids_read": rois.reading,
        "without_boxes": rois.missing,
        "unmatched_rois": rois.named.unmatched,
        "invalid_rois": survey.report.invalid,
        "invalid_kinds": tuple(
            {"kind": kind, "count": defect.count, "rows": defect.rows, "first": defect.fact}
            for kind, defect in survey.report.defects.items()
        ),
    }


def _of_coverage(coverage: Coverage) -> dict[str, Any]:
    """Return what is reported of where boxes lie, by field."""
    return {
        "zero_area": coverage.zero_area,
        "partly_outside": coverage.partly_outside,
        "outside": coverage.outside,
        "frame": coverage.in_words(),
        "extents": tuple(coverage.extents()),
        "warnings": tuple(spelled(fact) for fact in coverage.warnings()),
    }


def _parameters(job: Job, settings: Settings) -> dict[str, Any]:
    """Return the options of the operator that are not the default, but for those always told."""
    options = options_of(job, settings, Recorded.UNLESS_DEFAULT)
    return {
        name: value
        for name, value in options.items()
        if name != "operator" and OPTIONS[name].group == OPERATOR and value != OPTIONS[name].default
    }


def _levels(maps: Features, survey: Survey) -> tuple[dict[str, Any], ...]:
    """Return what each level of a pyramid is, and how many RoIs are pooled from it."""
    if not isinstance(maps, Pyramid):
        return ()
    rois = survey.valid.reshape(len(maps.levels), maps.each).sum(axis=1).tolist()
    return tuple(
        {"features": printable(one.name), "shape": one.shape, "spatial_scale": scale, "rois": count}
        for one, scale, count in zip(maps.levels, maps.scales, rois, strict=True)
    )


def _ends(ids: list[str]) -> tuple[str, ...]:
    """Return the first id and the last."""
    return (printable(ids[0]), printable(ids[-1])) if ids else ()


def as_html(text: str) -> str:
    """Return a text as a notebook shows it."""
    return f"<pre>{escape(text)}</pre>"


def _picture_of(output: str) -> str:
    """Return a picture of some crops as HTML, nothing where there is none to be had."""
    try:
        with catch_warnings():
            simplefilter("ignore")
            figure = import_module("lucid").preview(crops=output, random=MOST_DRAWN)
            stream = BytesIO()
            figure.savefig(stream, format="png", dpi=72)
    except (LucidError, ValueError):  # no matplotlib, or a file that does not say its inputs
        return ""
    data = b64encode(stream.getvalue()).decode()
    return f'<img alt="RoIs on maps, and crops" src="data:image/png;base64,{data}">'
