"""What an output records about its job, and what must be the same to go on with one."""

import json
from typing import Any

from lucid import __version__
from lucid.stream.options import OPTIONS, Recorded
from lucid.stream.plan.job import Job
from lucid.stream.settings import Settings
from lucid.stream.write.journal import FORMAT

# What an output that leaves these attributes out was made with.
DEFAULTS = {
    name: option.default
    for name, option in OPTIONS.items()
    if option.recorded is Recorded.UNLESS_DEFAULT
}


def recorded(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what an HDF5 output records about its job."""
    options = _options(job, settings, Recorded.ALWAYS, Recorded.UNLESS_DEFAULT)
    said = {
        name: value
        for name, value in options.items()
        if name not in DEFAULTS or value != DEFAULTS[name]
    }
    return _inputs(job) | said | {"lucid_version": __version__}


def identity(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what must be the same for an unfinished run to be gone on with, as plain values."""
    known = _inputs(job) | _options(job, settings, *(set(Recorded) - {Recorded.NO}))
    known |= {
        "shape": job.crops_shape,
        "format": FORMAT,
        "features_file": job.features.stamp,
        "rois_file": job.rois.stamp,
    }
    plain: dict[str, Any] = json.loads(json.dumps(known))
    return plain


def _inputs(job: Job) -> dict[str, Any]:
    return {
        "features": printable(job.features.name),
        "features_shape": job.features.shape,
        "features_dtype": str(job.features.dtype),
        "rois": printable(job.rois.name),
        "rois_shape": job.rois.shape,
        "rois_dtype": str(job.rois.dtype),
    }


def _options(job: Job, settings: Settings, *kinds: Recorded) -> dict[str, Any]:
    """Return the options of some kinds, as the job has resolved them."""
    resolved = {"spatial_scale": job.operator.spatial_scale, "dtype": job.dtype.name}
    return {
        name: resolved.get(name, getattr(settings, name))
        for name, option in OPTIONS.items()
        if option.recorded in kinds
    }


def printable(text: str) -> str:
    """Return a text in which bytes that are no text are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
