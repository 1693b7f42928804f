"""Windows and weights, known before a pixel is read."""

import numpy as np
import pytest
from hypothesis import given
from strategies import operators, rois

from lucid.roi import RoiAlign, lay_out
from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.channels_last import ChannelsLastTable
from lucid.roi.engines.numpy.passes import CropsPass
from lucid.roi.engines.numpy.weights import groups, parts_of

SIZE = 6, 9


def geometry_of(table, operator):
    return lay_out(table[:, 1:], RoiAlign.checked(**operator), SIZE, np.float64)


def groups_of(geometry, rois, dtype):
    """Return some RoIs with their weights, for crops of one channel."""
    nowhere = np.zeros(len(geometry), np.int64)
    table = ChannelsLastTable(cells=np.zeros((0, 1), dtype), base=nowhere, pitch=nowhere)
    return groups(geometry, rois, table, CropsPass())


def listed(geometry):
    """Return the bands of each RoI: cells and weights of its rows and of its columns."""
    found = {}
    for group in groups_of(geometry, np.arange(len(geometry)), np.float64):
        for k, roi in enumerate(group.rois.tolist()):
            assert roi not in found
            found[roi] = [*band_by_band(group.rows, k), *band_by_band(group.cols, k)]
    assert sorted(found) == list(range(len(geometry)))
    return [found[k] for k in range(len(found))]


def band_by_band(side, k):
    """Return the cells (R, L) of a RoI's bands, and their weights (R, M, L)."""
    bands, _, length = side.weights[k].shape
    places = side.step * np.arange(bands)[:, None] + np.arange(length)
    return side.cells[k][places], side.weights[k]


@given(rois(images=1), operators())
def test_windows_lie_on_the_map_and_rows_of_weights_sum_to_the_share_in_range(table, operator):
    geometry = geometry_of(table, operator)
    for axis, size in enumerate(SIZE):
        first, count = geometry.first[axis], geometry.count[axis]
        assert (first >= 0).all()
        assert (first + count <= size).all()
        for k, sides in enumerate(listed(geometry)):
            cells, weights = sides[2 * axis : 2 * axis + 2]
            assert (np.diff(cells, axis=1) >= 0).all()
            assert ((cells >= first[k]) & (cells < first[k] + count[k])).all()
            assert (weights >= 0).all()
            assert (weights.sum(axis=2) <= 1 + 1e-12).all()


@given(rois(images=1, least=1, most=8), operators())
def test_parts_cover_every_roi_once_and_do_not_change_weights(monkeypatch, table, operator):
    monkeypatch.setattr(tuning, "current", tuning.Tuning(laid_out_values=50))
    geometry = geometry_of(table, operator)
    pieces = {}
    for part in parts_of(geometry):
        assert not pieces.keys() & set(part.tolist())
        pieces |= zip(part.tolist(), listed(geometry[part]), strict=True)
    assert sorted(pieces) == list(range(len(geometry)))
    for k, one in enumerate(listed(geometry)):
        for ours, theirs in zip(one, pieces[k], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_maps_of_differing_size_are_laid_out_together_as_each_alone(rng):
    corner = rng.uniform(-3, 20, (30, 2))
    boxes = np.c_[corner, corner + rng.uniform(0, 30, (30, 2))]
    sizes = rng.integers(1, 30, (2, 30))
    operator = RoiAlign.checked((3, 2), 0.7)
    together = lay_out(boxes, operator, sizes, np.float32)
    for k in range(30):
        alone = lay_out(boxes[k : k + 1], operator, sizes[:, k], np.float32)
        np.testing.assert_array_equal(together[k : k + 1].first, alone.first)
        np.testing.assert_array_equal(together[k : k + 1].count, alone.count)


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_few_samples_of_a_large_box_list_few_cells(ratio):
    """A box of 10^4 cells whose bins have so many samples touches two cells for each."""
    geometry = lay_out(np.array([[0.0, 0, 1e4, 1e4]]), RoiAlign.checked(7, 1, ratio), (10**4,) * 2,
                       np.float32)  # fmt: skip
    (rows, _, cols, _), = listed(geometry)  # fmt: skip
    assert np.unique(rows).size == 14 * ratio
    assert rows.size + cols.size <= 28 * ratio * 1.25 + 7


@pytest.mark.slow
def test_parts_bound_what_is_laid_out_at_once():
    """Two hundred boxes that each touch 10^4 cells are laid out a few at a time."""
    table = np.tile([0.0, 0, 0, 1e4, 1e4], (200, 1))
    geometry = lay_out(table[:, 1:], RoiAlign.checked(7), (10**4, 10**4), np.float32)
    for part in parts_of(geometry):
        group = next(iter(groups_of(geometry, part, np.float32)))
        assert group.rows.weights.size + group.cols.weights.size < 1 << 20


def test_parts_bound_what_is_laid_out_of_boxes_that_touch_nothing():
    table = np.tile([0.0, 100, 100, 105, 105], (1000, 1))
    geometry = lay_out(table[:, 1:], RoiAlign.checked((1, 4096)), (10, 10), np.float32)
    for part in parts_of(geometry):
        assert len(part) * 2 * 4096 <= tuning.current.laid_out_values
