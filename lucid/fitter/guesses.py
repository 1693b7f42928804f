"""The frames that the field uses, as guesses about boxes, each with the options that say it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from typing import NamedTuple

import numpy as np

from lucid.fitter.sight import Floats, Sight
from lucid.stream.read.frames import of_images
from lucid.stream.read.resize import Rule, as_resize
from lucid.stream.read.rois import as_corners

FORMS = ("xyxy", "xywh", "cxcywh", "yxyx")
STRIDES = (16, 32, 8, 4, 14, 64, 2, 1)  # of networks, the commonest first
SHORTS = ("short:800,1333", "short:600,1000", "short:800,1333,floor", "short:600,1000,exact")
CROPS = ("crop:256,224", "crop:512,448")
LARGEST_CROP = 512  # of classifiers
PADDING = 2  # cells, by which maps may be larger than their pictures
LEAST_STRIDE = 4  # of maps of pictures that are resized
LONGEST = 1024  # Segment Anything
LARGEST_FRACTION = 1.5
FRAME_OPTIONS = {"frame", "resize"}
SCALE_OPTIONS = {"spatial_scale", "stride"}


class Guess(NamedTuple):
    """In which coordinates boxes may be."""

    form: str  # of boxes
    scale: tuple[float, float]  # y, x
    stride: int | None  # None for the scale that is said or given
    rule: Rule | None = None
    is_said: bool = False  # whether the frame is the one that is said or given
    is_swapped: bool = False  # whether sizes are width before height
    is_normalized: bool = False
    sizes: tuple[int, int] | None = None  # of pictures, where none are known

    def pictures(self, sight: Sight) -> Floats | None:
        """Return heights and widths of pictures."""
        if self.sizes is not None:
            return np.array([self.sizes], np.float64)
        sizes = sight.pictures
        return sizes if sizes is None or not self.is_swapped else sizes[:, ::-1]

    def cells(self, sight: Sight) -> Floats:
        """Return boxes (k, 4) x1, y1, x2, y2 in cells."""
        return self.placed(self.corners(sight), sight, self.is_normalized)

    def corners(self, sight: Sight) -> Floats:
        """Return boxes (k, 4) x1, y1, x2, y2 in the coordinates that they have."""
        return as_corners(sight.numbers.copy(), self.form if self.form != sight.form else "xyxy")

    def areas(self, sight: Sight) -> Floats:
        """Return in cells where the picture of each box lies, or its map if that is not known."""
        sizes = self.pictures(sight)
        if sizes is None:
            height, width = sight.limits.T
            return np.column_stack([0 * width, 0 * height, width, height])
        height, width = of_images(sizes, sight.index).T
        return self.placed(np.column_stack([0 * width, 0 * height, width, height]), sight)

    def placed(self, corners: Floats, sight: Sight, fractions: bool = False) -> Floats:
        """Return corners (k, 4) of pictures in cells."""
        sizes = self.pictures(sight)
        if fractions and sizes is not None:
            corners = corners * of_images(sizes, sight.index)[:, [1, 0, 1, 0]]
        if self.is_said and sight.frames is not None:
            corners = sight.frames.applied(corners, sight.index)
        elif self.rule is not None and sizes is not None:
            sy, sx, oy, ox = of_images(self.rule(sizes).frame, sight.index).T
            corners = corners * np.column_stack([sx, sy, sx, sy])
            corners = corners + np.column_stack([ox, oy, ox, oy])
        placed: Floats = corners * [*self.scale[::-1], *self.scale[::-1]]
        return placed

    def matching_maps(self, sight: Sight) -> float:
        """Return how well the sizes of maps are those that maps of such pictures have, 0 to 1."""
        sizes = self.pictures(sight)
        if sizes is None or self.is_said:
            return 1.0
        resized = self.rule(sizes) if self.rule else None
        expected = (resized.input_size if resized else sizes) * np.array(self.scale)
        is_padded = self.rule is not None and self.rule.name == "long"  # to a square
        if is_padded:
            expected = np.repeat(expected.max(axis=1, keepdims=True), 2, axis=1)
        more = sight.maps - expected
        if is_padded or (resized and resized.is_exact):
            return float((np.abs(more) < 1).all(axis=1).mean())
        filled = np.minimum((expected + PADDING) / sight.maps, 1).prod(axis=1)
        return float(np.where((more > -1).all(axis=1), filled, 0).mean())

    def options(self, sight: Sight, given: Set[str]) -> dict[str, object]:
        """Return the options that say it, beside those that are given."""
        said: dict[str, object] = {}
        if self.form != sight.form and "boxes" not in given:
            said["boxes"] = self.form
        if self.is_normalized:
            said["normalized"] = True
        if self.sizes is not None:
            said["image_size"] = self.sizes
        elif self.is_swapped and sight.pictures is not None and _are_alike(sight.pictures):
            said["image_size"] = tuple(int(side) for side in sight.pictures[0, ::-1])
        if self.stride is not None:
            said["stride"] = self.stride
        if self.rule is not None:
            said["resize"] = self.rule.text
        elif not self.is_said and sight.frames is not None:
            said["frame"] = "none"
        return said

    @property
    def oddity(self) -> tuple[int, ...]:
        """What it assumes that is not usual: of guesses that fit alike, the least comes first."""
        rules = ("short", "long", "letterbox", "stretch", "center-pad", "crop")
        name = (
            self.rule.name.partition("-")[0] if self.rule and self.rule.name != "center-pad" else ""
        )
        published = self.rule is None or self.rule.text in {*SHORTS, *CROPS, f"long:{LONGEST}"}
        return (
            self.is_swapped
            + self.is_normalized
            + (self.form != FORMS[0])
            + (self.rule is not None),
            self.rule is not None,
            not published,
            self.stride is not None,
            FORMS.index(self.form),
            rules.index(name) if name in rules else 0,
            STRIDES.index(self.stride) if self.stride in STRIDES else 0,
        )


def guesses_for(sight: Sight, given: Set[str]) -> Iterator[Guess]:
    """Yield guesses; what is given is as it is given in all of them."""
    for form in FORMS:
        is_fixed = "boxes" in given or sight.form != "xyxy"
        if is_fixed and form != sight.form:
            continue
        if "normalized" in given or not _are_fractions(sight):
            yield from _placed(form, sight, given, is_normalized=False)
        elif sight.pictures is not None:
            yield from _placed(form, sight, given, is_normalized=True)
        elif len(sight.maps) == 1 and not given & SCALE_OPTIONS:
            height, width = (int(side) for side in sight.maps[0])
            yield Guess(form, (1.0, 1.0), 1, is_normalized=True, sizes=(height, width))


def _are_fractions(sight: Sight) -> bool:
    numbers = sight.numbers
    return bool((np.abs(numbers) <= LARGEST_FRACTION).mean() > 0.98) and sight.maps.max() > 4


def _placed(form: str, sight: Sight, given: Set[str], is_normalized: bool) -> Iterator[Guess]:
    """Yield guesses about frames of boxes of a form."""
    for swapped in (False, True):
        if swapped and (sight.pictures is None or _are_square(sight.pictures) or form == "yxyx"):
            continue
        for scale, stride in _scales(sight, given):
            start = Guess(form, scale, stride, is_swapped=swapped, is_normalized=is_normalized)
            if given & FRAME_OPTIONS or sight.frames is not None:
                yield start._replace(is_said=True)
            if given & FRAME_OPTIONS or sight.scale_from == "images":
                continue
            yield start
            with_rules = sight.pictures is not None and max(scale) <= 1 / LEAST_STRIDE
            for rule in _rules(sight, scale) if with_rules else ():
                yield start._replace(rule=rule)


def _scales(sight: Sight, given: Set[str]) -> Iterator[tuple[tuple[float, float], int | None]]:
    """Yield scales, each with the stride that says it."""
    is_known = sight.scale_from != "default"
    if is_known:
        yield (sight.scale[0], sight.scale[-1]), None
    if given & SCALE_OPTIONS or sight.scale_from in {"images", "fractions"}:
        return
    for stride in STRIDES:
        if not (is_known and sight.scale == (1 / stride, 1 / stride)):
            yield (1 / stride, 1 / stride), stride


def _rules(sight: Sight, scale: tuple[float, float]) -> Iterator[Rule]:
    """Yield rules of resizing: those that are published, and those that lead to such maps."""
    texts = [*SHORTS, *CROPS, f"long:{LONGEST}"]
    height, width = (
        round(int(side) / factor)
        for side, factor in zip(sight.maps.max(axis=0), scale, strict=True)
    )
    texts.append(f"long:{max(height, width)}")
    size = f"{height}" if height == width else f"{height}x{width}"
    texts += [f"letterbox:{size}", f"stretch:{size}"]
    multiple = math.lcm(*(max(round(1 / factor), 1) for factor in scale))
    texts.append(f"center-pad:{multiple}")
    if height == width <= LARGEST_CROP:
        texts.append(f"crop:{round(height * 256 / 224)},{height}")
    yield from (as_resize(text) for text in dict.fromkeys(texts))


def _are_alike(sizes: Floats) -> bool:
    return bool((sizes == sizes[0]).all())


def _are_square(sizes: Floats) -> bool:
    return bool((sizes[:, 0] == sizes[:, 1]).all())
