"""Pyramids beside those of frameworks: by their own few lines, and torchvision itself."""

import math

import numpy as np
import pytest

import lucid
from lucid.models.utils import MultiScaleROIAlign, assign_levels, roi_align

STRIDES = (4, 8, 16, 32)
SCALES = [1 / stride for stride in STRIDES]


def boxes_of_all_sizes(rng, count, longest=640):
    """Return boxes with one decimal, as files often have them, of sides from 2 pixels on."""
    sides = 2 ** rng.uniform(1, math.log2(longest), (count, 2))
    corner = rng.uniform(0, 1, (count, 2)) * (longest - sides)
    return np.column_stack([corner, corner + sides]).round(1)


def sides_of(boxes):
    return np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def detectron2(boxes, strides, canonical_scale=224, canonical_level=4):
    """Return levels: strides are consecutive powers of 2, and the epsilon is in the logarithm."""
    lowest, highest = (int(math.log2(stride)) for stride in (strides[0], strides[-1]))
    level = np.floor(canonical_level + np.log2(sides_of(boxes) / canonical_scale + 1e-8))
    return np.clip(level, lowest, highest).astype(int) - lowest


def mmdet(boxes, strides, finest_scale=56):
    """Return levels, which are counted from the first map on, whatever its stride is."""
    level = np.floor(np.log2(sides_of(boxes) / finest_scale + 1e-6))
    return np.clip(level, 0, len(strides) - 1).astype(int)


def far_from_borders(boxes, scale=224):
    """Return which boxes are not within rounding of where a level begins."""
    level = np.log2(sides_of(boxes) / scale)
    return abs(level - np.rint(level)) > 1e-5


def test_levels_are_those_of_detectron2_but_for_its_epsilon(rng):
    boxes = boxes_of_all_sizes(rng, 20_000)
    some = boxes[far_from_borders(boxes)]
    assert len(some) > 19_900
    np.testing.assert_array_equal(assign_levels(some, SCALES), detectron2(some, STRIDES))
    round_sides = np.array([[0, 0, side, side] for side in (112.0, 224, 448)])
    np.testing.assert_array_equal(assign_levels(round_sides, SCALES), [1, 2, 3])
    np.testing.assert_array_equal(detectron2(round_sides, STRIDES), [1, 2, 3])
    nearly = np.array([[0, 0, 224 - 1e-4, 224 - 1e-4]])
    assert (assign_levels(nearly, SCALES), detectron2(nearly, STRIDES)) == (2, 1)


@pytest.mark.parametrize("strides", [STRIDES, (8, 16, 32), (2, 4, 8, 16, 32)])
def test_levels_are_those_of_mmdet_with_the_level_of_the_finest_map(rng, strides):
    boxes = boxes_of_all_sizes(rng, 5000)
    some = boxes[far_from_borders(boxes, 56)]
    found = assign_levels(some, [1 / s for s in strides], canonical_level=2 + math.log2(strides[0]))
    np.testing.assert_array_equal(found, mmdet(some, strides))


@pytest.mark.parametrize("strides", [(4, 12, 20), (3, 7, 17), (32, 5, 14)])
def test_ratios_of_scales_need_not_be_powers_of_two(rng, strides, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scales = [1 / stride for stride in strides]
    maps = [rng.standard_normal((1, 3, 640 // s, 640 // s)).astype(np.float32) for s in strides]
    boxes = boxes_of_all_sizes(rng, 60)
    rois = np.column_stack([np.zeros(60), boxes])
    wanted = np.floor(4 + np.log2(sides_of(boxes) / 224) + 1e-6)
    finest = strides.index(min(strides))
    for k, level in enumerate(wanted):
        fits = [n for n, stride in enumerate(strides) if math.log2(stride) <= level + 1e-6]
        best = max(fits, key=lambda n: strides[n], default=finest)
        assert assign_levels(boxes[k : k + 1], scales) == best
    crops = MultiScaleROIAlign(3, 2)(maps, rois, scales)
    levels = assign_levels(boxes, scales)
    assert len(set(levels)) == len(strides)
    for level, (one, scale) in enumerate(zip(maps, scales, strict=True)):
        own = levels == level
        np.testing.assert_array_equal(crops[own], roi_align(one, rois[own], 3, scale, 2))
    of_levels = [(scale, one) for scale, one in zip(scales, maps, strict=True)]
    lucid.extract(None, rois, "c.npy", level=of_levels, output_size=3, sampling_ratio=2)
    np.testing.assert_array_equal(np.load("c.npy"), crops)


def torchvision_pooler(maps, rois, size, image=(512, 640)):
    """Return what `MultiScaleRoIAlign` of torchvision makes of maps."""
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision").ops
    pooler = ops.MultiScaleRoIAlign([str(n) for n in range(len(maps))], size, 2)
    boxes = [
        torch.from_numpy(rois[rois[:, 0] == n, 1:].astype(np.float32)) for n in range(len(maps[0]))
    ]
    named = {str(n): torch.from_numpy(one) for n, one in enumerate(maps)}
    return pooler(named, boxes, [image] * len(boxes)).numpy()


def test_torchvision_s_pooler_agrees_row_by_row(rng):
    maps = [rng.standard_normal((2, 5, 512 // s, 640 // s)).astype(np.float32) for s in STRIDES]
    boxes = boxes_of_all_sizes(rng, 200, 500)
    boxes[:6, :2] = 0
    boxes[:6, 2:] = [[side] * 2 for side in (111.9, 112, 223.9, 224, 447.9, 448)]
    rois = np.column_stack([np.sort(rng.integers(0, 2, 200)), boxes])
    ours = MultiScaleROIAlign(7, 2)(maps, rois, SCALES)
    np.testing.assert_allclose(ours, torchvision_pooler(maps, rois, 7), rtol=0, atol=1e-4)


def test_torchvision_s_pooler_takes_strides_for_consecutive():
    """Of torchvision 0.29: of strides 8 and 32, large boxes are zeros, others on the wrong map."""
    fine, coarse = np.full((1, 1, 64, 80), 1, np.float32), np.full((1, 1, 16, 20), 2, np.float32)
    rois = np.array([[0, 10, 10, 110, 110], [0, 10, 10, 250, 250], [0, 10, 10, 470, 470.0]])
    theirs = torchvision_pooler([fine, coarse], rois, 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(theirs, [1, 2, 0])
    ours = MultiScaleROIAlign(2, 2)([fine, coarse], rois, [1 / 8, 1 / 32]).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(ours, [1, 1, 2])
