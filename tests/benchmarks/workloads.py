"""Seeded maps and boxes like those that detectors meet."""

from typing import NamedTuple

import numpy as np


class Workload(NamedTuple):
    """Features, RoIs, and the operator's arguments."""

    features: np.ndarray
    rois: np.ndarray
    output_size: tuple[int, int]
    spatial_scale: float
    sampling_ratio: int
    aligned: bool


# Maps, RoIs, side of the output, sampling ratio, stride, least side of a box in pixels.
DETECTORS = {
    "W2": ((2, 256, 50, 68), 1000, 7, 2, 16, 16),
    "W3": ((2, 256, 50, 68), 1000, 7, -1, 16, 16),
    "W4": ((2, 256, 200, 304), 1000, 7, 2, 4, 16),
    "W5": ((2, 256, 200, 304), 200, 14, -1, 4, 128),
    "W6": ((1, 1024, 38, 50), 300, 14, -1, 16, 16),
}
NAMES = ("W1", *DETECTORS)


def workload(name):
    """Return a workload by its name."""
    return one_roi() if name == "W1" else detector(*DETECTORS[name])


def one_roi():
    """Return the example of the documentation: one RoI on one map."""
    features = np.random.default_rng(2017).standard_normal((1, 256, 32, 32), np.float32)
    return Workload(features, np.array([[0, 4, 4, 24, 24]], np.float32), (7, 7), 1.0, -1, False)


def detector(shape, count, size, ratio, stride, smallest):
    """Return a workload; box sides are at least `smallest` pixels, at most 0.9 of the image's."""
    rng = np.random.default_rng(2017)
    images, _, height, width = shape
    height, width = height * stride, width * stride
    boxes = boxes_inside(rng, count, height, width, smallest, 0.9 * min(height, width))
    features = rng.standard_normal(shape, np.float32)
    rois = np.column_stack([rng.integers(0, images, count), boxes]).astype(np.float32)
    return Workload(features, rois, (size, size), 1 / stride, ratio, True)


def boxes_inside(rng, count, height, width, smallest, largest):
    """Return boxes (L, 4) inside an image: log-uniform sides, aspect from 1/2 to 2."""
    side = np.exp(rng.uniform(np.log(smallest), np.log(largest), count))
    aspect = np.exp(rng.uniform(-np.log(2) / 2, np.log(2) / 2, count))
    w, h = np.minimum(side * aspect, width), np.minimum(side / aspect, height)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return np.column_stack([x, y, x + w, y + h])
