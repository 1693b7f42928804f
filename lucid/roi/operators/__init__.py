"""Operators: what a crop is. Each lists its taps in a file of its own, and knows no engine.

`OPERATORS` is where they are listed, and the one place that says which option means something to
which of them.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache, reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from lucid.roi.forms import FLIPPED, TURNED, UPRIGHT, VOLUME, BoxForm
from lucid.roi.geometry import Operator
from lucid.roi.operator import (
    as_output_size,
    as_spatial_scale,
    as_volume_scale,
    as_volume_size,
)
from lucid.roi.operators.align import RoiAlign

if TYPE_CHECKING:
    from lucid.roi.operators.crop_and_resize import CropAndResize
    from lucid.roi.operators.family import contradictions, roi_align_of
    from lucid.roi.operators.integral import PrRoiPool
    from lucid.roi.operators.position_sensitive import ps_roi_align_of, ps_roi_pool_of
    from lucid.roi.operators.rotated import RoiAlignRotated, RotatedMax
    from lucid.roi.operators.volume import RoiAlign3D, VolumeMax
    from lucid.roi.operators.whole_cells import RoiPool

# Fetched when first used: most runs need one.
_HOMES = {
    "CropAndResize": "crop_and_resize",
    "PrRoiPool": "integral",
    "RoiAlign3D": "volume",
    "RoiAlignRotated": "rotated",
    "RoiPool": "whole_cells",
    "RotatedMax": "rotated",
    "VolumeMax": "volume",
    "contradictions": "family",
    "ps_roi_align_of": "position_sensitive",
    "ps_roi_pool_of": "position_sensitive",
    "roi_align_of": "family",
}

__all__ = [
    "OPERATORS",
    "CropAndResize",
    "Entry",
    "PrRoiPool",
    "RoiAlign",
    "RoiAlign3D",
    "RoiAlignRotated",
    "RoiPool",
    "RotatedMax",
    "VolumeMax",
    "as_operator",
    "contradictions",
    "of_some",
    "operator_of",
    "pooler_options",
    "ps_roi_align_of",
    "ps_roi_pool_of",
    "roi_align_of",
]


class Entry(NamedTuple):
    """An operator, and the options that mean something to it beside those that all take."""

    made_by: str  # "module.what makes it" of the output size and options by name
    takes: frozenset[str]
    form: BoxForm = UPRIGHT
    aligned: bool = False  # where it is not said
    size: Callable[[Any], tuple[int, ...]] = as_output_size  # of bins, and of what is one for all
    scale: Callable[[Any], tuple[float, ...]] = as_spatial_scale

    def checked(self, output_size: Any, **options: Any) -> Operator:
        """Return the operator that a caller asked for, or say which argument cannot be."""
        module, *names = self.made_by.split(".")
        make = reduce(getattr, names, import_module(f"lucid.roi.operators.{module}"))
        return cast(Callable[..., Operator], make)(output_size, **options)


SAMPLED = frozenset(
    {
        *("spatial_scale", "sampling_ratio", "inf", "aligned"),
        *("mode", "outside", "coverage", "max_samples", "level"),
    }
)

SCALED = frozenset({"spatial_scale", "level"})
BESIDE = {"coverage", "level"}  # options that say what else is wanted

OPERATORS = {
    "roi-align": Entry("family.roi_align_of", SAMPLED),
    "roi-align-rotated": Entry(
        "rotated.RoiAlignRotated.checked",
        SAMPLED - {"inf"} | {"angle", "clockwise"},
        form=TURNED,
        aligned=True,
    ),
    "prroi-pool": Entry("integral.PrRoiPool.checked", SCALED),
    "roi-pool": Entry("whole_cells.RoiPool.checked", SCALED),
    "ps-roi-align": Entry(
        "position_sensitive.ps_roi_align_of", SAMPLED - {"mode", "aligned"}, aligned=True
    ),
    "ps-roi-pool": Entry("position_sensitive.ps_roi_pool_of", SCALED),
    "roi-align-3d": Entry(
        "volume.RoiAlign3D.checked",
        SAMPLED - {"level"},
        form=VOLUME,
        size=as_volume_size,
        scale=as_volume_scale,
    ),
    "crop-and-resize": Entry(
        "crop_and_resize.CropAndResize.checked",
        frozenset({"method", "extrapolation_value"}),
        form=FLIPPED,
    ),
}


def as_operator(name: str) -> str:
    """Return the name of an operator, if there is one."""
    if name not in OPERATORS:
        raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, got {name}")
    return name


def operator_of(name: str, output_size: tuple[int, ...], **options: Any) -> Operator:
    """Return an operator with those of some options that mean something to it."""
    entry = OPERATORS[name]
    parameters = entry.takes - BESIDE
    taken = {option: value for option, value in options.items() if option in parameters}
    return entry.checked(output_size, **taken)


@cache
def of_some() -> frozenset[str]:
    """Return the options that mean something to some operators only, or may come to."""
    return frozenset().union(*(entry.takes for entry in OPERATORS.values()))


def pooler_options(pooler: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some options that an operator takes which pools on each map of a pyramid.

    Raises
    ------
    ValueError, TypeError
        If there is no such operator, or an option means nothing to it.
    """
    takes = OPERATORS[as_operator(pooler)].takes
    if "level" not in takes:
        raise ValueError(f"pooler must be an operator of several levels, not {pooler}")
    options = {"aligned": OPERATORS[pooler].aligned, "sampling_ratio": -1}
    said = {name: value for name, value in said.items() if value != options.get(name)}
    for name in said.keys() - takes | said.keys() & {"spatial_scale", "inf", "coverage", "level"}:
        kind = ValueError if name in of_some() else TypeError
        raise kind(f"{name} means nothing to pooler {pooler}")
    if said.get("sampling_ratio") == math.inf and "inf" not in takes:
        raise ValueError(f"sampling_ratio inf means nothing to pooler {pooler}")
    return {name: value for name, value in (options | said).items() if name in takes}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lucid.roi.operators' has no attribute {name!r}")
    return getattr(import_module(f"lucid.roi.operators.{_HOMES[name]}"), name)
