"""From a bound on memory to how a run is cut: which images, which RoIs, which part of a map."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from operator import floordiv, sub
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lucid.errors import MemoryLimitError
from lucid.roi.geometry import Geometry
from lucid.roi.threads import cores
from lucid.roi.types import Part
from lucid.stream import tuning
from lucid.stream.plan.job import Job
from lucid.stream.plan.memory import (
    Need,
    fixed_bytes,
    needs,
    read_bytes,
    region_bytes,
    require_memory,
)
from lucid.stream.plan.survey import Survey, pending

Window = tuple[slice, ...]  # rows and columns; of volumes, planes before both


class _Edges(NamedTuple):
    """A region of a map, ends exclusive."""

    begin: tuple[int, ...]
    end: tuple[int, ...]

    @classmethod
    def of(cls, window: Window) -> _Edges:
        """Return the edges of a window."""
        return cls(tuple(side.start for side in window), tuple(side.stop for side in window))

    @property
    def size(self) -> tuple[int, ...]:
        """The cells along each axis."""
        return tuple(map(sub, self.end, self.begin))

    @property
    def area(self) -> int:
        """The number of cells."""
        return math.prod(self.size)

    def joined(self, other: _Edges) -> _Edges:
        """Return the smallest region that holds both."""
        begin = tuple(map(min, self.begin, other.begin))
        return _Edges(begin, tuple(map(max, self.end, other.end)))


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run is cut. Nothing here depends on a pixel, and no crop depends on it."""

    job: Job
    survey: Survey
    selected: int  # RoIs selected from the table at once
    crops: int  # crops made at once, while as many are written
    region: int  # bytes that a part of a map may take, with what is made of it
    together: int  # bytes that several may take together
    images: int  # images read at once: more than one where chunks of the file hold more
    whole_maps: int  # maps worked on at once that are read as a whole; 0 where they are not small
    memory: int  # bytes that a process may hold
    jobs: int = 1  # processes

    def groups(self, among: range | None = None) -> Iterator[range]:
        """Yield ranges of images, all or those of a range, whose RoIs are selected together."""
        among = among or range(len(self.survey.counts))
        images = among.start + np.flatnonzero(self.survey.counts[among.start : among.stop])
        until = np.cumsum(self.survey.counts[images])
        begin = 0
        while begin < len(images):
            before = until[begin - 1] if begin else 0
            end = int(np.searchsorted(until, before + self.selected, side="right"))
            end = max(end, begin + 1)
            yield range(int(images[begin]), int(images[end - 1]) + 1)
            begin = end

    def in_one_chunk(self, first: int, image: int) -> bool:
        """Return whether two images can be held at once although their chunk is, too."""
        return self.images == 1 or first // self.images == image // self.images

    def regions(self, geometry: Geometry) -> Iterator[tuple[Part, Window]]:
        """Yield RoIs of one image whose windows are read together, and the window of them all."""
        every, window = slice(None), geometry.bounds()
        if self.images > 1 or self.job.features.sequential or len(geometry) == 1:
            yield every, window
            return
        whole, alone = _Edges.of(window), (int(geometry.touched().sum()), len(geometry))
        if self._fits(whole) and self._is_cheaper(whole, *alone):
            yield every, window
        else:
            for some in self._strips(geometry):
                yield some, geometry[some].bounds()

    def _strips(self, geometry: Geometry) -> Iterator[NDArray[np.intp]]:
        """Go over the map in bands and take RoIs together while that is cheaper and fits."""
        first, until = geometry.first, geometry.first + geometry.count
        edges = [*map(_Edges, map(tuple, first.T.tolist()), map(tuple, until.T.tolist()))]
        *bands, along = first
        thick = np.maximum(np.median(geometry.count[:-1], axis=1).astype(np.int64), 1)
        order = np.lexsort((along, *map(floordiv, bands[::-1], thick[::-1])))
        begin, held = 0, edges[0]
        for end, k in enumerate(order.tolist()):
            alone = edges[k]
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
        return region_bytes(self.job, edges.size) <= self.region

    def _is_cheaper(self, edges: _Edges, cells: int, reads: int) -> bool:
        """Return whether one read is less work than so many of so many cells in all."""
        features = self.job.features
        if features.chunks is not None:  # each read takes whole chunks
            return True
        item, seek = features.dtype.itemsize, tuning.current.seek_bytes
        return edges.area * item + seek <= cells * item + seek * reads


def make_plan(
    job: Job,
    survey: Survey,
    memory: int,
    packing: int = 0,
    among: Sequence[int] = (1,),
    *,
    is_of_each: bool = False,
) -> Plan:
    """Return how to do a job on workers that hold `memory` bytes together, or each of them.

    Their number is the first one listed that this is enough for. `packing` is what the output
    takes at the end.

    Raises
    ------
    MemoryLimitError
        If it is not enough for the last either; it says the least that is.
    """
    largest = cache(lambda: _largest_window(job, survey))  # reads the table: at most once
    if is_of_each:
        return replace(_plan(job, survey, memory, packing, 1, largest), jobs=among[-1])
    *rather, last = among
    for jobs in rather:
        with suppress(MemoryLimitError):
            return _plan(job, survey, memory // jobs, packing, jobs, largest)
    return _plan(job, survey, memory // last, packing, last, largest)


def _plan(
    job: Job,
    survey: Survey,
    memory: int,
    packing: int,
    jobs: int,
    largest_window: Callable[[], int],
) -> Plan:
    """Return how to do a job on so many processes that hold `memory` bytes each."""
    fixed = fixed_bytes(job)
    free = max(memory - fixed, 0)
    region = free // 2
    together = min(tuning.current.small_maps_bytes, region // 2)
    largest = whole = region_bytes(job, job.features.shape[2:])
    if not job.features.sequential:
        largest = 0 if whole <= region else largest_window()
    at_once = _at_once(job, largest, packing)
    require_memory(fixed + at_once.nbytes, memory, [*needs(job), at_once], jobs)
    return Plan(
        job=job,
        survey=survey,
        selected=max(free // 8 // tuning.current.selected_row_bytes, tuning.current.slice_rows),
        crops=max(min(free // 4, tuning.current.crops_bytes) // 2 // max(job.crop_bytes, 1), 1),
        region=region,
        # What comes from a pipe goes on as soon as it can.
        together=0 if job.features.sequential else together,
        images=_images_at_once(job, region, together),
        whole_maps=_whole_maps(job, together),
        memory=memory,
        jobs=jobs,
    )


def _at_once(job: Job, part_bytes: int, packing: int) -> Need:
    """Return the most that is needed at any one time, beside what is held all the time."""
    whose = f"for the largest part of a map of {job.features.name}"
    return max(
        Need(nbytes=2 * part_bytes, whose=whose),
        Need(nbytes=8 * job.crop_bytes, whose=f"for crops {job.bins_shape} of {job.dtype}"),
        Need(nbytes=packing, whose="for packing the output in chunks or by image"),
    )


def jobs_worth(job: Job, survey: Survey) -> int:
    """Return how many processes are worth their start: one for each core, if work is long.

    Each would unpack a temporary file of its own, where there is one.
    """
    read = maps_bytes(job, survey)
    written = int(survey.counts.sum()) * job.row_bytes
    now = tuning.current
    large = now.parallel_bytes if job.features.chunks is None else now.parallel_packed_bytes
    return cores() if read + written >= large and not job.features.spooled_bytes else 1


def maps_bytes(job: Job, survey: Survey) -> int:
    """Return the size of the maps that have RoIs to be done."""
    cells = np.broadcast_to(job.features.sizes.prod(axis=1), job.features.images)
    some = int(cells[survey.counts > 0].sum())
    return some * job.features.channels * job.features.dtype.itemsize


def _images_at_once(job: Job, region: int, together: int) -> int:
    """Return how many images to read at once, so that no chunk of the file is read again."""
    chunks, (images, channels, *size) = job.features.chunks, job.features.shape
    if chunks is None or chunks[0] == 1:
        return 1
    work = max(region_bytes(job, tuple(size)), together)
    map_bytes = channels * read_bytes(job.features, math.prod(size))
    return max(min(chunks[0], images, 1 + (region - work) // max(map_bytes, 1)), 1)


def _whole_maps(job: Job, together: int) -> int:
    """Return how many maps to work on at once as a whole; 0 if not."""
    maps, now = job.features, tuning.current
    alike = maps.images > len(maps.sizes) == 1 and not maps.has_holes
    if maps.sequential or not alike or maps.map_bytes > now.small_map_bytes:
        return 0
    between = 0 if maps.mapped else now.seek_bytes  # of others that are read along
    return together // (region_bytes(job, maps.shape[2:]) + between)


def _largest_window(job: Job, survey: Survey) -> int:
    """Return the bytes that the largest window takes, of the widest and so on of many RoIs."""
    largest = 0
    for part in survey.slices:
        _, table = pending(job.rois, survey, part)
        count = job.lay_out(table.boxes, table.batch_index).count
        for k in {*count.argmax(axis=1).tolist(), int(count.prod(axis=0).argmax())}:
            largest = max(largest, region_bytes(job, tuple(count[:, k].tolist())))
    return largest
