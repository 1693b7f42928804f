"""Operators: what a crop is. Each lists its taps in a file of its own, and knows no engine."""

from lucid.roi.operators.align import RoiAlign

__all__ = ["RoiAlign"]
