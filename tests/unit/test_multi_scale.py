"""Pyramids: which map a RoI is given, and that it is pooled there as by the operator alone."""

import math

import numpy as np
import pytest

from lucid import DTypeError, RoiError, ShapeError, Tensor
from lucid.models.utils import (
    MultiScaleROIAlign,
    assign_levels,
    prroi_pool,
    roi_align,
    roi_align_rotated,
)

STRIDES = (4, 8, 16, 32)
SCALES = [1 / stride for stride in STRIDES]


def square(side):
    return (10.0, 20.0, 10.0 + side, 20.0 + side)


def level_by_definition(box, scales, level=4, canonical=224):
    """Return the number of the coarsest map that is not coarser than the box's level."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    if area == 0:
        return max(range(len(scales)), key=lambda n: scales[n])
    k = math.floor(level + math.log2(math.sqrt(area) / canonical) + 1e-6)
    fits = [n for n, scale in enumerate(scales) if math.log2(1 / scale) <= k + 1e-6]
    if not fits:
        return max(range(len(scales)), key=lambda n: scales[n])
    return min(fits, key=lambda n: scales[n])


class TestAssignLevels:
    def test_round_sides_change_the_level_at_half_and_twice_the_canonical_one(self):
        boxes = [(0, 0, side, side) for side in (111.99, 112, 223.9, 224, 447.9, 448)]
        assert [STRIDES[n] for n in assign_levels(boxes, SCALES)] == [4, 8, 8, 16, 16, 32]

    def test_the_area_decides_and_not_a_side(self):
        boxes = [(0, 0, 98, 512), (0, 0, 512, 98), (5, 5, 5 + 112, 5 + 448)]
        assert assign_levels(boxes, SCALES).tolist() == [2, 2, 2]

    def test_boxes_without_area_go_to_the_finest_map_wherever_it_stands(self):
        boxes = [(3, 3, 3, 3), (3, 3, 900, 3)]
        assert assign_levels(boxes, SCALES).tolist() == [0, 0]
        assert assign_levels(boxes, SCALES[::-1]).tolist() == [3, 3]

    @pytest.mark.parametrize("scales", [SCALES, SCALES[::-1], [1 / 8, 1 / 32], [0.3, 0.01, 0.07]])
    def test_agrees_with_the_definition(self, rng, scales):
        corner, size = rng.uniform(0, 99, (300, 2)), 2 ** rng.uniform(-2, 12, (300, 2))
        boxes = np.column_stack([corner, corner + size])
        expected = [level_by_definition(box, scales) for box in boxes]
        assert assign_levels(boxes, scales).tolist() == expected
        other = [level_by_definition(box, scales, 3.5, 100) for box in boxes]
        found = assign_levels(boxes, scales, canonical_level=3.5, canonical_scale=100)
        assert found.tolist() == other

    def test_two_maps_of_one_level_are_the_first_and_one_map_is_for_all(self):
        assert assign_levels([square(300)], [1 / 4, 1 / 16, 1 / 16]).tolist() == [1]
        assert assign_levels([square(1), square(9999)], [1 / 64]).tolist() == [0, 0]

    def test_rotated_boxes_have_the_area_of_their_sides(self):
        assert assign_levels([(50, 50, 224, 224, 30), (50, 50, 100, 100, 0)], SCALES).tolist() == [
            2,
            0,
        ]

    def test_no_boxes_have_no_levels_and_the_largest_has_one(self):
        assert assign_levels(np.zeros((0, 4)), SCALES).shape == (0,)
        assert assign_levels([(-1e308, -1e308, 1e308, 1e308)], SCALES).tolist() == [3]

    def test_says_what_is_wrong(self):
        with pytest.raises(RoiError, match="boxes: x2 must be at least x1, got .* at row 1"):
            assign_levels([square(1), (5, 0, 4, 9)], SCALES)
        with pytest.raises(ShapeError, match=r"boxes must have shape \(L, 4\)"):
            assign_levels([[0, 1, 1, 3, 3, 3]], SCALES)
        with pytest.raises(ValueError, match="spatial_scales must be finite and > 0"):
            assign_levels([square(1)], [0.25, 0])
        with pytest.raises(ValueError, match="canonical_scale must be finite and > 0"):
            assign_levels([square(1)], SCALES, canonical_scale=0)


def pyramid(rng, channels=3, dtype=np.float64):
    """Return maps of two images at four strides, and RoIs of all sizes in a random order."""
    sizes = [(480 // stride, 640 // stride) for stride in STRIDES]
    maps = [rng.standard_normal((2, channels, *size)).astype(dtype) for size in sizes]
    sides = 2 ** rng.uniform(3, 8.8, (24, 2))
    sides[:4] = np.array([[50, 150, 300, 470]]).T  # one of each level
    corner = rng.uniform(0, 1, (24, 2)) * np.maximum([640, 480] - sides, 0)
    return maps, np.column_stack([rng.integers(0, 2, 24), corner, corner + sides])


@pytest.mark.usefixtures("engine")
class TestMultiScaleROIAlign:
    @pytest.mark.parametrize(
        ("pooler", "options", "pool"),
        [
            ("roi-align", {"sampling_ratio": 2}, roi_align),
            ("roi-align", {"aligned": True}, roi_align),
            ("roi-align", {"outside": "renormalize", "max_samples": 3}, roi_align),
            ("prroi-pool", {}, prroi_pool),
        ],
    )
    def test_row_k_is_roi_k_pooled_from_its_map(self, rng, pooler, options, pool):
        maps, rois = pyramid(rng)
        crops = MultiScaleROIAlign((2, 3), pooler=pooler, **options)(maps, rois, SCALES)
        levels = assign_levels(rois[:, 1:], SCALES)
        assert len(set(levels.tolist())) == 4
        for k, level in enumerate(levels):
            alone = pool(maps[level], rois[[k]], (2, 3), SCALES[level], **options)
            np.testing.assert_array_equal(crops[k], alone[0])

    def test_rotated_rois_are_pooled_from_their_maps_too(self, rng):
        maps, rois = pyramid(rng)
        turned = np.column_stack(
            [
                rois[:, 0],
                (rois[:, 1:3] + rois[:, 3:]) / 2,
                rois[:, 3:] - rois[:, 1:3],
                rng.uniform(-180, 180, len(rois)),
            ]
        )
        pool = MultiScaleROIAlign(2, pooler="roi-align-rotated", aligned=None, clockwise=True)
        crops = pool(maps, turned, SCALES)
        levels = assign_levels(turned[:, 1:], SCALES)
        assert levels.tolist() == assign_levels(rois[:, 1:], SCALES).tolist()
        for k, level in enumerate(levels):
            alone = roi_align_rotated(maps[level], turned[[k]], 2, SCALES[level], clockwise=True)
            np.testing.assert_array_equal(crops[k], alone[0])

    def test_gradients_are_those_of_each_map(self, rng):
        maps, rois = pyramid(rng, channels=2)
        tensors = [Tensor(one, requires_grad=True) for one in maps]
        table = Tensor(rois, requires_grad=True)
        crops = MultiScaleROIAlign(2, sampling_ratio=2)(tensors, table, SCALES)
        g = rng.standard_normal(crops.shape)
        crops.backward(g)
        levels = assign_levels(rois[:, 1:], SCALES)
        for level, scale in enumerate(SCALES):
            rows = levels == level
            alone, own = Tensor(maps[level], requires_grad=True), Tensor(rois[rows], True)
            roi_align(alone, own, 2, scale, 2).backward(g[rows])
            np.testing.assert_array_equal(tensors[level].grad, alone.grad)
            np.testing.assert_array_equal(table.grad[rows], own.grad)

    def test_only_what_requires_a_gradient_has_one(self, rng):
        maps, rois = pyramid(rng)
        tensors = [Tensor(one, requires_grad=level == 1) for level, one in enumerate(maps)]
        MultiScaleROIAlign(2)(tensors, rois, SCALES).sum().backward()
        assert [one.grad is not None for one in tensors] == [False, True, False, False]

    def test_takes_a_dict_and_boxes_image_by_image(self, rng):
        maps, rois = pyramid(rng)
        rois = rois[np.argsort(rois[:, 0], kind="stable")]
        expected = MultiScaleROIAlign(2)(maps, rois, SCALES)
        names = ["p2", "p3", "p4", "p5"]
        lists = [rois[rois[:, 0] == image, 1:] for image in (0, 1)]
        scales = dict(zip(names[::-1], SCALES[::-1], strict=True))
        crops = MultiScaleROIAlign(2)(dict(zip(names, maps, strict=True)), lists, scales)
        np.testing.assert_array_equal(crops, expected)

    def test_says_what_does_not_belong_together(self, rng):
        maps, rois = pyramid(rng)
        pool = MultiScaleROIAlign(2)
        with pytest.raises(ValueError, match="a number for each of 4 maps, got 2"):
            pool(maps, rois, SCALES[:2])
        with pytest.raises(ValueError, match="spatial_scales must be a number for each map"):
            pool(maps, rois, [(0.5, 0.5)] * 4)
        with pytest.raises(ValueError, match=r"keys of features, \['p2'\], got \['p3'\]"):
            pool({"p2": maps[0]}, rois, {"p3": 1})
        with pytest.raises(ShapeError, match="same N and C"):
            pool([maps[0], maps[1][:, :1]], rois, SCALES[:2])
        with pytest.raises(DTypeError, match="same dtype, got float64 and float32"):
            pool([maps[0], maps[1].astype("f4")], rois, SCALES[:2])
        with pytest.raises(ShapeError, match=r"features\[1\] must have shape"):
            pool([maps[0], maps[1][0]], rois, SCALES[:2])

    def test_options_that_mean_nothing_to_the_pooler_are_refused(self):
        with pytest.raises(ValueError, match="mode means nothing to pooler prroi-pool"):
            MultiScaleROIAlign(2, pooler="prroi-pool", mode="max")
        with pytest.raises(ValueError, match="aligned means nothing to pooler prroi-pool"):
            MultiScaleROIAlign(2, pooler="prroi-pool", aligned=True)
        with pytest.raises(ValueError, match="sampling_ratio means nothing"):
            MultiScaleROIAlign(2, 2, pooler="prroi-pool")
        with pytest.raises(TypeError, match="colour means nothing"):
            MultiScaleROIAlign(2, colour=1)
        with pytest.raises(ValueError, match="operator must be one of"):
            MultiScaleROIAlign(2, pooler="roi")

    def test_shows_what_it_was_made_with(self):
        text = "MultiScaleROIAlign(output_size=(2, 2), canonical_level=4.0, canonical_scale=224.0, "
        assert repr(MultiScaleROIAlign(2)) == (
            text + "pooler='roi-align', aligned=False, sampling_ratio=-1)"
        )
