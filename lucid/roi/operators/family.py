"""What `roi-align` and `ps-roi-align` are with their options: one of several operators."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex

from lucid.roi.operator import (
    OutputSize,
    SpatialScale,
    as_aligned,
    as_max_samples,
    as_mode,
    as_output_size,
    as_outside,
    as_sampling_ratio,
    as_spatial_scale,
)
from lucid.roi.operators.align import MAX_BIN_SAMPLES, RoiAlign

if TYPE_CHECKING:
    from lucid.roi.operators.wrapped import Sampling


def roi_align_of(
    output_size: OutputSize,
    spatial_scale: SpatialScale = 1.0,
    sampling_ratio: SupportsIndex | float = -1,
    aligned: bool = False,
    *,
    mode: str = "avg",
    outside: str = "zero",
    max_samples: SupportsIndex | None = None,
) -> "Sampling":
    """Return the operator that a caller asked for, or say which argument cannot be.

    Raises
    ------
    TypeError, ValueError
        If an argument has no meaning, or two contradict each other.
    """
    ratio, most = as_sampling_ratio(sampling_ratio), as_max_samples(max_samples)
    takes_most, renormalize = as_mode(mode) == "max", as_outside(outside) == "renormalize"
    refuse(contradictions(ratio, mode=mode, max_samples=most))
    size, scale, is_aligned = (
        as_output_size(output_size),
        as_spatial_scale(spatial_scale),
        as_aligned(aligned),
    )
    if math.isinf(ratio):
        from lucid.roi.operators.integral import LimitAlign

        base: RoiAlign = LimitAlign(size, scale, -1, is_aligned)
    else:
        base = RoiAlign(size, scale, int(ratio), is_aligned, most or MAX_BIN_SAMPLES)
    if not takes_most and not renormalize:
        return base
    from lucid.roi.operators.wrapped import MaxAlign, Renormalized

    return MaxAlign(base, renormalize) if takes_most else Renormalized(base)


def refuse(contradictions: Iterable[tuple[bool, str]]) -> None:
    """Raise about the first contradiction of keywords."""
    for contradicts, fact in contradictions:
        if contradicts:
            raise ValueError(fact.replace("{", "").replace("}", ""))


def contradictions(
    sampling_ratio: float = -1, *, mode: str = "avg", max_samples: int | None = None, **others: Any
) -> Iterator[tuple[bool, str]]:
    """Yield whether options contradict each other, and how, with their names in braces."""
    yield (
        mode == "max" and math.isinf(sampling_ratio),
        "{mode} max has no limit for {sampling_ratio} inf; give a number of samples, or -1",
    )
    yield (
        max_samples is not None and sampling_ratio != -1,
        "{max_samples} bounds samples that are counted: {sampling_ratio} must be -1 with it, "
        f"got {sampling_ratio}",
    )
