"""From a bound on memory to the pieces of a run: which images, which RoIs, which part of a map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import MemoryLimitError
from lucid.roi.geometry import Geometry, Part, lay_out
from lucid.roi.operator import Operator, compute_dtype
from lucid.roi.threads import cores
from lucid.stream.boxes import RoiSource
from lucid.stream.features import Features
from lucid.stream.tables import KEPT_BYTES, PIECE, PIECE_BYTES, Survey, pending

Window = tuple[slice, slice]  # rows and columns

WORK_BYTES = 24 << 20  # weights while they are laid out, and what HDF5 holds for itself
MOST_CROPS = 64 << 20  # bytes of crops held at once: more would not be faster
# Bytes read and written from which on processes are worth their start; one writes while it reads,
# so that others help it sooner where maps have to be unpacked.
LARGE, LARGE_PACKED = 2 << 30, 512 << 20
TOGETHER = 16 << 20  # bytes of small maps that are worked on together
SEEK_BYTES = 16 << 10  # going elsewhere in a channel costs about as much as reading these


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, before it is known in which pieces."""

    features: Features
    rois: RoiSource
    operator: Operator
    dtype: np.dtype[Any]  # of the crops

    @property
    def crops_shape(self) -> tuple[int, int, int, int]:
        """The shape of the result."""
        return (self.rois.rois, self.features.channels, *self.operator.output_size)

    @property
    def crop_bytes(self) -> int:
        """The size of one crop."""
        return math.prod(self.crops_shape[1:]) * self.dtype.itemsize

    def lay_out(self, boxes: NDArray[np.float64], images: int | NDArray[np.int64]) -> Geometry:
        """Return the geometry of boxes on the map of an image, or each on that of its own."""
        sizes = self.features.sizes
        sizes = sizes[np.minimum(images, len(sizes) - 1)].T
        return lay_out(boxes, self.operator, sizes, compute_dtype(self.features.dtype))


class _Edges(NamedTuple):
    """A region of a map, ends exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """The number of cells."""
        return (self.bottom - self.top) * (self.right - self.left)

    def joined(self, other: _Edges) -> _Edges:
        """Return the smallest region that holds both."""
        return _Edges(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The pieces of a run. Nothing here depends on a pixel, and no crop depends on it."""

    job: Job
    survey: Survey
    selected: int  # RoIs selected from the table at once
    crops: int  # crops made at once, while as many are written
    region: int  # bytes that a part of a map may take, with what is made of it
    together: int  # bytes that several may take together
    images: int  # images read at once: more than one where blocks of the file hold more
    memory: int  # bytes that a process may hold
    jobs: int = 1  # processes

    def groups(self, among: range | None = None) -> Iterator[range]:
        """Yield ranges of images, all or those of a range, whose RoIs are selected together."""
        images = np.flatnonzero(self.survey.counts)
        if among is not None:
            images = images[(images >= among.start) & (images < among.stop)]
        until = np.cumsum(self.survey.counts[images])
        begin = 0
        while begin < len(images):
            before = until[begin - 1] if begin else 0
            end = int(np.searchsorted(until, before + self.selected, side="right"))
            end = max(end, begin + 1)
            yield range(int(images[begin]), int(images[end - 1]) + 1)
            begin = end

    def in_one_block(self, first: int, image: int) -> bool:
        """Return whether two images can be held at once although their block is, too."""
        return self.images == 1 or first // self.images == image // self.images

    def regions(self, geometry: Geometry) -> Iterator[tuple[Part, Window]]:
        """Yield RoIs of one image whose windows are read together, and the window of them all."""
        every, (rows, cols) = slice(None), geometry.bounds()
        if self.images > 1 or self.job.features.forwards or len(geometry) == 1:
            yield every, (rows, cols)
            return
        whole = _Edges(rows.start, rows.stop, cols.start, cols.stop)
        alone = int(geometry.touched().sum()), len(geometry)
        if self._fits(whole) and self._is_cheaper(whole, *alone):
            yield every, (rows, cols)
        else:
            for some in self._strips(geometry):
                yield some, geometry[some].bounds()

    def _strips(self, geometry: Geometry) -> Iterator[NDArray[np.intp]]:
        """Go over the map in bands and take RoIs together while that is cheaper and fits."""
        (top, left), (bottom, right) = geometry.first, geometry.first + geometry.count
        edges = np.stack([top, bottom, left, right], axis=1)
        band = max(int(np.median(geometry.count[0])), 1)
        order = np.lexsort((left, top // band))
        begin, held = 0, _Edges(0, 0, 0, 0)
        for end, k in enumerate(order.tolist()):
            alone = _Edges(*edges[k].tolist())
            both = held.joined(alone)
            apart = held.area + alone.area
            if end > begin and self._fits(both) and self._is_cheaper(both, apart, 2):
                held = both
            else:
                if end > begin:
                    yield np.sort(order[begin:end])
                begin, held = end, alone
        yield np.sort(order[begin:])

    def _fits(self, edges: _Edges) -> bool:
        size = region_bytes(self.job, edges.bottom - edges.top, edges.right - edges.left)
        return size <= self.region

    def _is_cheaper(self, edges: _Edges, cells: int, reads: int) -> bool:
        """Return whether one read is less work than so many of so many cells in all."""
        features = self.job.features
        if features.blocks is not None:  # each read takes whole blocks
            return True
        item = features.dtype.itemsize
        return edges.area * item + SEEK_BYTES <= cells * item + SEEK_BYTES * reads


def make_plan(job: Job, survey: Survey, memory: int, packing: int = 0, jobs: int = 1) -> Plan:
    """Return how to do a job on `jobs` processes that hold `memory` bytes together.

    `packing` is what its output takes at the end.

    Raises
    ------
    MemoryLimitError
        If that is too little; it says the least that works.
    """
    memory //= jobs
    fixed = fixed_bytes(job)
    free = max(memory - fixed, 0)
    height, width = job.features.shape[2:]
    region = free // 2
    together = min(TOGETHER, region // 2)
    whole = region_bytes(job, height, width)
    if whole <= region or job.features.forwards:
        largest = whole if job.features.forwards else 0
    else:
        largest = _largest_window(job, survey)
    require_memory(fixed + max(2 * largest, 8 * job.crop_bytes, packing), memory, jobs)
    return Plan(
        job,
        survey,
        selected=max(free // 8 // KEPT_BYTES, PIECE),
        crops=max(min(free // 4, MOST_CROPS) // 2 // max(job.crop_bytes, 1), 1),
        region=region,
        # What comes from a pipe goes on as soon as it can.
        together=0 if job.features.forwards else together,
        images=_images_at_once(job, region, together),
        memory=memory,
        jobs=jobs,
    )


def fixed_bytes(job: Job) -> int:
    """Return what a run holds whatever its pieces are."""
    pieces = PIECE_BYTES + KEPT_BYTES * PIECE
    blocks = 2 * (job.features.block_bytes + job.rois.block_bytes)
    return max(WORK_BYTES, _weights_bytes(job)) + pieces + table_bytes(job) + blocks


def table_bytes(job: Job) -> int:
    """Return what is held about all images and RoIs for as long as a run goes on."""
    # Per RoI: whether it is done, in the survey, in the sink and in its journal.
    return job.features.held_bytes + job.rois.held_bytes + 4 * job.rois.rois


def jobs_worth(job: Job, survey: Survey) -> int:
    """Return how many processes are worth their start: one for each core, if work is long."""
    read = maps_bytes(job, survey)
    written = int(survey.counts.sum()) * job.crop_bytes
    large = LARGE if job.features.blocks is None else LARGE_PACKED
    return cores() if read + written >= large else 1


def maps_bytes(job: Job, survey: Survey) -> int:
    """Return the size of the maps that have RoIs to be done."""
    cells = np.broadcast_to(job.features.sizes.prod(axis=1), job.features.images)
    some = int(cells[survey.counts > 0].sum())
    return some * job.features.channels * job.features.dtype.itemsize


def require_memory(least: int, memory: int, jobs: int = 1) -> None:
    """Raise `MemoryLimitError` if each process of a run may hold less than it needs."""
    if memory < least:
        on = f" on {jobs} processes" if jobs > 1 else ""
        raise MemoryLimitError(
            f"memory must be at least {-(-least >> 20) * jobs}M for this job{on}, "
            f"got {memory * jobs / 2**20:.4g}M"
        )


def region_bytes(job: Job, height: int, width: int) -> int:
    """Return what a part of a map takes: as read, as laid out to be weighted, and a RoI's work."""
    channels, pooled_height = job.features.channels, job.operator.output_size[0]
    worked = compute_dtype(job.features.dtype).itemsize * (height + pooled_height) * width
    return channels * (worked + _read_bytes(job.features, height * width))


def _weights_bytes(job: Job) -> int:
    """Return what laying out the weights of one RoI takes, at worst."""
    sizes, ratio = job.features.shape[2:], job.operator.sampling_ratio
    cost = 0
    for pooled, size in zip(job.operator.output_size, sizes, strict=True):
        samples = pooled * ratio if ratio > 0 else 2 * size + pooled
        cost = max(cost, 24 * pooled * size + 128 * samples)
    return cost


def _read_bytes(features: Features, cells: int) -> int:
    """Return what a channel takes as read; pages of a mapped file are the system's."""
    return 0 if features.mapped else features.dtype.itemsize * cells


def _images_at_once(job: Job, region: int, together: int) -> int:
    """Return how many images to read at once, so that no block of the file is read again."""
    blocks, (images, channels, height, width) = job.features.blocks, job.features.shape
    if blocks is None or blocks[0] == 1:
        return 1
    work = max(region_bytes(job, height, width), together)
    map_bytes = channels * _read_bytes(job.features, height * width)
    return max(min(blocks[0], images, 1 + (region - work) // max(map_bytes, 1)), 1)


def _largest_window(job: Job, survey: Survey) -> int:
    """Return the bytes that the RoI with the largest window takes."""
    largest = 0
    for piece in survey.pieces:
        table = pending(job.rois, survey, piece)
        for image, rows in table.by_image():
            geometry = job.lay_out(table.boxes[rows], image)
            k = int(geometry.touched().argmax())
            height, width = geometry.count[:, k].tolist()
            largest = max(largest, region_bytes(job, height, width))
    return largest
