"""From settings to a job: the inputs are opened, and held against each other."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from lucid.roi.engines.selection import get_engine
from lucid.roi.operator import crop_dtype
from lucid.roi.operators import operator_of
from lucid.stream.plan.coverage import Placement
from lucid.stream.plan.job import Job
from lucid.stream.plan.memory import (
    chunk_bytes,
    image_needs,
    needs,
    require_memory,
    table_bytes,
)
from lucid.stream.read.axes import Axes
from lucid.stream.read.features import open_features
from lucid.stream.read.maps import Features
from lucid.stream.read.pyramid import Pyramid, PyramidRois
from lucid.stream.read.rois import RoiSource
from lucid.stream.read.scale import Scale, find_scale
from lucid.stream.settings import Settings


def open_maps(settings: Settings, opened: ExitStack) -> Features:
    """Open the feature maps."""
    given, trust = (Axes.of(settings), settings.grid, settings.ids), settings.trust_input
    if settings.level is not None:
        maps: Features = Pyramid.opened(settings.level, *given, trust)
    else:
        maps = open_features(settings.features, *given, trust=trust)
    opened.callback(maps.close)
    require_memory(maps.held_bytes, settings.memory, [image_needs(maps)])
    return maps


def plan_inputs(settings: Settings, opened: ExitStack) -> tuple[Job, str]:
    """Open the inputs and return the job, and where its scale is from."""
    maps = open_maps(settings, opened)
    if isinstance(maps, Pyramid):
        scale = Scale(np.full((1, 2), maps.scales[0]), "levels")
        table: RoiSource = PyramidRois(settings, maps, scale, settings.memory)
    else:
        scale = find_scale(settings, maps.words)
        table = RoiSource(settings, maps, scale, settings.memory)
    opened.callback(table.close)
    # A scale of each image's own is part of its frame, which then leads to cells.
    pair = tuple(scale.rows[0].tolist()) if scale.is_single else (1.0, 1.0)
    options = settings.operator_options | {"spatial_scale": pair}
    operator = operator_of(settings.operator, settings.output_size, **options)
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
    if not settings.means("spatial_scale"):
        return job, "fractions"
    return job, scale.origin if scale.is_single else "images"


def placement_of(job: Job, settings: Settings) -> Placement:
    """Return how boxes come to lie on maps, and what the other layout would make of the maps."""
    _, channels, *_, height, width = job.features.shape
    others = {"nchw": ("nhwc", channels, height), "nhwc": ("nchw", width, channels)}
    in_pixels = settings.means("spatial_scale")
    return Placement(
        sizes=job.features.sizes,
        scale=job.operator.spatial_scale if in_pixels else (height - 1.0, width - 1.0),
        offset=job.operator.offset,
        form=job.rois.box_form,
        upright=getattr(job.operator, "upright", None),
        boxes=job.rois.form if in_pixels and job.rois.box_form.is_upright else "",
        other_layout=others.get(settings.layout),
        fractions_of="image" if settings.normalized else "" if in_pixels else "map",
        image_sizes=job.rois.sizes_of_fractions,
        frame=job.rois.frame_of_features,
        input_sizes=job.rois.input_sizes[0],
        is_exact=job.rois.input_sizes[1],
        of_pictures=job.rois.are_of_pictures,
        ratios=job.features.ratios if isinstance(job.features, Pyramid) else None,
    )
