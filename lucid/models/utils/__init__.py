"""Operators on regions of interest."""

from lucid.models.utils.coverage import coverage
from lucid.models.utils.prroi_pool import PrROIPool, prroi_pool
from lucid.models.utils.roi_align import ROIAlign, roi_align

__all__ = ["PrROIPool", "ROIAlign", "coverage", "prroi_pool", "roi_align"]
