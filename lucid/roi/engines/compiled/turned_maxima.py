"""The largest samples on turned grids in C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lucid.roi.engines.compiled._turned as kernel
from lucid.roi.engines import PlacedRois
from lucid.roi.engines.compiled.turned import write_crops
from lucid.roi.engines.numpy.workspace import Workspace
from lucid.roi.types import Array
from lucid.roi.workers import Workers


def pool(rois: PlacedRois, renormalize: bool, crops: Array, workers: Workers[Workspace]) -> None:
    """Write the largest samples of bins, as which those out of range count unless renormalized."""
    maxima: Callable[..., None] = kernel.maxima

    def write(*arguments: Any) -> None:
        maxima(*arguments, renormalize)

    write_crops(write, rois, crops, workers)
