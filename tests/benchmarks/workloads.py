"""Seeded maps and boxes like those that detectors meet."""

from typing import NamedTuple

import numpy as np


class Workload(NamedTuple):
    """Features, RoIs, and the operator's arguments."""

    name: str
    features: np.ndarray
    rois: np.ndarray
    output_size: tuple[int, int]
    spatial_scale: float
    sampling_ratio: int
    aligned: bool


def boxes_inside(rng, count, height, width, smallest, largest):
    """Return boxes (L, 4) inside an image: log-uniform sides, aspect from 1/2 to 2."""
    side = np.exp(rng.uniform(np.log(smallest), np.log(largest), count))
    aspect = np.exp(rng.uniform(-np.log(2) / 2, np.log(2) / 2, count))
    w, h = np.minimum(side * aspect, width), np.minimum(side / aspect, height)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return np.column_stack([x, y, x + w, y + h])


def workload(name, shape, count, size, ratio, stride, smallest):
    """Return a workload; box sides are at least `smallest` pixels, at most 0.9 of the image's."""
    rng = np.random.default_rng(2017)
    images, _, height, width = shape
    height, width = height * stride, width * stride
    boxes = boxes_inside(rng, count, height, width, smallest, 0.9 * min(height, width))
    return Workload(
        name,
        rng.standard_normal(shape, np.float32),
        np.column_stack([rng.integers(0, images, count), boxes]).astype(np.float32),
        (size, size),
        1 / stride,
        ratio,
        True,
    )


def workloads():
    """Yield each workload in turn, so that only one is in memory."""
    yield workload("1000 boxes, 7x7, ratio 2", (2, 256, 50, 68), 1000, 7, 2, 16, 16)
    yield workload("1000 boxes, 7x7, adaptive", (2, 256, 50, 68), 1000, 7, -1, 16, 16)
