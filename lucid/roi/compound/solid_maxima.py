"""The largest samples in volumes, and their gradient.

A gradient goes to the sample that won. One out of range is 0 and takes part, unless it is said
not to; of equal ones the first wins, plane by plane and row by row.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.engines import PlacedRois, WorkingBytes
from lucid.roi.geometry import Geometry
from lucid.roi.operators import RoiAlign, VolumeMax
from lucid.roi.solid_samples import READ_BYTES, Line, Solid
from lucid.roi.types import Array, Floats, Ints
from lucid.roi.workers import Workers

Place = tuple[Ints, ...]  # of samples, along each axis


class Bin(NamedTuple):
    """A bin that has samples in range."""

    place: tuple[int, ...]
    samples: tuple[slice, ...]
    takes_zeros: bool  # whether one that is out of range takes part


class SolidMaxima:
    """An engine for maxima in volumes; crops are made by a part of each engine."""

    def __init__(self, engine: Any) -> None:
        self._pool = engine.solid_maxima.pool

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows."""
        self._pool(solids(rois), crops, workers)

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of features to all of the only region."""
        total = rois.regions[0].features
        total[...] = 0
        region = rois.regions[0]._replace(features=cast(Array, rois.values))
        for row, solid in solids(rois._replace(regions=[region])):
            for won in winners(solid, gradient[row]):
                _add_cells(total, solid, *won)

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of boxes, (K, 6)."""
        result = np.zeros((len(rois.rows), 6))
        with np.errstate(invalid="ignore"):
            for k, (row, solid) in enumerate(solids(rois)):
                for won in winners(solid, gradient[row]):
                    result[k] += _slopes(solid, *won)
        result[np.isnan(result)] = np.nan  # one of them
        return result

    def working_bytes(
        self, operator: VolumeMax, channels: int, size: tuple[int, int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a part of a map."""
        deep, *flat = size
        most, _ = operator.depth.most_taps((deep, deep))
        samples = most * math.prod(operator.plane.most_taps((flat[0], flat[1])))
        held = max(READ_BYTES, samples * np.dtype(dtype).itemsize)
        return WorkingBytes(
            region=4 * held, weights=16 * channels * math.prod(operator.output_size)
        )


def solids(rois: PlacedRois) -> Iterator[tuple[int, Solid]]:
    """Yield RoIs with their rows."""
    operator, first = cast(VolumeMax, rois.geometry.operator), 0
    for region in rois.regions:
        geometry = rois.geometry[first : first + region.rois]
        origin = region.origin if len(region.origin) == 3 else (0, 0, 0)
        for k, lines in enumerate(_lines(operator, geometry, origin)):
            solid = Solid(region.features, lines, operator.renormalize, rois.dtype)
            yield int(rois.rows[first + k]), solid
        first += region.rois


def _lines(
    operator: VolumeMax, geometry: Geometry, origin: tuple[int, ...]
) -> Iterator[tuple[Line, Line, Line]]:
    """Yield the samples of each RoI along the depth, the height and the width."""
    deep, flat = operator.parts(geometry)
    z = _along(cast(RoiAlign, operator.depth), deep, origin[:1] * 2)
    yx = _along(cast(RoiAlign, operator.plane), flat, origin[1:])
    K = len(geometry)
    yield from zip(z[:K], yx[:K], yx[K:], strict=True)


def _along(operator: RoiAlign, geometry: Geometry, origin: Sequence[int]) -> list[Line]:
    """Return the samples of RoIs along both axes, the first of all RoIs first."""
    samples = operator.samples(geometry)
    taps = operator.taps_of(geometry, samples._replace(per_bin=np.ones(len(samples.line))), True)
    number = (samples.bins_from_start - samples.bin) * samples.per_bin
    cells = np.array([taps.cell, np.minimum(taps.cell + 1, samples.last)])
    cells -= np.repeat(origin, len(geometry))[samples.line]
    gains = np.array([slope[1] for slope in taps.slopes])
    per_bin = geometry.windows.notes[3].ravel().tolist()
    ends = np.searchsorted(samples.line, np.arange(len(per_bin) + 1)).tolist()
    return [
        Line(
            cells=cells[:, some],
            weights=taps.weights[:, some],
            gains=gains[:, some],
            bin=samples.bin[some],
            number=np.floor(number[some]).astype(np.int64),
            per_bin=each,
        )
        for each, some in zip(per_bin, map(slice, ends, ends[1:]), strict=False)
    ]


def winners(solid: Solid, gradient: Array) -> Iterator[tuple[Ints, Place, Floats]]:
    """Yield channels, the samples that have won a bin, and the gradient (C,) of that."""
    for channels in solid.channels() if solid.is_read else ():
        values, own = solid.read(channels), gradient[channels].astype(np.float64)
        for one in _bins(solid):
            won, at = _won(solid, values, one)
            key: Any = won, *one.place
            yield won + channels.start, at, own[key]


def _bins(solid: Solid) -> Iterator[Bin]:
    """Yield bins that have samples."""
    runs = [np.transpose(line.runs()).tolist() for line in solid.lines]
    for place, takes_zeros in np.ndenumerate(solid.takes_zeros()):
        own = [run[at] for run, at in zip(runs, place, strict=True)]
        samples = tuple(slice(first, first + count) for _, first, count in own)
        yield Bin(tuple(number for number, _, _ in own), samples, bool(takes_zeros))


def _gap(solid: Solid, samples: tuple[slice, ...]) -> int:
    """Return how many samples of a bin are before the first that is out of range."""
    each = [
        (line.number[some], line.per_bin) for line, some in zip(solid.lines, samples, strict=True)
    ]
    if any(number[0] for number, _ in each):
        return 0
    before = 1
    for number, per_bin in each[::-1]:
        if len(number) < per_bin:
            return before * len(number)
        before *= per_bin
    return before


def _won(solid: Solid, values: Array, one: Bin) -> tuple[Ints, Place]:
    """Return the channels in which a sample in range has won a bin, and these samples."""
    key: Any = slice(None), *one.samples
    block = values[key].reshape(len(values), -1)
    which = block.argmax(axis=1)
    best = block[np.arange(len(block)), which]
    with np.errstate(invalid="ignore"):
        is_zero = (best < 0) | ((best == 0) & (which >= _gap(solid, one.samples)))
    won = np.flatnonzero(~(is_zero & one.takes_zeros))
    at = np.unravel_index(which[won], values[key].shape[1:])
    return won, tuple(each + some.start for each, some in zip(at, one.samples, strict=True))


def _corners(solid: Solid, at: Place) -> Iterator[tuple[Place, list[Floats], tuple[int, ...]]]:
    """Yield the cells that samples read, one after the other, and their weights by axis."""
    for corner in np.ndindex(2, 2, 2):
        pairs = list(zip(solid.lines, corner, at, strict=True))
        cells = tuple(line.cells[end, one] for line, end, one in pairs)
        yield cells, [line.weights[end, one] for line, end, one in pairs], corner


def _add_cells(total: Array, solid: Solid, channels: Ints, at: Place, own: Floats) -> None:
    """Add the gradient of samples to the cells that they read."""
    for cells, (z, y, x), _ in _corners(solid, at):
        np.add.at(total, (channels, *cells), (z * y * x * own).astype(total.dtype))


def _slopes(solid: Solid, channels: Ints, at: Place, own: Floats) -> Floats:
    """Return the gradient of a box, x1, y1, z1, x2, y2, z2, from that of samples."""
    result = np.zeros((2, 3))
    for cells, weights, corner in _corners(solid, at):
        values = solid.features[(channels, *cells)].astype(np.float64) * own
        for axis, (line, end) in enumerate(zip(solid.lines, corner, strict=True)):
            others = np.prod([one for k, one in enumerate(weights) if k != axis], axis=0)
            rise = (values * others * (1 if end else -1))[None] * line.gains[:, at[axis]]
            result[:, 2 - axis] += rise.sum(axis=1)
    return result.ravel()
