"""What an output records about its job, and what must be the same to go on with one."""

import json
import math
import os
from pathlib import Path
from typing import Any

from lucid import __version__
from lucid.stream.options import ARRAY, OPTIONS, REQUIRED, Recorded
from lucid.stream.plan.job import Job
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.pyramid import Pyramid
from lucid.stream.read.url import Url, as_path, without_secrets
from lucid.stream.settings import Settings
from lucid.stream.write.journal_file import FORMAT

ARRAYS = [name for name, option in OPTIONS.items() if ARRAY in (option.metavar or "")]
IN_MEMORY = "array"  # what is recorded as the path of an input that is none

MOST_PATHS = 100  # that are recorded of an input

# What an output that leaves these attributes out was made with.
DEFAULTS = {
    name: list(option.default) if isinstance(option.default, tuple) else option.default
    for name, option in OPTIONS.items()
    if option.recorded is Recorded.UNLESS_DEFAULT
} | {f"{name}_fingerprint": None for name in ARRAYS if name not in REQUIRED}


def inputs_of(job: Job, output: Path) -> dict[str, Any]:
    """Return what is recorded about the inputs of a job, each by its option."""
    known: dict[str, Any] = {"features": job.features.name, "rois": job.rois.name}  # as of pipes
    folder = os.path.realpath("." if isinstance(output, Url) else output.parent)
    for one in (*job.features.inputs, *job.rois.inputs):
        known |= _about(one, folder)
    if isinstance(job.features, Pyramid):
        maps = [one for one in job.features.inputs if one.role == "features"]
        levels = [_about(one, folder) for one in maps]
        known |= {name: [level.get(name, "") for level in levels] for name in levels[0]}
        known["level_scales"] = job.features.scales
    return known


def _about(one: Input, folder: str) -> dict[str, Any]:
    """Return what is recorded about an input, beside an output in a folder."""
    known = {
        one.role: _paths(one, folder),
        f"{one.role}_shape": one.shape,
        f"{one.role}_dtype": one.dtype,
        f"{one.role}_fingerprint": one.fingerprint(),
    }
    if one.dataset is not None:
        known[f"{one.role}_dataset"] = printable(one.dataset)
    return known


def _paths(one: Input, folder: str) -> str | tuple[str, ...]:
    """Return the path of an input from a folder, or the paths, if it is several files."""
    if not one.several:
        return _relative(one.path, folder)
    more = len(one.files) - MOST_PATHS
    seen = [_relative(as_path(path), folder) for path in one.files[:MOST_PATHS]]
    return (*seen, *[f"and {more} more"] * (more > 0))


def _relative(path: Path | None, folder: str) -> str:
    """Return the path of an input from a folder, what stands for one if it is in memory."""
    if isinstance(path, Url):
        return without_secrets(path)
    return printable(os.path.relpath(os.path.realpath(path), folder)) if path else IN_MEMORY


def recorded(job: Job, settings: Settings, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what an HDF5 output records about its job.

    Truth values are numbers: of NumPy's, netCDF4 drops the attribute and PyTables cannot read it.
    """
    options = options_of(job, settings, Recorded.ALWAYS, Recorded.UNLESS_DEFAULT)
    said = {
        name: int(value) if isinstance(value, bool) else value
        for name, value in options.items()
        if name not in DEFAULTS or value != OPTIONS[name].default
    }
    if job.rois.reading:
        said["ids_read"] = job.rois.reading
    if job.features.ids_from:
        said["ids_from"] = job.features.ids_from
    return said | inputs | {"lucid_version": __version__}


def identity(job: Job, settings: Settings, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same for an unfinished run to be gone on with, as plain values.

    An input is the same wherever it lies.
    """
    known = options_of(job, settings, *(set(Recorded) - {Recorded.NO}))
    known |= {f"{name}_fingerprint": None for name in ARRAYS} | inputs
    known["per_image"] = settings.is_per_image or None  # as in journals that do not say it
    for name in ARRAYS:
        if name in inputs:
            del known[name]
    plain: dict[str, Any] = json.loads(
        json.dumps(known | {"shape": job.crops_shape, "format": FORMAT})
    )
    return plain


def options_of(job: Job, settings: Settings, *kinds: Recorded) -> dict[str, Any]:
    """Return the options of some kinds that mean something, as the job has resolved them."""
    resolved = {
        "spatial_scale": job.operator.spatial_scale,
        "dtype": job.dtype.name,
        "engine": job.engine,
    }
    return {
        name: _plain(resolved.get(name, getattr(settings, name)))
        for name, option in OPTIONS.items()
        if option.recorded in kinds and settings.means(name)
    }


def _plain(value: Any) -> Any:
    """Return what JSON has, for values that it has not."""
    if isinstance(value, slice):
        parts = (value.start, value.stop, *[value.step] * (value.step is not None))
        return ":".join("" if part is None else str(part) for part in parts)
    return "inf" if value == math.inf else value


def printable(text: str) -> str:
    """Return a text in which bytes that are no text are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
