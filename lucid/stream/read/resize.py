"""How pictures are resized and padded before a network sees them: `--resize RULE`.

A rule turns the sizes of pictures into frames: input = s * picture + o, per axis and image. Each
follows its framework's own lines, rounding included, for one pixel of a resized picture is a
sixteenth of a cell.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Resized(NamedTuple):
    """Where N pictures lie in the network's input."""

    frame: Floats  # (N, 4) sy, sx, oy, ox
    input_size: Floats  # (N, 2) height and width of the input, before any padding to a multiple
    is_exact: bool  # whether the input has this size and is never padded further


class Rule(NamedTuple):
    """A rule with its numbers, as `short:800,1333` says it."""

    name: str
    numbers: tuple[int, ...]
    text: str

    def __call__(self, sizes: NDArray[np.floating] | NDArray[np.integer]) -> Resized:
        """Return where pictures of sizes (N, 2), height before width, lie in the input."""
        return RULES[self.name](np.asarray(sizes, np.float64).reshape(-1, 2), *self.numbers)


def as_resize(text: str) -> Rule:
    """Return the rule that a text names.

    Raises
    ------
    ValueError
        If there is no such rule, or its numbers have no meaning.

    Examples
    --------
    >>> as_resize("letterbox:640")(np.array([[480, 640]])).frame
    array([[ 1.,  1., 80.,  0.]])
    """
    for pattern, name in FORMS.items():
        if match := re.fullmatch(pattern, text):
            numbers = tuple(int(number) for number in match.groups() if number is not None)
            if min(numbers) < 1 or (name == "crop" and numbers[1] > numbers[0]):
                break
            return Rule(name, numbers, text)
    raise ValueError(
        "resize must be stretch:HxW, short:A,B, short:A,B,floor, short:A,B,exact, long:M, "
        f"letterbox:HxW, center-pad:M or crop:A,B with B <= A, got {text}"
    )


def _stretch(sizes: Floats, height: int, width: int = 0) -> Resized:
    """Resize to one size, whatever the proportions."""
    new = np.broadcast_to([float(height), float(width or height)], sizes.shape)
    return _resized(new / sizes, new, is_exact=True)


def _short(sizes: Floats, short: int, longest: int) -> Resized:
    """Resize the short side, then again if the long one is too long; Detectron2."""
    low, high = sizes.min(axis=1, keepdims=True), sizes.max(axis=1, keepdims=True)
    scale = short / low
    # The short side is set, and the other one multiplied; then both if that is too long.
    new = np.where(sizes == low, float(short), scale * sizes)
    longer = np.where(low == high, float(short), scale * high)
    too_long = longer > longest
    new = np.where(too_long, new * (longest / longer), new)
    new = np.floor(new + 0.5)
    return _resized(new / sizes, new)


def _short_floor(sizes: Floats, short: int, longest: int) -> Resized:
    """Resize by one factor and round down; torchvision's detectors."""
    new = np.floor(sizes * _factor(sizes, short, longest))
    return _resized(new / sizes, new)


def _short_exact(sizes: Floats, short: int, longest: int) -> Resized:
    """Resize by one factor that boxes are multiplied with as well."""
    factor = _factor(sizes, short, longest)
    return _resized(np.broadcast_to(factor, sizes.shape), np.floor(sizes * factor + 0.5))


def _factor(sizes: Floats, short: int, longest: int) -> Floats:
    low, high = sizes.min(axis=1, keepdims=True), sizes.max(axis=1, keepdims=True)
    factor: Floats = np.minimum(short / low, longest / high)
    return factor


def _long(sizes: Floats, longest: int) -> Resized:
    """Resize the long side, and pad to the right and below; Segment Anything."""
    new = np.floor(sizes * (longest / sizes.max(axis=1, keepdims=True)) + 0.5)
    return _resized(new / sizes, new)


def _letterbox(sizes: Floats, height: int, width: int = 0) -> Resized:
    """Resize to fit into one size, and centre in it; YOLO."""
    target = np.array([float(height), float(width or height)])
    factor = (target / sizes).min(axis=1, keepdims=True)
    rest = target - np.rint(sizes * factor)
    frame = np.broadcast_to(factor, sizes.shape)
    return _resized(
        frame, np.broadcast_to(target, sizes.shape), np.rint(rest / 2 - 0.1), is_exact=True
    )


def _center_pad(sizes: Floats, multiple: int) -> Resized:
    """Pad evenly to a multiple, resize nothing; vision transformers."""
    padding = -sizes % multiple
    return _resized(np.ones_like(sizes), sizes + padding, np.floor(padding / 2))


def _crop(sizes: Floats, short: int, side: int) -> Resized:
    """Resize the short side, and cut a square out of the middle; classifiers."""
    low, high = sizes.min(axis=1, keepdims=True), sizes.max(axis=1, keepdims=True)
    new = np.where(sizes == low, float(short), np.floor(short * high / low))
    new = np.where(low == short, sizes, new)
    offset = -np.rint((new - side) / 2)
    return _resized(new / sizes, np.full_like(sizes, side), offset, is_exact=True)


def _resized(
    scale: Floats, input_size: Floats, offset: Floats | float = 0.0, is_exact: bool = False
) -> Resized:
    offset = np.broadcast_to(offset, scale.shape) + 0.0  # never -0
    frame = np.concatenate([scale, offset], axis=1)
    return Resized(frame=frame, input_size=input_size, is_exact=is_exact)


RULES: dict[str, Callable[..., Resized]] = {
    "stretch": _stretch,
    "short": _short,
    "short-floor": _short_floor,
    "short-exact": _short_exact,
    "long": _long,
    "letterbox": _letterbox,
    "center-pad": _center_pad,
    "crop": _crop,
}
FORMS = {
    r"stretch:(\d+)(?:x(\d+))?": "stretch",
    r"short:(\d+),(\d+)": "short",
    r"short:(\d+),(\d+),floor": "short-floor",
    r"short:(\d+),(\d+),exact": "short-exact",
    r"long:(\d+)": "long",
    r"letterbox:(\d+)(?:x(\d+))?": "letterbox",
    r"center-pad:(\d+)": "center-pad",
    r"crop:(\d+),(\d+)": "crop",
}
