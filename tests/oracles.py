"""RoIAlign as six plain loops that read like the paper; slow, and independent of the package."""

import math

import numpy as np


def bilinear(plane, y, x):
    """Return the value of a plane (H, W) at a point; 0 more than one cell outside of it."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    return (
        (1 - dy) * (1 - dx) * plane[top, left]
        + (1 - dy) * dx * plane[top, right]
        + dy * (1 - dx) * plane[bottom, left]
        + dy * dx * plane[bottom, right]
    )


def side(low, high, scale, pooled, ratio, aligned, kind):
    """Return start, bin length and samples per bin of one axis; the samples counted in `kind`."""
    offset = 0.5 if aligned else 0.0
    start = low * scale - offset
    extent = high * scale - offset - start
    counted = (kind(high) * kind(scale) - kind(offset)) - (kind(low) * kind(scale) - kind(offset))
    if not aligned:
        extent, counted = max(extent, 1.0), max(counted, kind(1))
    grid = ratio if ratio > 0 else math.ceil(counted / kind(pooled))
    return start, extent / pooled, grid


def roi_align(features, rois, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    """Return the crops (K, C, PH, PW) in float64."""
    kind = np.float64 if features.dtype == np.float64 else np.float32
    maps = features.astype(np.float64)
    pooled_height, pooled_width = output_size
    crops = np.zeros((len(rois), maps.shape[1], pooled_height, pooled_width))
    for k, (image, x1, y1, x2, y2) in enumerate(np.asarray(rois, np.float64).tolist()):
        y0, bin_h, grid_h = side(
            y1, y2, spatial_scale, pooled_height, sampling_ratio, aligned, kind
        )
        x0, bin_w, grid_w = side(x1, x2, spatial_scale, pooled_width, sampling_ratio, aligned, kind)
        for c in range(maps.shape[1]):
            for p in range(pooled_height):
                for q in range(pooled_width):
                    for i in range(grid_h):
                        for j in range(grid_w):
                            y = y0 + (p + (i + 0.5) / grid_h) * bin_h
                            x = x0 + (q + (j + 0.5) / grid_w) * bin_w
                            crops[k, c, p, q] += bilinear(maps[int(image), c], y, x)
                    crops[k, c, p, q] /= max(grid_h * grid_w, 1)
    return crops


def fancy(features, rois, output_size, spatial_scale, sampling_ratio, aligned):
    """Return the same with all samples of a RoI gathered by fancy indexing: the usual NumPy way.

    Fixed sampling only.
    """
    _, channels, height, width = features.shape
    pooled_height, pooled_width = output_size
    crops = np.empty((len(rois), channels, pooled_height, pooled_width), features.dtype)
    for k, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (edge * spatial_scale - 0.5 * aligned for edge in box)
        extent_y, extent_x = y2 - y1, x2 - x1
        if not aligned:
            extent_y, extent_x = max(extent_y, 1), max(extent_x, 1)
        ys = y1 + (np.arange(pooled_height * sampling_ratio) + 0.5) * (
            extent_y / (pooled_height * sampling_ratio)
        )
        xs = x1 + (np.arange(pooled_width * sampling_ratio) + 0.5) * (
            extent_x / (pooled_width * sampling_ratio)
        )
        seen = np.outer((ys >= -1) & (ys <= height), (xs >= -1) & (xs <= width))
        ys, xs = np.clip(ys, 0, height - 1), np.clip(xs, 0, width - 1)
        top, left = np.floor(ys).astype(int), np.floor(xs).astype(int)
        bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
        dy = (ys - top).astype(features.dtype)[:, None]
        dx = (xs - left).astype(features.dtype)[None, :]
        plane = features[int(image)]
        values = (
            (1 - dy) * (1 - dx) * plane[:, top[:, None], left]
            + (1 - dy) * dx * plane[:, top[:, None], right]
            + dy * (1 - dx) * plane[:, bottom[:, None], left]
            + dy * dx * plane[:, bottom[:, None], right]
        ) * seen
        bins = values.reshape(channels, pooled_height, sampling_ratio, pooled_width, sampling_ratio)
        crops[k] = bins.mean(axis=(2, 4))
    return crops
