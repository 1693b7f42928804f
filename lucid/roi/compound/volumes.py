"""Crops of volumes: RoIs on the planes that they touch, added up along the depth.

A RoI on C channels of D planes is as many RoIs as it touches planes, which any engine for weights
crops like those of as many images. These crops are staged, and weighted by what the bins of the
RoI read along the depth.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.compound.slices import Slices, slices_of
from lucid.roi.engines import Engine, PlacedRois, Region, WorkingBytes
from lucid.roi.geometry import Geometry
from lucid.roi.operators import RoiAlign3D
from lucid.roi.types import Array, Floats, Indices
from lucid.roi.workers import Workers

STAGED_BYTES = 32 << 20  # of crops of planes at once, or those of a RoI
COPIED_BYTES = 32 << 20  # of planes at once, or of one


class Volume(NamedTuple):
    """Some RoIs of one region (C, D, H, W), and their slices."""

    region: Region
    flat: Geometry  # on planes
    slices: Slices
    rows: Indices  # (K,) among the crops
    dtype: np.dtype[Any]

    @property
    def slice_bytes(self) -> int:
        """The size of the crop of a slice."""
        bins = int(np.prod(self.flat.pooled))
        return len(self.region.features) * bins * self.dtype.itemsize

    def part(self, some: slice) -> "Volume":
        """Return some of the RoIs."""
        flat, rows = self.flat[some], self.rows[some]
        return self._replace(flat=flat, rows=rows, slices=self.slices.of_rois(some))

    def on_planes(self) -> Iterator[PlacedRois]:
        """Yield slices on planes, as many of these as are copied at once."""
        plane_bytes = self.region.features[:, 0].size * self.dtype.itemsize
        step = max(COPIED_BYTES // max(plane_bytes, 1), 1)
        planes = list(self.slices.by_plane())
        for first in range(0, len(planes), step):
            yield self.on(planes[first : first + step])

    def on(self, planes: list[tuple[int, Indices]]) -> PlacedRois:
        """Return the slices on some planes; their rows are their numbers."""
        features, _, (top, *corner) = self.region
        regions = [Region(features[:, at - top], len(some), tuple(corner)) for at, some in planes]
        numbers = np.concatenate([some for _, some in planes])
        return PlacedRois(regions, self.flat[self.slices.roi[numbers]], numbers, self.dtype)

    def gradient_of(self, gradient: Array, numbers: Indices) -> Array:
        """Return the gradient of the crops of some slices from that of the RoIs' crops."""
        found = np.zeros((len(numbers), gradient.shape[1], *gradient.shape[3:]), self.dtype)
        weights, rows = self.slices.weights[numbers].astype(self.dtype), self.rows[self.slices.roi]
        for at, p in np.argwhere(weights).tolist():
            found[at] += gradient[rows[numbers[at]], :, p] * weights[at, p]
        return found


def volume_of(rois: PlacedRois, number: int, first: int) -> Volume:
    """Return the RoIs of a region, of which the first has a number among all."""
    region = rois.regions[number]
    geometry = rois.geometry[first : first + region.rois]
    depth, flat = cast(RoiAlign3D, geometry.operator).parts(geometry)
    rows = rois.rows[first : first + region.rois]
    if len(region.origin) < 3:  # none was said
        region = region._replace(origin=(0, 0, 0))
    return Volume(region, flat, slices_of(depth, geometry.touched()), rows, rois.dtype)


def volumes(rois: PlacedRois) -> Iterator[tuple[slice, Volume]]:
    """Yield RoIs of a region, as many as are staged at once, and which of all they are."""
    first = 0
    for number, region in enumerate(rois.regions):
        whole = volume_of(rois, number, first)
        most = max(STAGED_BYTES // max(whole.slice_bytes, 1), 1)
        for some in whole.slices.cut(region.rois, most):
            yield slice(first + some.start, first + some.stop), whole.part(some)
        first += region.rois


class Volumes:
    """An engine for volumes, made of one for weights."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pool(self, rois: PlacedRois, crops: Array, workers: Workers[Any]) -> None:
        """Write crops into their rows; see `lucid.roi.engines.Engine`."""
        for _, volume in volumes(rois):
            staged = self._staged(volume, workers)
            write = partial(_write_crop, volume, staged, crops)
            workers.each(write, range(len(volume.rows)))

    def _staged(self, volume: Volume, workers: Workers[Any]) -> Array:
        """Return the crops of slices, (P, C, PH, PW)."""
        shape = len(volume.slices.roi), len(volume.region.features), *volume.flat.pooled
        staged = np.empty(shape, volume.dtype)
        for placed in volume.on_planes():
            self._engine.pool(placed, staged, workers)
        return staged

    def pool_adjoint(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> None:
        """Write the gradient of the only region; see `lucid.roi.engines.Engine`."""
        volume = volume_of(rois, 0, 0)
        features = volume.region.features
        features[:, np.setdiff1d(np.arange(features.shape[1]), volume.slices.plane)] = 0
        for plane, numbers in volume.slices.by_plane():
            own = volume.gradient_of(gradient, numbers)
            placed = volume.on([(plane, numbers)])._replace(rows=np.arange(len(numbers)))
            self._engine.pool_adjoint(placed, own, workers)

    def box_gradient(self, rois: PlacedRois, gradient: Array, workers: Workers[Any]) -> Floats:
        """Return the gradient of boxes, (K, 6); see `lucid.roi.engines.Engine`."""
        result = np.zeros((len(rois.rows), 6))
        for some, volume in volumes(rois):
            flat = np.zeros((len(volume.slices.roi), 4))
            own = volume.gradient_of(gradient, np.arange(len(flat)))
            for placed in volume.on_planes():
                flat[placed.rows] = self._engine.box_gradient(placed, own, workers)
            deep = _depth_gradient(volume, self._staged(volume, workers), gradient)
            x1, y1, x2, y2 = flat.T
            for column, values in enumerate((x1, y1, deep[0], x2, y2, deep[1])):
                owner = volume.slices.roi
                result[some, column] = np.bincount(owner, values, len(volume.rows))
        return result

    def working_bytes(
        self, operator: RoiAlign3D, channels: int, size: tuple[int, int, int], dtype: DTypeLike
    ) -> WorkingBytes:
        """Return what is held for RoIs on a part of a map; see `lucid.roi.engines.Engine`."""
        deep, *flat = size
        own = self._engine.working_bytes(operator.plane, channels, (flat[0], flat[1]), dtype)
        crop = channels * int(np.prod(operator.plane.output_size)) * np.dtype(dtype).itemsize
        planes = min(deep, 1 + COPIED_BYTES // max(own.region, 1))
        staged = max(STAGED_BYTES, 2 * crop * (deep + operator.output_size[0]))
        return WorkingBytes(region=planes * own.region, weights=own.weights + staged)


def _write_crop(volume: Volume, staged: Array, crops: Array, _: Any, k: int) -> None:
    """Write the crop of a RoI; a mean of the largest values is not rounded over them."""
    crop = _added_up(volume, staged, crops.shape[2], k)
    if not np.isfinite(crop).all():
        half = _added_up(volume, staged, crops.shape[2], k, 0.5)
        most = np.finfo(crop.dtype).max / 2
        crop = np.where(np.isfinite(half), 2 * np.clip(half, -most, most), half)
    with np.errstate(over="raise", invalid="ignore"):  # of the thread that it runs on
        crops[volume.rows[k]] = crop.transpose(1, 0, 2, 3)


def _added_up(volume: Volume, staged: Array, bins: int, k: int, factor: float = 1) -> Array:
    """Return the crop of a RoI, (PD, C, PH, PW), times a factor."""
    first, end = np.searchsorted(volume.slices.roi, [k, k + 1]).tolist()
    crop = np.zeros((bins, *staged.shape[1:]), staged.dtype)
    weights = (volume.slices.weights[first:end] * factor).astype(staged.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for number, p in np.argwhere(weights).tolist():
            crop[p] += staged[first + number] * weights[number, p]
    return crop


def _depth_gradient(volume: Volume, staged: Array, gradient: Array) -> Floats:
    """Return what slices bring to the gradient of z1 and of z2, (2, P)."""
    slices, result = volume.slices, np.zeros((2, len(staged)))
    for number, p in np.argwhere(slices.slopes.any(axis=0)).tolist():
        own = gradient[volume.rows[slices.roi[number]], :, p]
        dot = np.multiply(own, staged[number], dtype=np.float64).sum()
        result[:, number] += slices.slopes[:, number, p] * dot
    return result
