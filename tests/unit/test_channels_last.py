"""Maps are laid out with the channels of a cell side by side, whatever their own layout."""

from itertools import product

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from lucid.models.utils import roi_align
from lucid.roi.engines.numpy import channels_last, tuning
from lucid.roi.engines.numpy.channels_last import Copy, from_channels_last, to_channels_last
from lucid.roi.engines.numpy.tuning import Tuning
from lucid.roi.engines.numpy.workspace import Workspace

LAYOUTS = {
    "whole": lambda maps: maps,
    "a window": lambda maps: maps[:, 1:-1, 2:-1],
    "rows": lambda maps: maps[:, 1:-1],
    "upside down": lambda maps: maps[:, ::-1],
    "mirrored": lambda maps: maps[:, :, ::-1],
    "every other column": lambda maps: maps[:, :, ::2],
    "channels in reverse": lambda maps: maps[::-1],
    "rows that overlap": lambda maps: sliding_window_view(maps[:, 0], 4, axis=1),
    "channels that overlap": lambda maps: sliding_window_view(maps[0], 4, axis=0).transpose(
        0, 2, 1
    ),
    "channels last": lambda maps: maps.transpose(1, 2, 0),
    "one map for all channels": lambda maps: np.broadcast_to(maps[:1], maps.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_map_is_laid_out_cell_by_cell_whatever_its_layout(rng, monkeypatch, layout):
    names = "staged_channels", "staged_cells", "staged_values"
    sizes = dict(zip(names, rng.integers(1, 200, 3).tolist(), strict=True))
    monkeypatch.setattr(tuning, "current", Tuning(**sizes))
    shapes = (1, 5, 6), (2, 9, 70), (40, 16, 32), (300, 6, 8)
    for shape, dtype in product(shapes, ("f4", "f8", "f2", ">f4", "u1")):
        part = LAYOUTS[layout](rng.integers(0, 100, shape).astype(dtype))
        table = np.zeros(
            (part.shape[1] * part.shape[2], len(part) + 3), "f8" if dtype == "f8" else "f4"
        )
        place = table[:, 1:-2].reshape(*part.shape[1:], len(part))
        assert place.base is not None
        to_channels_last(Workspace(), Copy(part, place))
        np.testing.assert_array_equal(place, part.transpose(1, 2, 0))
        assert not table[:, [0, -2, -1]].any()
        if part.dtype == place.dtype and part.flags.writeable:
            expected = part.copy()
            part[...] = 0
            from_channels_last(Copy(part, place))
            np.testing.assert_array_equal(part, expected)


def test_numbers_that_lie_at_odd_addresses_are_laid_out(rng):
    part = np.empty(4 * 8 * 20 * 120 + 1, np.uint8)[1:].view(np.float32).reshape(8, 20, 120)
    part[...] = rng.standard_normal(part.shape)
    place = np.empty((20, 120, 8), np.float32)
    to_channels_last(Workspace(), Copy(part, place))
    np.testing.assert_array_equal(place, part.transpose(1, 2, 0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_crops_do_not_depend_on_where_the_channels_of_a_map_lie(rng, dtype):
    """Channels at a large power of two from each other are copied in another way."""
    features = (8 * rng.standard_normal((2, 70, 32, 64))).astype(dtype)
    elsewhere = np.zeros((2, 70, 33, 67), dtype)[:, :, :32, :64]
    elsewhere[...] = features
    corner = rng.uniform(-5, 30, (30, 2))
    table = np.c_[rng.integers(0, 2, 30), corner, corner + rng.uniform(0, 40, (30, 2))]
    np.testing.assert_array_equal(roi_align(features, table, 3), roi_align(elsewhere, table, 3))
    everywhere = np.broadcast_to(features[:1, :1], features.shape)  # at no distance at all
    elsewhere[...] = everywhere
    np.testing.assert_array_equal(roi_align(everywhere, table, 3), roi_align(elsewhere, table, 3))


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_nothing_is_copied_of_nothing(shape):
    part, place = np.zeros(shape, np.float32), np.zeros((*shape[1:], shape[0]), np.float32)
    to_channels_last(Workspace(), Copy(part, place))
    from_channels_last(Copy(part, place))


def test_channels_that_share_places_of_the_cache_are_set_apart(rng, monkeypatch):
    distances = []
    staggered = channels_last._staggered

    def seen(*arguments):
        copied = staggered(*arguments)
        distances.append(copied.strides[0])
        return copied

    monkeypatch.setattr(channels_last, "_staggered", seen)
    part, place = rng.standard_normal((64, 32, 32), np.float32), np.empty((32, 32, 64), np.float32)
    to_channels_last(Workspace(), Copy(part, place))
    np.testing.assert_array_equal(place, part.transpose(1, 2, 0))
    assert distances
    assert all(distance % tuning.current.crowded_stride_bytes for distance in distances)
