"""A pyramid: the same images as maps of several scales, and each RoI on that which suits its size.

To the rest of a run the L maps of N images are L x N maps: those of the first scale come first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lucid.errors import ShapeError, SourceError
from lucid.roi.levels import levels_of
from lucid.roi.table import RoiTable
from lucid.stream.checks import Held
from lucid.stream.options.levels import Level
from lucid.stream.read.axes import Axes
from lucid.stream.read.features import open_features
from lucid.stream.read.grids import Grid
from lucid.stream.read.maps import Features
from lucid.stream.read.rois import Examined, RoiSource
from lucid.stream.read.scale import Scale, scale_said_by
from lucid.stream.settings import Settings
from lucid.stream.types import Array


class Pyramid(Features):
    """The maps of all levels."""

    def __init__(self, levels: Sequence[Features], scales: Sequence[float], axes: Axes) -> None:
        super().__init__(axes)
        first = levels[0]
        self.levels, self.scales = levels, tuple(scales)
        self.name = ", ".join(level.name for level in levels)
        self.each, self.images = first.images, first.images * len(levels)
        self.channels, self.dtype, self.kind = first.channels, first.dtype, first.kind
        for level in levels[1:]:
            _require_alike(level, first)
        sizes = [np.broadcast_to(level.sizes, (level.images, 2)) for level in levels]
        self.sizes = np.concatenate(sizes)
        self.ids, self.ids_from, self.words = first.ids, first.ids_from, first.words
        self.mapped = all(level.mapped for level in levels)
        self.has_holes = any(level.has_holes for level in levels)
        self.missing_chunks = sum(level.missing_chunks for level in levels)
        self.spooled_bytes = sum(level.spooled_bytes for level in levels)
        self.held_per_image = max(level.held_per_image for level in levels) + 16
        chunks = [level.chunks for level in levels if level.chunks]
        self.chunks = (1, *max(chunks, key=np.prod)[1:]) if chunks else None
        self.paths = [path for level in levels for path in level.paths]
        self.inputs = [one for level in levels for one in level.inputs]

    @classmethod
    def opened(
        cls,
        levels: Sequence[Level],
        axes: Axes,
        grid: Grid | None,
        ids: str | Held | None,
        trust: bool,
    ) -> Pyramid:
        """Open the maps of levels, each with its scale or one that the file says.

        Raises
        ------
        SourceError, ShapeError
            If a file cannot be read, says no scale, or has other images than the first.
        """
        maps: list[Features] = []
        try:
            for level in levels:
                maps.append(open_features(level.features, axes, grid, ids, trust=trust))
            pairs = zip(levels, maps, strict=True)
            return cls(maps, [level.scale or scale_said_by(one) for level, one in pairs], axes)
        except BaseException:
            for one in maps:
                one.close()
            raise

    @property
    def ratios(self) -> Array:
        """How much larger boxes are on each map than on those of the first level."""
        return np.repeat(self.scales, self.each) / self.scales[0]

    def read(self, image: int, window: tuple[slice, ...]) -> Array:
        """Return a part of a map, (C, h, w)."""
        level, of_level = divmod(image, self.each)
        return self.levels[level].read(of_level, window)

    def forget(self) -> None:
        """Give back pages of mapped files."""
        for level in self.levels:
            level.forget()

    def close(self) -> None:
        """Close what is open."""
        for level in self.levels:
            level.close()


def _require_alike(level: Features, first: Features) -> None:
    """Raise unless two levels have maps of the same images, channels and dtype."""
    for what in ("images", "channels", "dtype"):
        own, others = getattr(level, what), getattr(first, what)
        if own != others:
            raise ShapeError(
                f"{level.name} must have the {what} of {first.name}, {others}, got {own}"
            )
    if level.ids != first.ids:
        raise SourceError.advising(
            f"{level.name} has other ids of images than {first.name}", "pass {ids} for both"
        )


class PyramidRois(RoiSource):
    """RoIs, each moved to the map that suits its size, in input coordinates of the first level."""

    def __init__(
        self, settings: Settings, pyramid: Pyramid, scale: Scale, memory: int | None = None
    ) -> None:
        super().__init__(settings, pyramid.levels[0], scale, memory)
        self.maps = pyramid.images
        self._scales, self._canonical = pyramid.scales, settings.canonical
        self._expanded = settings.expand**2  # areas; what is cropped does not change the level

    @property
    def input_sizes(self) -> tuple[Array | None, bool]:
        """Return the sizes of inputs as each map has them, and whether they are exact."""
        sizes, is_exact = super().input_sizes
        if sizes is not None:
            every = np.broadcast_to(sizes, (self.images, 2))
            sizes = np.concatenate([ratio * every for ratio in self._ratios])
        return sizes, is_exact

    @property
    def _ratios(self) -> Array:
        """How much larger boxes are on the map of each level than on the first."""
        return np.array(self._scales) / self._scales[0]

    def levels_of_rows(self, start: int, stop: int) -> Array:
        """Return the level of each RoI, -1 where it is not valid."""
        table = super().examined(start, stop).table
        return np.where(table.valid, self._levels(table), -1)

    def examined(self, start: int, stop: int, images: range | None = None) -> Examined:
        """Return rows as they lie on the maps, and what they are; all, or those of some images.

        Those that are not valid stay as they are.
        """
        numbers, rows, table, report = super().examined(start, stop, images)
        levels = np.where(table.valid, self._levels(table), 0)
        index, ratios = table.batch_index + levels * self.images, self._ratios[levels]
        with np.errstate(over="ignore", invalid="ignore"):
            read = self.box_form.scaled(rows[:, 1:].astype(np.float64), ratios)
        moved = RoiTable(index, self.box_form.scaled(table.boxes, ratios), table.valid)
        rows = np.column_stack([np.where(table.valid, index, rows[:, 0]), read])
        return Examined(numbers, rows, moved, report)

    def _levels(self, table: RoiTable) -> Array:
        areas = self.box_form.areas(table.boxes) / self._expanded
        return levels_of(areas, self._scales, *self._canonical)
