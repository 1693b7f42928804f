"""Weights and windows, known before a pixel is read."""

import numpy as np
from hypothesis import given
from strategies import operators, rois

from lucid.roi import Operator, lay_out

SIZE = 6, 9


def geometry_of(table, operator):
    return lay_out(table[:, 1:], Operator.checked(**operator), SIZE, np.float64)


def matrices(axis, weights):
    for offset, count in zip(weights.offset, axis.count, strict=True):
        yield weights.flat[offset : offset + axis.pooled * count].reshape(axis.pooled, count)


@given(rois(images=1), operators())
def test_windows_lie_on_the_map_and_rows_of_weights_sum_to_the_share_in_range(table, operator):
    geometry = geometry_of(table, operator)
    for axis, size in zip((geometry.rows, geometry.cols), SIZE, strict=True):
        assert (axis.first >= 0).all()
        assert (axis.first + axis.count <= size).all()
        for matrix in matrices(axis, axis.weights(np.float64)):
            assert (matrix >= 0).all()
            assert (matrix.sum(axis=1) <= 1 + 1e-12).all()


@given(rois(images=1, least=1, most=8), operators())
def test_parts_cover_every_roi_once_and_do_not_change_weights(table, operator):
    geometry = geometry_of(table, operator)
    whole = list(matrices(geometry.rows, geometry.rows.weights(np.float64)))
    pieces, covered = [], []
    for part in geometry.parts(limit=50):
        some = geometry[part].rows
        pieces += matrices(some, some.weights(np.float64))
        covered += range(len(geometry))[part]
    assert covered == list(range(len(geometry)))
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)


def test_parts_bound_what_is_laid_out_at_once():
    """A thousand boxes that each touch 10^4 cells are laid out a few at a time."""
    table = np.tile([0.0, 0, 0, 1e4, 1e4], (1000, 1))
    geometry = lay_out(table[:, 1:], Operator.checked(7), (10**4, 10**4), np.float32)
    for part in geometry.parts():
        some = geometry[part]
        assert some.rows.weights(np.float32).flat.size + len(some) < 1 << 19
