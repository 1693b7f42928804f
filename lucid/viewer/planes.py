"""What of a map's channels is drawn: a plane of numbers, or three of them as colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from lucid.errors import ShapeError
from lucid.stream.read.maps import Features
from lucid.stream.types import Array

Floats = NDArray[np.float64]
Reduction = Callable[[Array], Floats]  # (C, h, w) to (h, w), or (h, w, 3)

SAMPLE_CELLS = 32 * 32  # of a map, from which principal components are found


def reduction_of(
    show: str | int, features: Features, images: Iterable[int], room: int
) -> Reduction:
    """Return what makes planes of maps and crops alike.

    Parameters
    ----------
    show : str or int
        'mean', 'norm', 'pca' or the number of a channel.
    features : Features
        The maps.
    images : iterable of int
        Those that are drawn, from which principal components are found.
    room : int
        Bytes that may be read at once.

    Raises
    ------
    ShapeError
        If there is no such channel.
    """
    if isinstance(show, int) and show >= features.channels:
        raise ShapeError(
            f"{features.name} has {features.channels} channels, from 0, and no channel {show}"
        )
    if isinstance(show, int):
        return lambda values: values[show].astype(np.float64)
    if show == "norm":
        return lambda values: np.sqrt(np.square(values, dtype=np.float64).sum(axis=0))
    if show == "mean":
        return lambda values: values.mean(axis=0, dtype=np.float64)
    return _principal(_cells(features, images, room), features.channels)


def _principal(cells: Iterable[Floats], channels: int) -> Reduction:
    """Return the projection on the first three principal components of cells (n, C)."""
    count, total, square = 0, np.zeros(channels), np.zeros((channels, channels))
    for some in cells:
        count, total, square = count + len(some), total + some.sum(axis=0), square + some.T @ some
    mean = total / max(count, 1)
    _, vectors = np.linalg.eigh(square / max(count, 1) - np.outer(mean, mean))
    axes = np.zeros((channels, 3))
    axes[:, : min(channels, 3)] = vectors[:, ::-1][:, :3]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(3)])  # not of either sign
    return lambda values: np.tensordot(values.astype(np.float64), axes, (0, 0)) - mean @ axes


def _cells(features: Features, images: Iterable[int], room: int) -> Iterator[Floats]:
    """Yield some cells of each map (n, C) whose values are all finite."""
    for image in images:
        height, width = size_of(features, image)
        step = max(int(np.sqrt(height * width / SAMPLE_CELLS)), 1)
        for part in _bands(features, image, step, room):
            cells = part.reshape(features.channels, -1).T.astype(np.float64)
            yield cells[np.isfinite(cells).all(axis=1)]


def plane_of(
    features: Features, image: int, reduction: Reduction, most: int, room: int
) -> tuple[Floats, int]:
    """Return the plane of a map, and how many cells apart its values are on each axis.

    A map of more than `most` cells is read decimated, in bands of at most `room` bytes.
    """
    height, width = size_of(features, image)
    step = max(int(np.ceil(np.sqrt(height * width / most))), 1)
    return np.concatenate([*map(reduction, _bands(features, image, step, room))]), step


def _bands(features: Features, image: int, step: int, room: int) -> Iterator[Array]:
    """Yield every step-th row and column of a map from top to bottom, (C, h, w)."""
    height, width = size_of(features, image)
    row_bytes = features.channels * width * max(features.cell_bytes, 8)
    if row_bytes * step > room:  # single rows, of those that are drawn
        for row in range(0, height, step):
            yield features.read(image, (slice(row, row + 1), slice(0, width)))[:, :, ::step]
        return
    rows = max(room // row_bytes // step, 1) * step
    for start in range(0, height, rows):
        band = slice(start, min(start + rows, height))
        yield features.read(image, (band, slice(0, width)))[:, ::step, ::step]


def size_of(features: Features, image: int) -> tuple[int, int]:
    """Return height and width of a map."""
    height, width = features.sizes[min(image, len(features.sizes) - 1)].tolist()
    return height, width
