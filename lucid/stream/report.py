"""What a run did, for people, for JSON, and as attributes beside the crops."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import lucid
from lucid.stream.plan import Job, Plan
from lucid.stream.settings import Settings

FORMAT = 1  # of the output; a run that wrote another cannot be gone on with


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
    resumed: int  # rows that earlier runs had done
    memory: int

    @classmethod
    def of(cls, plan: Plan, settings: Settings, scale_from: str) -> "ExtractReport":
        """Return the report on a planned run."""
        job, survey = plan.job, plan.survey
        known = recorded(job, settings)
        return cls(
            **{name: known[name] for name in RECORDED},
            output=str(settings.output),
            shape=job.crops_shape,
            nbytes=job.crops_shape[0] * job.crop_bytes,
            spatial_scale_from=scale_from,
            invalid_rois=survey.report.invalid,
            invalid_facts=tuple(defect.fact for defect in survey.report.defects.values()),
            images=int(np.count_nonzero(survey.valid)),
            resumed=int(survey.valid.sum() - survey.counts.sum()),
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


def recorded(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what an HDF5 output records about its job."""
    return {
        "features": job.features.name,
        "features_shape": job.features.shape,
        "features_dtype": str(job.features.dtype),
        "rois": job.rois.name,
        "rois_shape": job.rois.shape,
        "rois_dtype": str(job.rois.dtype),
        "output_size": job.operator.output_size,
        "spatial_scale": job.operator.spatial_scale,
        "sampling_ratio": job.operator.sampling_ratio,
        "aligned": job.operator.aligned,
        "dtype": job.dtype.name,
        "invalid": settings.invalid,
        "lucid_version": lucid.__version__,
    }


def identity(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what must be the same for an unfinished run to be gone on with, as plain values."""
    known = recorded(job, settings)
    del known["lucid_version"]
    known |= {
        "shape": job.crops_shape,
        "format": FORMAT,
        "compression": settings.compression,
        "blocks": settings.blocks,
        "checksum": settings.checksum,
        "features_file": job.features.stamp,
        "rois_file": job.rois.stamp,
    }
    plain: dict[str, Any] = json.loads(json.dumps(known))
    return plain
