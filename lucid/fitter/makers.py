"""What makes crops: operators with their parameters, and the frameworks that have them.

Where a framework does otherwise than all others, its own way is here in a few lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lucid.roi import as_rois, pool
from lucid.roi.operators import OPERATORS, operator_of
from lucid.stream.types import Array

RATIOS = (-1, 1, 2, 3, 4)
PLAIN = (
    "torchvision roi_align",
    "Detectron2 ROIAlign",
    "onnxruntime RoiAlign (output_half_pixel, opset 10)",
    "OpenVINO ROIAlign (asymmetric)",
    "mmcv roi_align (aligned=False)",
)
ALIGNED = (
    "torchvision roi_align (aligned=True)",
    "Detectron2 ROIAlignV2",
    "onnxruntime RoiAlign (half_pixel, opset 16)",
    "OpenVINO ROIAlign (half_pixel_for_nn)",
    "mmcv roi_align",
)
HALF_PIXEL = ("OpenVINO ROIAlign (half_pixel)",)
LONGER = ("MindSpore ROIAlign (roi_end_mode=1)",)
MAX = ("mmcv roi_align (pool_mode='max')", "MNN ROIAlign (max)")
OPENVINO_MAX = ("OpenVINO ROIAlign (max), which begins with 0",)
ONNX_MAX = ("onnxruntime RoiAlign (max), the largest weighted corner",)
OTHERS = {
    "roi-pool": ("torchvision roi_pool", "onnxruntime MaxRoiPool", "OpenVINO ROIPooling (max)"),
    "prroi-pool": ("PreciseRoIPooling", "mmcv prroi_pool"),
    "ps-roi-align": ("torchvision ps_roi_align", "MXNet PSROIAlign"),
    "ps-roi-pool": ("R-FCN PSROIPooling", "MXNet PSROIPooling", "OpenVINO PSROIPooling (average)"),
}
RESIZED = ("TensorFlow crop_and_resize", "onnxruntime CropAndResize")
TOLD_APART_BY = {  # what frameworks that make the same of all other RoIs differ in
    ALIGNED: "boxes without area, of which OpenVINO makes NaN and the others 0",
    MAX: "bins without samples, which are huge negative numbers, and of two kinds",
    OTHERS["roi-pool"]: "NaN on the maps, which is never the largest to torchvision",
    OTHERS["ps-roi-align"]: "boxes without area, of which torchvision makes NaN",
}


class Maker(NamedTuple):
    """A way to make crops."""

    operator: str
    options: Mapping[str, Any]  # of the operator
    frameworks: tuple[str, ...]
    moved: tuple[float, float] = (0.0, 0.0)  # what is added to x1, y1 and to x2, y2 of boxes
    special: str = ""  # 'from 0' or 'weighted corners': what no option says

    @property
    def is_in_options(self) -> bool:
        """Whether `extract` does the same."""
        return not (self.special or any(self.moved))

    @property
    def is_slow(self) -> bool:
        """Whether crops are made in plain loops."""
        return self.special == "weighted corners"

    def __call__(self, maps: Array, boxes: Array, size: tuple[int, int], scale: Any) -> Array:
        """Return crops (k, C, PH, PW) of boxes (k, 4) in input coordinates on one map (C, H, W)."""
        moved = boxes + np.repeat(self.moved, 2)
        if self.special == "weighted corners":
            return _weighted_corners(maps, moved * [*scale[::-1], *scale[::-1]], size, self.options)
        takes = OPERATORS[self.operator].takes
        scaled = {"spatial_scale": scale} if "spatial_scale" in takes else {}
        operator = operator_of(self.operator, size, **self.options, **scaled)
        rows = np.column_stack([np.zeros(len(moved)), moved])
        table = as_rois(rows, 1, invalid="zero", form=operator.form)
        crops = pool(maps[None], table, operator)
        return np.maximum(crops, 0) if self.special == "from 0" else crops


def makers_for(given: Mapping[str, Any], *, is_split: bool, are_fractions: bool) -> list[Maker]:
    """Return the makers that do not contradict what is given.

    `is_split` says that crops have fewer channels than maps, as those of position-sensitive
    operators have.
    """
    names = ["ps-roi-align", "ps-roi-pool"] if is_split else ["roi-align", "roi-pool", "prroi-pool"]
    if are_fractions and not is_split:
        names.append("crop-and-resize")
    made = [maker for name in names for maker in _MAKERS[name](given)]
    return [maker for maker in made if _agrees(maker, given)]


def _agrees(maker: Maker, given: Mapping[str, Any]) -> bool:
    said = {"operator": maker.operator, "mode": "avg", **maker.options}
    return all(said[name] == given[name] for name in said.keys() & given.keys())


def _roi_aligns(given: Mapping[str, Any]) -> Iterator[Maker]:
    for ratio in _ratios(given, ("inf",)):
        for aligned, names in ((False, PLAIN), (True, ALIGNED)):
            options = {"sampling_ratio": ratio, "aligned": aligned}
            exact = ratio == float("inf")
            yield Maker("roi-align", options, () if exact else names)
            largest = options | {"mode": "max"}
            if not exact:
                yield Maker("roi-align", largest, MAX)
                yield Maker("roi-align", largest, OPENVINO_MAX, special="from 0")
                yield Maker("roi-align", largest, ONNX_MAX, special="weighted corners")
        options = {"sampling_ratio": ratio, "aligned": True}
        yield Maker("roi-align", options, HALF_PIXEL, moved=(0.5, 0.5))
        yield Maker("roi-align", options | {"aligned": False}, LONGER, moved=(0.0, 1.0))


def _ratios(given: Mapping[str, Any], more: Collection[str] = ()) -> list[float]:
    own = given.get("sampling_ratio")
    return [*RATIOS, *map(float, more)] if own is None else [own]


def _of_ratios(operator: str, given: Mapping[str, Any]) -> Iterator[Maker]:
    for ratio in _ratios(given):
        yield Maker(operator, {"sampling_ratio": ratio}, OTHERS[operator])


_MAKERS: dict[str, Any] = {
    "roi-align": _roi_aligns,
    "roi-pool": lambda given: [Maker("roi-pool", {}, OTHERS["roi-pool"])],
    "prroi-pool": lambda given: [Maker("prroi-pool", {}, OTHERS["prroi-pool"])],
    "ps-roi-align": lambda given: _of_ratios("ps-roi-align", given),
    "ps-roi-pool": lambda given: [Maker("ps-roi-pool", {}, OTHERS["ps-roi-pool"])],
    "crop-and-resize": lambda given: [
        Maker("crop-and-resize", {"method": method}, RESIZED) for method in ("bilinear", "nearest")
    ],
}


def _weighted_corners(
    maps: Array, cells: Array, size: tuple[int, int], options: Mapping[str, Any]
) -> Array:
    """Return per bin the largest cell that a sample reads, each times its own weight."""
    crops = np.zeros((len(cells), len(maps), *size), maps.dtype)
    for crop, (x1, y1, x2, y2) in zip(crops, cells - 0.5 * options["aligned"], strict=True):
        ways = [
            _readings(*ends, bins, length, options)
            for ends, bins, length in zip(((y1, y2), (x1, x2)), size, maps.shape[1:], strict=True)
        ]
        for p, down in enumerate(ways[0]):
            for q, across in enumerate(ways[1]):
                read = [maps[:, i, j] * (v * w) for i, v in down for j, w in across] or [
                    np.zeros(len(maps))
                ]
                crop[:, p, q] = np.max(read, axis=0)
    return crops


def _readings(
    start: float, end: float, bins: int, length: int, options: Mapping[str, Any]
) -> list[list[tuple[int, float]]]:
    """Return for each bin the cells that its samples read along an axis, with their weights."""
    extent = end - start if options["aligned"] else max(end - start, 1.0)
    ratio = options["sampling_ratio"]
    count = ratio if ratio > 0 else int(np.ceil(np.float32(extent) / np.float32(bins)))
    found = []
    for bin_ in range(bins):
        cells: list[tuple[int, float]] = []
        for sample in range(count):
            at = start + (bin_ + (sample + 0.5) / count) * extent / bins
            if not -1 <= at <= length:
                cells.append((0, 0.0))
                continue
            low = min(int(max(at, 0)), length - 1)
            share = min(max(at, 0) - low, 1.0) if low < length - 1 else 0.0
            cells += [(low, 1 - share), (min(low + 1, length - 1), share)]
        found.append(cells)
    return found
