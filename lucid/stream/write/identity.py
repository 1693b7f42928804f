"""What an output records about its job, and what must be the same to go on with one."""

import json
from typing import Any

from lucid import __version__
from lucid.stream.options import USUAL, Settings
from lucid.stream.plan.job import Job

FORMAT = 1  # of the output; a run that wrote another cannot be gone on with

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


# How the inputs are to be understood: recorded where it is not as usual.
UNDERSTOOD = (
    "layout",
    "ids",
    "boxes",
    "normalized",
    "image_size",
    "batch_index",
    "box_ranges",
    "box_counts",
)


def recorded(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what an HDF5 output records about its job."""
    known = {
        "features": printable(job.features.name),
        "features_shape": job.features.shape,
        "features_dtype": str(job.features.dtype),
        "rois": printable(job.rois.name),
        "rois_shape": job.rois.shape,
        "rois_dtype": str(job.rois.dtype),
        "output_size": job.operator.output_size,
        "spatial_scale": job.operator.spatial_scale,
        "sampling_ratio": job.operator.sampling_ratio,
        "aligned": job.operator.aligned,
        "dtype": job.dtype.name,
        "invalid": settings.invalid,
        "lucid_version": __version__,
    }
    understood = {name: getattr(settings, name) for name in UNDERSTOOD}
    return known | {name: value for name, value in understood.items() if value not in USUAL}


def printable(text: str) -> str:
    """Return a text in which bytes that are no text are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def identity(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what must be the same for an unfinished run to be gone on with, as plain values."""
    known = recorded(job, settings)
    del known["lucid_version"]
    known |= {name: getattr(settings, name) for name in UNDERSTOOD}
    known |= {
        "shape": job.crops_shape,
        "format": FORMAT,
        "compression": settings.compression,
        "chunks": settings.chunks,
        "checksum": settings.checksum,
        "features_file": job.features.stamp,
        "rois_file": job.rois.stamp,
    }
    plain: dict[str, Any] = json.loads(json.dumps(known))
    return plain
