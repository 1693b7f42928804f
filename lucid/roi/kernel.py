"""One map and a geometry to crops, and back: matrix products on the touched windows.

A map is worked on with its channels last, as (h, w * C): there the rows of a window are a strided
view, and each of its two weightings is one matrix product that needs no copy. A RoI is always
weighted on its own and in the same way, so its crop has the same bits whatever its neighbours are.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lucid.roi.geometry import Axis, Geometry, Weights

Array = NDArray[Any]
Windows = Callable[[int, int, int, int], Array]


@np.errstate(over="raise", invalid="ignore")
def pool(
    features: Array,
    geometry: Geometry,
    crops: Array,
    rows: NDArray[np.intp],
    dtype: DTypeLike,
    origin: tuple[int, int] = (0, 0),
) -> None:
    """Write the crops of one map's RoIs into `crops[rows]`.

    `features` (C, h, w) is the map, or the part of it that begins at cell `origin` and holds all
    windows; `dtype` is the one to weight in.

    Raises
    ------
    FloatingPointError
        If `crops` are of a dtype that cannot hold a value.
    """
    windows = _windows(features, geometry, dtype, origin)
    for part in geometry.parts():
        some = geometry[part]
        across, along = some.rows.weights(dtype), some.cols.weights(dtype)
        for k, (y, height, x, width) in enumerate(_boxes(some)):
            crop = crops[rows[part.start + k]]
            if not height * width:
                crop[...] = 0
                continue
            row_weights = _matrix(across, some.rows, k)  # (PH, h)
            col_weights = _matrix(along, some.cols, k)  # (PW, w)
            window = windows(y, height, x, width)  # (h, w*C)
            try:
                bins = _weighted(row_weights, window, col_weights)  # (PH, PW, C)
            except FloatingPointError:
                bins = _at_the_limit(row_weights, window, col_weights)
            crop[...] = bins.transpose(2, 0, 1)


def _weighted(row_weights: Array, window: Array, col_weights: Array) -> Array:
    """Return the bins (PH, PW, C) of a window (h, w * C)."""
    if len(row_weights) == 1 or window.shape[1] == 1:
        # A product with a vector is summed in an order that depends on strides, which differ
        # between a window of its own and a part of a larger copy.
        window = np.ascontiguousarray(window)
    width = col_weights.shape[1]
    lines = row_weights @ window  # (PH, w*C)
    bins: Array = col_weights @ lines.reshape(len(lines), width, window.shape[1] // width)
    return bins


def _at_the_limit(row_weights: Array, window: Array, col_weights: Array) -> Array:
    """Return the bins of a window with values so large that rounding carried a mean over them."""
    half = np.finfo(window.dtype).max / 2
    bins = _weighted(row_weights, window / 2, col_weights)
    return np.where(np.isfinite(bins), np.clip(bins, -half, half), bins) * 2


def pool_adjoint(gradient: Array, geometry: Geometry, features: Array, dtype: DTypeLike) -> None:
    """Add to `features` (C, H, W) what the crops' gradient (K, C, PH, PW) says about them."""
    channels = len(features)
    rows, cols = geometry.bounds()
    total = np.zeros((rows.stop - rows.start, (cols.stop - cols.start) * channels), dtype)
    for part in geometry.parts():
        some = geometry[part]
        across, along = some.rows.weights(dtype), some.cols.weights(dtype)
        for k, (y, height, x, width) in enumerate(_boxes(some)):
            if not height * width:
                continue
            bins = _last(gradient[part.start + k], dtype)  # (PH, PW, C)
            lines = _matrix(along, some.cols, k).T @ bins  # (PH, w, C)
            window = _window(total, y - rows.start, height, x - cols.start, width, channels)
            window += _matrix(across, some.rows, k).T @ lines.reshape(len(bins), width * channels)
    touched = features[:, rows, cols]
    touched += total.reshape(*touched.shape[1:], channels).transpose(2, 0, 1)


def box_gradient(
    gradient: Array, features: Array, geometry: Geometry, dtype: DTypeLike
) -> NDArray[np.float64]:
    """Return what the crops' gradient says about x1, y1, x2, y2 of each box, (K, 4)."""
    result = np.zeros((len(geometry), 4))
    windows = _windows(features, geometry, dtype, (0, 0))
    for part in geometry.parts():
        some = geometry[part]
        across, along = some.rows.weights(dtype), some.cols.weights(dtype)
        slopes = some.cols.slopes(dtype) + some.rows.slopes(dtype)  # x1, x2, y1, y2
        for k, (y, height, x, width) in enumerate(_boxes(some)):
            if not height * width:
                continue
            bins = _last(gradient[part.start + k], dtype)  # (PH, PW, C)
            window = windows(y, height, x, width)  # (h, w*C)
            by_row = _by_row(bins, window, _matrix(along, some.cols, k))  # (PH, h)
            by_col = _by_col(bins, window, _matrix(across, some.rows, k), width)  # (PW, w)
            result[part.start + k, [0, 2, 1, 3]] = [
                np.vdot(_matrix(slope, axis, k), by)
                for slope, axis, by in zip(
                    slopes,
                    (some.cols, some.cols, some.rows, some.rows),
                    (by_col, by_col, by_row, by_row),
                    strict=True,
                )
            ]
    return result


def _by_row(bins: Array, window: Array, col_weights: Array) -> Array:
    """Return the gradient of the row weights, (PH, h)."""
    height, width, channels = len(window), col_weights.shape[1], bins.shape[2]
    columns = col_weights @ window.reshape(height, width, channels)  # (h, PW, C)
    across = bins.shape[1] * channels
    by_row: Array = bins.reshape(len(bins), across) @ columns.reshape(height, across).T
    return by_row


def _by_col(bins: Array, window: Array, row_weights: Array, width: int) -> Array:
    """Return the gradient of the column weights, (PW, w)."""
    pooled_height, _, channels = bins.shape
    lines = (row_weights @ window).reshape(pooled_height, width, channels)  # (PH, w, C)
    by_line = bins @ lines.transpose(0, 2, 1)  # (PH, PW, w)
    by_col: Array = by_line.sum(axis=0)
    return by_col


def _windows(
    features: Array, geometry: Geometry, dtype: DTypeLike, origin: tuple[int, int]
) -> Windows:
    """Return a function from a window (y, height, x, width) to its values, (height, width * C).

    One channels-last copy of all that is touched serves every RoI, unless the windows together
    are smaller than it: then each is copied by itself.
    """
    channels = len(features)
    rows, cols = geometry.bounds()
    top, left = origin

    def alone(y: int, height: int, x: int, width: int) -> Array:
        y, x = y - top, x - left
        window = _last(features[:, y : y + height, x : x + width], dtype)
        return window.reshape(height, width * channels)

    if geometry.touched().sum() <= (rows.stop - rows.start) * (cols.stop - cols.start):
        return alone
    copy = alone(rows.start, rows.stop - rows.start, cols.start, cols.stop - cols.start)

    def view(y: int, height: int, x: int, width: int) -> Array:
        return _window(copy, y - rows.start, height, x - cols.start, width, channels)

    return view


def _window(flat: Array, y: int, height: int, x: int, width: int, channels: int) -> Array:
    """Return a window of a map (h, w * C) as a view (height, width * C)."""
    return flat[y : y + height, x * channels : (x + width) * channels]


def _last(features: Array, dtype: DTypeLike) -> Array:
    """Return (C, h, w) as a contiguous (h, w, C) of `dtype`."""
    return np.ascontiguousarray(features.transpose(1, 2, 0), dtype=dtype)


def _boxes(geometry: Geometry) -> Iterator[tuple[int, int, int, int]]:
    """Yield each RoI's window as y, height, x, width, in Python ints."""
    rows, cols = geometry.rows, geometry.cols
    columns = (rows.first, rows.count, cols.first, cols.count)
    return zip(*(column.tolist() for column in columns), strict=True)


def _matrix(weights: Weights, axis: Axis, k: int) -> Array:
    """Return the (pooled, count) matrix of RoI k."""
    begin, count = weights.offset[k], axis.count[k]
    return weights.flat[begin : begin + axis.pooled * count].reshape(axis.pooled, count)
