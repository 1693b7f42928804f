"""Operators: what a crop is. Each lists its taps in a file of its own, and knows no engine.

`OPERATORS` is where they are listed, and the one place that says which option means something to
which of them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from lucid.roi.forms import TURNED, UPRIGHT, BoxForm
from lucid.roi.geometry import Operator
from lucid.roi.operators.align import RoiAlign
from lucid.roi.operators.family import contradictions, roi_align_of
from lucid.roi.operators.integral import PrRoiPool
from lucid.roi.operators.rotated import RoiAlignRotated

__all__ = [
    "OPERATORS",
    "Entry",
    "PrRoiPool",
    "RoiAlign",
    "RoiAlignRotated",
    "as_operator",
    "contradictions",
    "of_some",
    "operator_of",
    "roi_align_of",
]


class Entry(NamedTuple):
    """An operator, and the options that mean something to it beside those that all take."""

    checked: Callable[..., Operator]  # of the output size and options by name
    takes: frozenset[str]
    form: BoxForm = UPRIGHT
    aligned: bool = False  # where it is not said


SAMPLED = frozenset(
    {
        *("spatial_scale", "sampling_ratio", "inf", "aligned"),
        *("mode", "outside", "coverage", "max_samples"),
    }
)

OPERATORS = {
    "roi-align": Entry(roi_align_of, SAMPLED),
    "roi-align-rotated": Entry(
        RoiAlignRotated.checked,
        frozenset(
            {"spatial_scale", "sampling_ratio", "aligned", "max_samples", "angle", "clockwise"}
        ),
        form=TURNED,
        aligned=True,
    ),
    "prroi-pool": Entry(PrRoiPool.checked, frozenset({"spatial_scale"})),
}


def as_operator(name: str) -> str:
    """Return the name of an operator, if there is one."""
    if name not in OPERATORS:
        raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, got {name}")
    return name


def operator_of(name: str, output_size: tuple[int, int], **options: Any) -> Operator:
    """Return an operator with those of some options that mean something to it."""
    entry = OPERATORS[name]
    taken = {option: value for option, value in options.items() if option in entry.takes}
    return entry.checked(output_size, **taken)


def of_some() -> frozenset[str]:
    """Return the options that mean something to some operators only, or may come to."""
    return frozenset().union(*(entry.takes for entry in OPERATORS.values()))
