"""Operators on regions of interest."""

from lucid.models.utils.coverage import coverage
from lucid.models.utils.crop_and_resize import CropAndResize, crop_and_resize
from lucid.models.utils.multi_scale import MultiScaleROIAlign, assign_levels
from lucid.models.utils.position_sensitive import (
    PSROIAlign,
    PSROIPool,
    ps_roi_align,
    ps_roi_pool,
)
from lucid.models.utils.prroi_pool import PrROIPool, prroi_pool
from lucid.models.utils.roi_align import ROIAlign, roi_align
from lucid.models.utils.roi_align_3d import ROIAlign3D, roi_align_3d
from lucid.models.utils.roi_align_rotated import ROIAlignRotated, roi_align_rotated
from lucid.models.utils.roi_pool import ROIPool, roi_pool

__all__ = [
    "CropAndResize",
    "MultiScaleROIAlign",
    "PSROIAlign",
    "PSROIPool",
    "PrROIPool",
    "ROIAlign",
    "ROIAlign3D",
    "ROIAlignRotated",
    "ROIPool",
    "assign_levels",
    "coverage",
    "crop_and_resize",
    "prroi_pool",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_align_3d",
    "roi_align_rotated",
    "roi_pool",
]
