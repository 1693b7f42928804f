"""From settings to a job: the inputs are opened, and held against each other."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from lucid.errors import SourceError
from lucid.roi.engines.selection import get_engine
from lucid.roi.operator import as_spatial_scale, crop_dtype
from lucid.roi.operators import RoiAlign
from lucid.stream.plan.job import Job
from lucid.stream.plan.memory import (
    chunk_bytes,
    image_needs,
    needs,
    require_memory,
    table_bytes,
)
from lucid.stream.read.maps import Features, open_features
from lucid.stream.read.rois import RoiSource
from lucid.stream.settings import Settings


def plan_inputs(settings: Settings, opened: ExitStack) -> tuple[Job, str]:
    """Open the inputs and return the job, and where its scale is from."""
    trust = settings.trust_input
    maps = open_features(settings.features, settings.layout, settings.ids, trust=trust)
    opened.callback(maps.close)
    require_memory(maps.held_bytes, settings.memory, [image_needs(maps)])
    table = RoiSource(settings, maps, settings.memory)
    opened.callback(table.close)
    scale, scale_from = _spatial_scale(settings, maps)
    operator = RoiAlign(settings.output_size, scale, settings.sampling_ratio, settings.aligned)
    job = Job(
        features=maps,
        rois=table,
        operator=operator,
        dtype=settings.dtype or crop_dtype(maps.dtype),
        engine=settings.engine or get_engine(),
        reduce=settings.reduce,
    )
    # Before the RoIs are read, for what files say about themselves need not be true.
    require_memory(table_bytes(job) + chunk_bytes(job), settings.memory, needs(job))
    return job, scale_from


def _spatial_scale(settings: Settings, features: Features) -> tuple[tuple[float, float], str]:
    """Return the scale of a run and where it is from: argument, features file or default."""
    if settings.spatial_scale is not None:
        return settings.spatial_scale, "argument"
    if settings.stride is not None:
        vertical, horizontal = settings.stride
        return (1 / vertical, 1 / horizontal), "argument"
    noted = features.attribute("spatial_scale")
    if noted is None:
        return (1.0, 1.0), "default"
    try:
        values = np.ravel(noted).tolist()
        return as_spatial_scale(values[0] if len(values) == 1 else tuple(values)), "features"
    except (TypeError, ValueError) as error:
        raise SourceError(f"{features.name} has a bad attribute: {error}") from error
