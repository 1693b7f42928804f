"""Many small maps as one map: calls for each would be most of the work."""

from __future__ import annotations

import numpy as np

from lucid.roi.engines import PlacedRois, Region
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Ints

SMALL_MAP_VALUES = 1 << 14


def stacked(rois: PlacedRois, space: Workspace) -> tuple[PlacedRois, Ints]:
    """Return RoIs on one map, on which small ones lie one below the other.

    Beside them are the rows of cells above the map of each RoI, (K,); or none.
    """
    if not _are_small(rois):
        return rois, np.zeros(0, np.int64)
    maps = [region.features for region in rois.regions]
    channels, height, width = maps[0].shape
    cells = space.table.array((len(maps), height, width, channels), rois.dtype)
    np.stack([each.transpose(1, 2, 0) for each in maps], out=cells, casting="unsafe")
    cells = cells.reshape(len(maps) * height, width, channels)
    region = Region(cells.transpose(2, 0, 1), len(rois.rows))
    above = np.repeat(np.arange(len(maps)) * height, [each.rois for each in rois.regions])
    return rois._replace(regions=[region]), above


def _are_small(rois: PlacedRois) -> bool:
    """Return whether RoIs lie on several whole maps of one size, all of them small."""
    first, *others = rois.regions
    if not others or any(first.origin) or first.features.size > SMALL_MAP_VALUES:
        return False
    alike = first.features.shape, first.origin
    return all((each.features.shape, each.origin) == alike for each in others)
