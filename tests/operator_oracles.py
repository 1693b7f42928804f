"""The relatives of RoIAlign as plain loops, each as it is defined; slow, and independent."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
from oracles import bilinear, side


def weights_of(box, size, output_size, axis_weights, **options):
    """Return the row weights (PH, H) and column weights (PW, W) of a box."""
    x1, y1, x2, y2 = box
    ends = ((y1, y2), (x1, x2))
    return [
        axis_weights(*each, cells, bins, **options)
        for each, cells, bins in zip(ends, size, output_size, strict=True)
    ]


def separable(features, rois, output_size, axis_weights, **options):
    """Return crops from the weights that cells have along each axis."""
    maps = features.astype(np.float64)
    crops = np.zeros((len(rois), maps.shape[1], *output_size))
    for k, (image, *box) in enumerate(np.asarray(rois, np.float64).tolist()):
        rows, cols = weights_of(box, maps.shape[2:], output_size, axis_weights, **options)
        crops[k] = rows @ maps[int(image)] @ cols.T
    return crops


def share(cell, position, size, tapers):
    """Return the part of a cell in the reading at a position."""
    if not -1 <= position <= size:
        return 0
    if not tapers:
        position = min(max(position, 0), size - 1)
    return max(0, 1 - abs(position - cell))


def integral(low, high, size, bins, scale=1.0, aligned=False, tapers=False):
    """Return the exact means of cells' shares over bins, by fractions."""
    scale, offset = Fraction(scale), Fraction(1, 2) * aligned
    start, end = (Fraction(each) * scale - offset for each in (low, high))
    extent = end - start if aligned or tapers else max(end - start, Fraction(1))
    found = np.zeros((bins, size))
    for p, cell in product(range(bins), range(size)):
        a = start + p * extent / bins
        b = a + extent / bins
        if a == b:
            found[p, cell] = 0 if tapers else share(cell, a, size, tapers)
            continue
        pieces = [(max(a, i), min(b, i + 1)) for i in range(-1, size)]
        whole = sum((e - s) * share(cell, (s + e) / 2, size, tapers) for s, e in pieces if s < e)
        found[p, cell] = whole / (b - a)
    return found


def samples(low, high, size, bins, scale, ratio, aligned, kind, most=None):
    """Return the positions of the samples of each bin."""
    start, length, grid = side(low, high, scale, bins, ratio, aligned, kind)
    grid = grid if most is None else min(grid, most)
    numbers = [near(start + p * length, length, size, grid) for p in range(bins)]
    return [[start + (p + (i + 0.5) / grid) * length for i in numbers[p]] for p in range(bins)]


def near(start, length, size, grid):
    """Return the samples of a bin; of very many, those around the map and some beyond it."""
    if grid < 1000:
        return range(grid)
    first, last = (int((edge - start) * grid / length) for edge in (-2, size + 2))
    return range(min(max(first, 0), grid - 1), min(max(last, 0), grid - 1) + 1)


def sampled(low, high, size, bins, *, renormalize=False, **options):
    """Return the mean shares of cells in the samples of bins, of all or of those in range."""
    found = np.zeros((bins, size))
    for p, own in enumerate(samples(low, high, size, bins, **options)):
        counted = [at for at in own if -1 <= at <= size] if renormalize else own
        for at, cell in product(counted, range(size)):
            found[p, cell] += share(cell, at, size, tapers=False) / len(counted)
    return found


def normalized(low, high, size, bins, **options):
    """Return exact means over what is on the map."""
    found = integral(low, high, size, bins, **options)
    total = found.sum(axis=1, keepdims=True)
    return np.divide(found, total, out=np.zeros_like(found), where=total > 0)


def maxima(features, rois, output_size, *, renormalize=False, **options):
    """Return the largest sample of each bin."""
    maps = features.astype(np.float64)
    height, width = maps.shape[2:]
    crops = np.zeros((len(rois), maps.shape[1], *output_size))
    for k, (image, x1, y1, x2, y2) in enumerate(np.asarray(rois, np.float64).tolist()):
        ys = samples(y1, y2, height, output_size[0], **options)
        xs = samples(x1, x2, width, output_size[1], **options)
        for c, p, q in np.ndindex(crops.shape[1:]):
            points = list(product(ys[p], xs[q]))
            if renormalize:
                points = [(y, x) for y, x in points if -1 <= y <= height and -1 <= x <= width]
            read = [bilinear(maps[int(image), c], y, x) for y, x in points]
            crops[k, c, p, q] = max(read, default=0)
    return crops


def away(value):
    """Round halves away from 0."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def roi_pool_bins(low, high, size, bins, scale, kind):
    """Return the cells of each bin, begin and end."""
    start, end = (away(float(kind(each) * kind(scale))) for each in (low, high))
    length = kind(max(end - start + 1, 1)) / kind(bins)
    edges = [
        (math.floor(kind(p) * length) + start, math.ceil(kind(p + 1) * length) + start)
        for p in range(bins)
    ]
    return [tuple(min(max(edge, 0), size) for edge in pair) for pair in edges]


def roi_pool(features, rois, output_size, scale=1.0):
    """Return the largest cell of each bin, 0 of a bin without any."""
    kind = np.float64 if features.dtype == np.float64 else np.float32
    maps = features.astype(np.float64)
    crops = np.zeros((len(rois), maps.shape[1], *output_size))
    for k, (image, x1, y1, x2, y2) in enumerate(np.asarray(rois, np.float64).tolist()):
        ys = roi_pool_bins(y1, y2, maps.shape[2], output_size[0], scale, kind)
        xs = roi_pool_bins(x1, x2, maps.shape[3], output_size[1], scale, kind)
        for p, q in np.ndindex(*output_size):
            cells = maps[int(image), :, slice(*ys[p]), slice(*xs[q])]
            crops[k, :, p, q] = cells.max(axis=(1, 2)) if cells.size else 0
    return crops


def whole_cells(low, high, size, bins, scale, kind):
    """Return the weights of position-sensitive pooling: means of whole cells."""
    start = kind(away(float(kind(low)))) * kind(scale)
    end = kind(away(float(kind(high))) + 1) * kind(scale)
    length = max(end - start, kind(0.1)) / kind(bins)
    found = np.zeros((bins, size))
    for p in range(bins):
        begin = math.floor(kind(p) * length + start)
        until = math.ceil(kind(p + 1) * length + start)
        begin, until = (min(max(edge, 0), size) for edge in (begin, until))
        found[p, begin:until] = 1 / max(until - begin, 1)
    return found


def position_sensitive(features, rois, output_size, axis_weights, **options):
    """Return crops of which bin (p, q) of channel c is read in channel (c PH + p) PW + q."""
    whole = separable(features, rois, output_size, axis_weights, **options)
    (PH, PW), (K, channels) = output_size, whole.shape[:2]
    crops = np.zeros((K, channels // (PH * PW), PH, PW))
    for c, p, q in np.ndindex(crops.shape[1:]):
        crops[:, c, p, q] = whole[:, (c * PH + p) * PW + q, p, q]
    return crops


def resize_position(low, high, size, bins, p):
    """Return where bin p is read, in cells."""
    start, end = low * (size - 1), high * (size - 1)
    t = 0.5 if bins == 1 else p / (bins - 1)
    return start * (1 - t) + end * t


def crop_and_resize(features, rois, output_size, *, method="bilinear", extrapolation_value=0.0):
    """Return one reading for each bin, a value for those out of range."""
    maps = features.astype(np.float64)
    height, width = maps.shape[2:]
    crops = np.full((len(rois), maps.shape[1], *output_size), float(extrapolation_value))
    for k, (image, x1, y1, x2, y2) in enumerate(np.asarray(rois, np.float64).tolist()):
        for c, p, q in np.ndindex(crops.shape[1:]):
            y = resize_position(y1, y2, height, output_size[0], p)
            x = resize_position(x1, x2, width, output_size[1], q)
            if 0 <= y <= height - 1 and 0 <= x <= width - 1:
                plane = maps[int(image), c]
                nearest = plane[math.floor(y + 0.5), math.floor(x + 0.5)]
                crops[k, c, p, q] = bilinear(plane, y, x) if method == "bilinear" else nearest
    return crops


def roi_align_rotated(
    features,
    rois,
    output_size,
    spatial_scale=1.0,
    sampling_ratio=-1,
    aligned=True,
    *,
    angle="degrees",
    clockwise=False,
    kind=np.float64,
    of_bin=None,
):
    """Return the crops (K, C, PH, PW) of turned boxes in float64.

    `of_bin` makes a value of the samples of a bin, in order, and whether each is in range.
    """
    of_bin = of_bin or (lambda values, _: np.mean(values or [0]))
    maps = features.astype(np.float64)
    (PH, PW), least, offset = output_size, 0.0 if aligned else 1.0, 0.5 if aligned else 0.0
    crops = np.zeros((len(rois), maps.shape[1], PH, PW))
    for k, (image, x0, y0, w, h, turn) in enumerate(np.asarray(rois, np.float64).tolist()):
        cx, cy = x0 * spatial_scale - offset, y0 * spatial_scale - offset
        width, height = max(w * spatial_scale, least), max(h * spatial_scale, least)
        grid_h, grid_w = (
            sampling_ratio
            if sampling_ratio > 0
            else math.ceil(max(kind(side) * kind(spatial_scale), kind(least)) / kind(bins))
            for side, bins in ((h, PH), (w, PW))
        )
        radians = (math.radians(turn) if angle == "degrees" else turn) * (-1 if clockwise else 1)
        cosine, sine = math.cos(radians), math.sin(radians)
        for p, q in np.ndindex(PH, PW):
            points = []
            for i, j in np.ndindex(grid_h, grid_w):
                u = -width / 2 + (q + (j + 0.5) / grid_w) * width / PW
                v = -height / 2 + (p + (i + 0.5) / grid_h) * height / PH
                points.append((-u * sine + v * cosine + cy, u * cosine + v * sine + cx))
            inside = [
                all(-1 <= at <= size for at, size in zip(one, maps.shape[2:], strict=True))
                for one in points
            ]
            for c in range(maps.shape[1]):
                read = [bilinear(maps[int(image), c], y, x) for y, x in points]
                crops[k, c, p, q] = of_bin(read, inside)
    return crops


def largest(values, inside):
    """Return the largest sample, of which one out of range is 0."""
    return max(values, default=0)


def largest_inside(values, inside):
    """Return the largest sample in range."""
    return max((value for value, is_in in zip(values, inside, strict=True) if is_in), default=0)


def mean_inside(values, inside):
    """Return the mean of the samples in range."""
    return sum(values) / max(sum(inside), 1)


def fancy_rotated(features, rois, output_size, spatial_scale, sampling_ratio, aligned):
    """Return the same with all samples of a RoI gathered by fancy indexing, for a fixed ratio."""
    _, channels, height, width = features.shape
    PH, PW, ratio = *output_size, sampling_ratio
    crops = np.empty((len(rois), channels, PH, PW), features.dtype)
    for k, (image, cx, cy, w, h, angle) in enumerate(rois.tolist()):
        sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        v = ((np.arange(PH * ratio) + 0.5) / (PH * ratio) - 0.5)[:, None] * (h * spatial_scale)
        u = ((np.arange(PW * ratio) + 0.5) / (PW * ratio) - 0.5)[None, :] * (w * spatial_scale)
        xs = u * cosine + v * sine + cx * spatial_scale - 0.5 * aligned
        ys = -u * sine + v * cosine + cy * spatial_scale - 0.5 * aligned
        seen = (ys >= -1) & (ys <= height) & (xs >= -1) & (xs <= width)
        ys, xs = np.clip(ys, 0, height - 1), np.clip(xs, 0, width - 1)
        top, left = np.floor(ys).astype(int), np.floor(xs).astype(int)
        bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
        dy, dx = (ys - top).astype(features.dtype), (xs - left).astype(features.dtype)
        plane = features[int(image)]
        values = (
            (1 - dy) * (1 - dx) * plane[:, top, left]
            + (1 - dy) * dx * plane[:, top, right]
            + dy * (1 - dx) * plane[:, bottom, left]
            + dy * dx * plane[:, bottom, right]
        ) * seen
        bins = values.reshape(channels, PH, ratio, PW, ratio)
        crops[k] = bins.mean(axis=(2, 4))
    return crops


def volume(features, rois, output_size, scale, axis_weights, **options):
    """Return crops of volumes from the weights that cells have along each of three axes."""
    maps = features.astype(np.float64)
    crops = np.zeros((len(rois), maps.shape[1], *output_size))
    for k, (image, x1, y1, z1, x2, y2, z2) in enumerate(np.asarray(rois, np.float64).tolist()):
        z, y, x = (
            axis_weights(low, high, cells, bins, scale=factor, **options)
            for low, high, cells, bins, factor in zip(
                (z1, y1, x1), (z2, y2, x2), maps.shape[2:], output_size, scale, strict=True
            )
        )
        crops[k] = np.einsum("czyx,pz,qy,rx->cpqr", maps[int(image)], z, y, x)
    return crops


def trilinear(volume, z, y, x):
    """Return the value of a volume (D, H, W) at a position, 0 out of range."""
    last = len(volume) - 1
    if not -1 <= z <= last + 1:
        return 0.0
    z = min(max(z, 0), last)
    lower = math.floor(z)
    upper = min(lower + 1, last)
    near, far = bilinear(volume[lower], y, x), bilinear(volume[upper], y, x)
    return near * (1 - (z - lower)) + far * (z - lower)


def volume_maxima(features, rois, output_size, scale, *, renormalize=False, **options):
    """Return the largest sample of each bin of volumes."""
    maps = features.astype(np.float64)
    crops = np.zeros((len(rois), maps.shape[1], *output_size))
    for k, (image, x1, y1, z1, x2, y2, z2) in enumerate(np.asarray(rois, np.float64).tolist()):
        axes = [
            samples(low, high, cells, bins, factor, **options)
            for low, high, cells, bins, factor in zip(
                (z1, y1, x1), (z2, y2, x2), maps.shape[2:], output_size, scale, strict=True
            )
        ]
        for c, *place in np.ndindex(crops.shape[1:]):
            points = list(product(*(axis[p] for axis, p in zip(axes, place, strict=True))))
            if renormalize:
                sizes = maps.shape[2:]
                points = [
                    one
                    for one in points
                    if all(-1 <= at <= size for at, size in zip(one, sizes, strict=True))
                ]
            read = [trilinear(maps[int(image), c], *one) for one in points]
            crops[(k, c, *place)] = max(read, default=0)
    return crops


def fancy_volume(features, rois, output_size, spatial_scale, sampling_ratio):
    """Return RoIAlign of volumes with all samples gathered by fancy indexing, not aligned."""
    crops = np.empty((len(rois), features.shape[1], *output_size), features.dtype)
    for k, (image, x1, y1, z1, x2, y2, z2) in enumerate(rois.tolist()):
        axes = []
        for axis, (low, high) in enumerate(((z1, z2), (y1, y2), (x1, x2))):
            count, size = output_size[axis] * sampling_ratio, features.shape[2 + axis]
            start, extent = low * spatial_scale, max((high - low) * spatial_scale, 1)
            at = start + (np.arange(count) + 0.5) * extent / count
            seen, at = (at >= -1) & (at <= size), np.clip(at, 0, size - 1)
            cell, shape = np.floor(at).astype(int), [1, 1, 1]
            shape[axis] = count
            share = (at - cell).astype(features.dtype)
            both = ((cell, (1 - share) * seen), (np.minimum(cell + 1, size - 1), share * seen))
            axes.append([(c.reshape(shape), w.reshape(shape)) for c, w in both])
        values = 0
        for (z, a), (y, b), (x, c) in product(*axes):
            values = values + (a * b * c) * features[int(image)][:, z, y, x]
        PD, PH, PW, n = *output_size, sampling_ratio
        crops[k] = values.reshape(-1, PD, n, PH, n, PW, n).mean(axis=(2, 4, 6))
    return crops
