"""Values that are not finite reach what reads them, and nothing else; with either engine."""

import numpy as np
import oracles
import pytest

from lucid.models.utils import roi_align
from lucid.roi import RoiAlign, as_rois, box_gradient, pool_adjoint

pytestmark = pytest.mark.usefixtures("engine")
HOLES = [np.nan, np.inf, -np.inf]


def table_on(rng, images, height, width, count=80):
    corner = rng.uniform(-5, [width, height], (count, 2))
    table = np.c_[rng.integers(0, images, count), corner, corner + rng.uniform(0, 30, (count, 2))]
    table[::3, 1:] = table[::3, 1:].round()
    return table


def reads(table, shape, *operator):
    """Return which cells each bin reads, weight 0 included: (K, PH, PW, H, W), by plain loops."""
    height, width = shape
    maps = np.ones((height * width, height, width))
    maps.reshape(len(maps), -1)[np.diag_indices(len(maps))] = np.nan
    found = np.isnan(oracles.roi_align(maps[None], table, *operator))
    return found.transpose(0, 2, 3, 1).reshape(*found.shape[:1], *found.shape[2:], height, width)


@pytest.mark.parametrize("ratio", [-1, 1, 2])
def test_a_hole_is_found_exactly_where_a_sample_reads_it(rng, ratio):
    """Other bins of the RoI are as they would be."""
    features = rng.standard_normal((2, 4, 20, 25))
    features[:, 1:, 5:8, 7] = np.reshape(HOLES, (3, 1))
    table = table_on(rng, 2, 20, 25, 30)
    crops = roi_align(features, table, (4, 5), 1.0, ratio)
    with np.errstate(invalid="ignore"):
        expected = oracles.roi_align(features, table, (4, 5), 1.0, ratio)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(crops), finite)
    np.testing.assert_allclose(crops[finite], expected[finite], atol=1e-10)


def test_a_hole_beside_the_largest_value_leaves_it_finite():
    largest = np.finfo(np.float32).max
    features = np.full((1, 2, 9, 9), largest, np.float32)
    features[0, :, 2, 2] = np.nan
    crops = roi_align(features, [[0, 1, 1, 7, 7]], 5)
    assert np.isnan(crops).any()
    assert not np.isinf(crops).any()
    np.testing.assert_allclose(crops[~np.isnan(crops)], largest)


@pytest.mark.slow
@pytest.mark.parametrize(("ratio", "hole"), [(-1, np.nan), (2, np.inf)])
def test_a_hole_in_the_gradient_reaches_the_cells_that_its_bin_reads(rng, ratio, hole):
    table, operator = table_on(rng, 1, 6, 7, 12), ((3, 2), 1.0, ratio, True)
    g = rng.standard_normal((12, 4, 3, 2))
    bad = rng.random(g.shape) < 0.03
    bad[:, 0] = False
    features, rois = np.zeros((1, 4, 6, 7)), as_rois(table, 1)
    expected, found = (
        pool_adjoint(np.where(bad, value, g), features, rois, RoiAlign.checked(*operator))
        for value in (0, hole)
    )
    hit = np.einsum("kcpq,kpqyx->cyx", bad, reads(table, (6, 7), *operator)).astype(bool)
    np.testing.assert_array_equal(~np.isfinite(found[0]), hit)
    np.testing.assert_allclose(found[0][~hit], expected[0][~hit], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [-1, 1])
def test_a_hole_makes_holes_of_the_gradients_of_boxes_that_read_it(rng, ratio):
    features = rng.standard_normal((1, 40, 8, 9))
    table, operator = table_on(rng, 1, 8, 9, 9), ((3, 2), 1.0, ratio, False)
    g = rng.standard_normal((9, 40, 3, 2))
    bad = np.zeros((8, 9), bool)
    bad[4, 3:7:2] = bad[6, 8] = True
    rois, fixed = as_rois(table, 1), RoiAlign.checked(*operator)
    expected = box_gradient(g, np.where(bad, 0, features), rois, fixed)
    found = box_gradient(g, np.where(bad, np.nan, features), rois, fixed)
    hit = (reads(table, (8, 9), *operator) & bad).any(axis=(1, 2, 3, 4))
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), hit)
    np.testing.assert_allclose(found[~hit], expected[~hit], atol=1e-9)
