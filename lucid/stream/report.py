"""What a run did, for people, for JSON, and as attributes beside the crops."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import lucid
from lucid.stream.plan import Plan
from lucid.stream.settings import Settings


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What a run did, or as a dry run would do. Pairs are height before width."""

    output: str
    shape: tuple[int, int, int, int]  # of the crops: (K, C, PH, PW)
    dtype: str
    nbytes: int
    features: str
    features_shape: tuple[int, ...]
    features_dtype: str
    rois: str
    rois_shape: tuple[int, ...]
    rois_dtype: str
    output_size: tuple[int, int]
    spatial_scale: tuple[float, float]
    spatial_scale_from: str  # 'argument', 'features' (an attribute of the dataset) or 'default'
    sampling_ratio: int
    aligned: bool
    invalid: str  # the policy
    invalid_rois: int
    invalid_facts: tuple[str, ...]  # about the first row of each kind
    images: int  # that have a valid RoI
    memory: int

    @classmethod
    def of(cls, plan: Plan, settings: Settings, scale_from: str) -> "ExtractReport":
        """Return the report on a planned run."""
        job, survey = plan.job, plan.survey
        return cls(
            output=str(settings.output),
            shape=job.crops_shape,
            dtype=job.dtype.name,
            nbytes=job.crops_shape[0] * job.crop_bytes,
            features=job.features.name,
            features_shape=job.features.shape,
            features_dtype=str(job.features.dtype),
            rois=job.rois.name,
            rois_shape=job.rois.shape,
            rois_dtype=str(job.rois.dtype),
            output_size=job.operator.output_size,
            spatial_scale=job.operator.spatial_scale,
            spatial_scale_from=scale_from,
            sampling_ratio=job.operator.sampling_ratio,
            aligned=job.operator.aligned,
            invalid=settings.invalid,
            invalid_rois=survey.report.invalid,
            invalid_facts=tuple(defect.fact for defect in survey.report.defects.values()),
            images=int(np.count_nonzero(survey.counts)),
            memory=settings.memory,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


# All that determines the values of the crops, and nothing else: the same job, the same bytes.
RECORDED = (
    "features",
    "features_shape",
    "features_dtype",
    "rois",
    "rois_shape",
    "rois_dtype",
    "output_size",
    "spatial_scale",
    "sampling_ratio",
    "aligned",
    "dtype",
    "invalid",
)


def attributes(report: ExtractReport) -> dict[str, Any]:
    """Return what an HDF5 output records about the job."""
    known = report.as_dict()
    return {name: known[name] for name in RECORDED} | {"lucid_version": lucid.__version__}
