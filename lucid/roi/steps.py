"""The arrays that RoIs pass through on their way to crops, and views of them for each product."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.roi.weights import Group
from lucid.roi.workers import Workspace

Array = NDArray[Any]

APART = 16  # values between rows of bins: rows a power of two apart share places of the cache


class Steps(NamedTuple):
    """Arrays of G RoIs with n rows and w columns of C channels, in R bands of M bins.

    They lie in memory of a thread, which the next RoIs overwrite.
    """

    patch: Array  # (G, n, w, C); of nothing if it is not asked for
    bands: Array  # (G, R, L, w * C), of the patch
    weighted: Array  # (G, R, M, w * C)
    lines: Array  # (G, PH, w, C), of these: without bins that fill up the last band
    columns: Array  # (G, PH, R, L, C), of the lines
    bins: Array  # (G, PH, R, M, C)
    crops: Array  # (G, C, PH, PW), of the bins


def steps_of(
    group: Group, channels: int, dtype: np.dtype[Any], space: Workspace, patch: bool
) -> Steps:
    """Return the arrays for a group: the last ones, if that was of the same shape."""
    rows, cols = group.rows, group.cols
    shapes = rows.weights.shape, cols.weights.shape, rows.cells.shape, cols.cells.shape
    key = *shapes, rows.step, cols.step, channels, dtype, patch
    if space.last[0] != key:
        space.last = None, None  # so that nothing holds arrays that are too small
        space.last = key, _made(group, channels, dtype, space, patch)
    steps: Steps = space.last[1]
    return steps


def _made(group: Group, C: int, dtype: np.dtype[Any], space: Workspace, patch: bool) -> Steps:
    (G, R, M, L), n, step = group.rows.weights.shape, group.rows.cells.shape[1], group.rows.step
    (_, across, bins, wide), w = group.cols.weights.shape, group.cols.cells.shape[1]
    (PH, PW), row, apart = group.pooled, w * C, C + APART
    line, square, width = R * M * row, PH * PW * apart, PW * apart
    listed = n * patch
    sizes = {"patch": G * listed * row, "lines": G * line, "bins": G * square}
    held = {name: space.array(name, (size,), dtype) for name, size in sizes.items()}

    def view(name: str, shape: tuple[int, ...], *strides: int) -> Array:
        return np.ndarray(
            shape, dtype, held[name], 0, [dtype.itemsize * stride for stride in strides]
        )

    return Steps(
        view("patch", (G, listed, w, C), n * row, row, C, 1),
        view("patch", (G, R * patch, L, row), n * row, step * row, row, 1),
        view("lines", (G, R, M, row), line, M * row, row, 1),
        view("lines", (G, PH, w, C), line, row, C, 1),
        view("lines", (G, PH, across, wide, C), line, row, group.cols.step * C, C, 1),
        view("bins", (G, PH, across, bins, C), square, width, bins * apart, apart, 1),
        view("bins", (G, C, PH, PW), square, 1, width, apart),
    )
