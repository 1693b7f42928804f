"""What a page knows of an operator, so that it can pool the planes that it shows by itself."""

from __future__ import annotations

from typing import Any

from lucid.errors import SinkError
from lucid.roi.geometry import Operator
from lucid.roi.operators import CropAndResize, PrRoiPool, RoiAlign, RoiAlignRotated, RoiPool
from lucid.roi.operators.align import MAX_BIN_SAMPLES
from lucid.roi.operators.integral import LimitAlign
from lucid.roi.operators.rotated import RotatedMax
from lucid.roi.operators.wrapped import MaxAlign, Renormalized

KINDS: dict[type, str] = {
    RoiAlign: "sampled",
    LimitAlign: "sampled",
    PrRoiPool: "hats",
    RoiAlignRotated: "turned",
    RotatedMax: "turned",
    RoiPool: "cells",
}
FRACTIONS = "its boxes are fractions of a map, which no scale moves"
CHANNELS = "each of its bins reads channels of its own, and a page has one plane of all"


def pooled_as(operator: Operator, name: str) -> dict[str, Any]:
    """Return what the script of a page is told of an operator.

    Raises
    ------
    SinkError
        If a page cannot do the same.
    """
    base = operator.base if isinstance(operator, (MaxAlign, Renormalized)) else operator
    if type(base) not in KINDS:
        reason = FRACTIONS if isinstance(base, CropAndResize) else CHANNELS
        raise SinkError.advising(
            f"a page cannot follow {name}: {reason}",
            "pass {output} for a picture instead of {html}",
        )
    takes_largest = isinstance(operator, (MaxAlign, RotatedMax, RoiPool))
    most = getattr(base, "max_samples", MAX_BIN_SAMPLES)
    return {
        "kind": KINDS[type(base)],
        "mode": "max" if takes_largest else "avg",
        "renormalize": isinstance(operator, (Renormalized, RoiPool))
        or getattr(operator, "renormalize", False),
        "maxSamples": most if most < MAX_BIN_SAMPLES else None,
        "radians": float(base.units[4]) if isinstance(base, RoiAlignRotated) else None,
    }
