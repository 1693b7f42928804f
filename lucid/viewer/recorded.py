"""The crops that a file has, in place of those that its inputs give now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lucid.errors import literal
from lucid.stream.read.arrays import list_arrays, open_source
from lucid.stream.write.layout import DATASET
from lucid.viewer.parts import Floats, Image, Roi
from lucid.viewer.planes import Reduction

TOLERANCE = 2e-3  # of the largest value: what float16 keeps
MOST_NAMED = 5  # rows


def crops_in_place(images: Iterable[Image], path: Path, shown: Reduction) -> Iterator[str]:
    """Put in the crops of a file; yield a warning, to be `spelled`, if its inputs give others."""
    if not any(info.dataset == DATASET and len(info.shape) == 4 for info in list_arrays(path)):
        return  # means of bins, or images apart
    rois = [roi for image in images for roi in image.rois if roi.crop is not None]
    with open_source(f"{path}::{DATASET}", (DATASET,), lambda *about: None) as source:
        others = [roi.row for roi in rois if not _put_in(roi, shown(source[roi.row]))]
    if others:
        more = f" and {len(others) - MOST_NAMED} more" * (len(others) > MOST_NAMED)
        yield (
            f"{literal(str(path))} has other crops than its inputs give now, in row"
            f"{'s' * (len(others) > 1)} {', '.join(map(str, others[:MOST_NAMED]))}{more} of "
            f"{len(rois)} that are drawn"
        )


def _put_in(roi: Roi, crop: Floats) -> bool:
    """Put a crop in, and return whether it is the one that was there."""
    before, roi.crop = roi.crop, crop
    if before is None or before.shape != crop.shape:
        return False
    with np.errstate(invalid="ignore"):
        slack = TOLERANCE * max(float(np.nanmax(np.abs(before), initial=0)), 1e-30)
    return np.allclose(crop, before, rtol=0, atol=slack, equal_nan=True)
