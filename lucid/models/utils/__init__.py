"""Operators on regions of interest."""

from lucid.models.utils.coverage import coverage
from lucid.models.utils.multi_scale import MultiScaleROIAlign, assign_levels
from lucid.models.utils.prroi_pool import PrROIPool, prroi_pool
from lucid.models.utils.roi_align import ROIAlign, roi_align
from lucid.models.utils.roi_align_rotated import ROIAlignRotated, roi_align_rotated

__all__ = [
    "MultiScaleROIAlign",
    "PrROIPool",
    "ROIAlign",
    "ROIAlignRotated",
    "assign_levels",
    "coverage",
    "prroi_pool",
    "roi_align",
    "roi_align_rotated",
]
