"""Engines on whatever is drawn: they agree, and the C file refuses what it cannot do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lucid.roi import RoiAlign, as_rois, box_gradient, pool, pool_adjoint, set_engine
from lucid.roi.engines.compiled import _kernel, _largest, _solid, _turned
from lucid.roi.operators import RoiAlignRotated

pytestmark = pytest.mark.fuzz
COORDINATES = st.one_of(
    st.integers(-5, 45).map(float), st.floats(-60, 90), st.floats(-1e308, 1e308)
)


@st.composite
def maps(draw):
    shape = [draw(st.integers(1, most)) for most in (2, 70, 40, 40)]
    features = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape)
    features = features.astype(draw(st.sampled_from(["f2", "f4", "f8", ">f4"])))
    order = draw(st.permutations(range(4)))
    features = np.ascontiguousarray(features.transpose(order)).transpose(np.argsort(order))
    steps = [draw(st.sampled_from([1, 1, 1, -1, 2])) for _ in range(4)]
    return features[tuple(slice(None, None, step) for step in steps)]


@st.composite
def tables(draw, images):
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        (x1, x2), (y1, y2) = (sorted((draw(COORDINATES), draw(COORDINATES))) for _ in "xy")
        rows.append((draw(st.integers(0, images - 1)), x1, y1, x2, y2))
    return np.array(rows, np.float64).reshape(-1, 5)


@st.composite
def jobs(draw):
    features = draw(maps())
    size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    scale = draw(st.sampled_from([1.0, 0.25, 3.0, 1e-9, 1e12]))
    operator = RoiAlign.checked(
        size, scale, draw(st.sampled_from([-1, 1, 2, 7])), draw(st.booleans())
    )
    return features, as_rois(draw(tables(len(features))), len(features)), operator


@st.composite
def turned_jobs(draw):
    """Sides beyond the map, unless few samples are enough, or the plain engine takes long."""
    features, rows = draw(maps()), []
    sides = st.one_of(st.floats(0, 90), st.floats(0, 1e9), st.just(0.0))
    for _ in range(draw(st.integers(0, 8))):
        centre, angle = [draw(st.floats(-60, 90)) for _ in "xy"], draw(st.floats(-1e9, 1e9))
        image = draw(st.integers(0, len(features) - 1))
        rows.append((image, *centre, draw(sides), draw(sides), angle))
    operator = RoiAlignRotated.checked(
        (draw(st.integers(1, 9)), draw(st.integers(1, 9))),
        draw(st.sampled_from([1.0, 0.25, 3.0, 1e-9])),
        draw(st.sampled_from([-1, 1, 2, 7])),
        draw(st.booleans()),
        angle=draw(st.sampled_from(["degrees", "radians"])),
        clockwise=draw(st.booleans()),
    )
    table = np.array(rows, np.float64).reshape(-1, 6)
    return features, as_rois(table, len(features), form=operator.form), operator


@settings(max_examples=150)
@given(st.one_of(jobs(), turned_jobs()))
def test_engines_agree_on_what_is_drawn(job):
    features, table, operator = job
    shape = len(table), features.shape[1], *operator.output_size
    g = np.random.default_rng(1).standard_normal(shape)[:, ::-1]
    found = {}
    for engine in ("numpy", "compiled"):
        set_engine(engine)
        arguments = features, table, operator
        found[engine] = pool(*arguments), pool_adjoint(g, *arguments), box_gradient(g, *arguments)
    set_engine("auto")
    few = 1e-2 if features.dtype.itemsize == 2 else 1e-4 if features.dtype.itemsize == 4 else 1e-9
    for one, other in zip(*found.values(), strict=True):
        size = max(1.0, np.abs(one).max(initial=0))
        np.testing.assert_allclose(other / size, one / size, rtol=0, atol=few)


ARRAYS = hnp.arrays(
    st.sampled_from(["f4", "f8", "i8"]), hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)
)
INDICES = hnp.arrays(np.int64, st.integers(0, 5), elements=st.integers(-2, 6))
LISTS = st.tuples(
    INDICES, INDICES, INDICES, ARRAYS, ARRAYS, ARRAYS, INDICES, INDICES,
    st.tuples(st.integers(-1, 3), st.integers(-1, 3)), st.integers(-1, 3),
)  # fmt: skip


@settings(max_examples=500)
@given(LISTS)
def test_bad_taps_are_refused(arguments):
    try:
        _kernel.lists(*arguments)
    except ValueError:
        return


@settings(max_examples=500)
@given(
    st.integers(0, 8), st.integers(0, 5), st.integers(0, 5), st.integers(-2, 3),
    st.integers(-2, 3), hnp.array_shapes(min_dims=4, max_dims=4, max_side=4),
)  # fmt: skip
def test_bins_of_their_own_planes_read_no_others(channels, height, width, top, left, shape):
    """Two RoIs of two bins by one, on cells 1 and 2 along each axis."""
    line, bins = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 0, 0, 0])
    taps = line, bins, np.ones(5, np.int64), np.full((2, 5), 0.5), np.zeros(0), np.zeros(0)
    lists = _kernel.lists(*taps, np.full(4, 3), np.zeros(0, np.int64), (2, 1), 0)
    planes, crops = np.ones((height, width, channels)), np.zeros(shape)
    try:
        _kernel.own_crops(lists, 0, 2, planes, top, left, crops, np.arange(2), 8)
    except ValueError:
        return
    np.testing.assert_array_equal(crops[0], 1)


FLOATS = hnp.arrays(np.float64, st.integers(0, 5), elements=st.floats(-1e308, 1e308))
GRIDS = st.tuples(
    FLOATS, FLOATS, hnp.arrays(bool, st.integers(0, 5)), INDICES, INDICES, INDICES,
    st.tuples(st.floats(), st.floats()), st.tuples(st.integers(-1, 3), st.integers(-1, 3)),
    st.integers(-1, 3),
)  # fmt: skip


@settings(max_examples=500)
@given(GRIDS)
def test_bad_grids_are_refused(arguments):
    try:
        _kernel.grid_lists(*arguments)
    except ValueError:
        return


@settings(max_examples=1000)
@given(
    st.sampled_from(["crops", "own_crops", "features", "boxes", "lay_out", "lay_back"]),
    st.integers(-1, 3), st.integers(-1, 3), ARRAYS, st.integers(-3, 3), st.integers(-3, 3), ARRAYS,
    INDICES, st.sampled_from([4, 8, 3]),
)  # fmt: skip
def test_arrays_that_do_not_belong_together_are_refused(
    name, first, end, cells, top, left, other, rows, size
):
    """Two RoIs on a map of 3 by 3, each of one bin of two cells along each axis."""
    line, zeros = np.arange(4), np.zeros(4, np.int64)
    taps = line, zeros, zeros + 1, np.full((2, 4), 0.5), np.ones((2, 4)), np.ones((2, 4))
    lists = _kernel.lists(*taps, np.full(4, 3), np.zeros(2, np.int64), (1, 1), 2)
    try:
        getattr(_kernel, name)(lists, first, end, cells, top, left, other, rows, size)
    except (ValueError, TypeError):
        return


@settings(max_examples=1000)
@given(
    st.sampled_from(["crops", "maxima", "features", "boxes"]),
    st.lists(FLOATS, min_size=4, max_size=4), hnp.arrays(bool, st.integers(0, 5)),
    st.lists(INDICES, min_size=5, max_size=5),
    st.tuples(st.integers(-1, 3), st.integers(-1, 3)), ARRAYS, ARRAYS, st.sampled_from([4, 8, 3]),
)  # fmt: skip
def test_turned_grids_and_arrays_that_do_not_belong_together_are_refused(
    name, floats, fixed, whole, pooled, cells, other, size
):
    (centre, start, length, turn), (samples, sizes, base, pitch, rows) = floats, whole
    grids = centre, start, length, fixed, samples, turn, sizes, base, pitch
    try:
        getattr(_turned, name)(*grids, pooled, cells, other, rows, size, False)
    except (ValueError, TypeError):
        return


NUMBERS = st.one_of(st.floats(), st.floats(-9, 9))


@settings(max_examples=1000)
@given(
    st.sampled_from(["crops", "maxima", "features", "boxes"]),
    st.lists(NUMBERS, min_size=8, max_size=8),
    st.lists(st.integers(0, 9), min_size=2, max_size=2),
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
    st.integers(-20, 20), st.integers(0, 9), st.integers(0, 40),
)  # fmt: skip
def test_no_cell_beyond_the_table_is_read(name, numbers, samples, sizes, base, pitch, cells):
    """One turned RoI with whatever numbers, on a table of some cells."""
    centre, start, length, turn = (np.array(numbers[at : at + 2]) for at in range(0, 8, 2))
    grids = centre, start, length, np.zeros(2, bool), np.array(samples), turn, np.array(sizes)
    table, bins = np.ones((cells, 3)), np.ones((1, 3, 2, 2))
    places, first = (np.array([base]), np.array([pitch])), np.zeros(1, np.int64)
    try:
        getattr(_turned, name)(*grids, *places, (2, 2), table, bins, first, 8, True)
    except ValueError:
        return


@settings(max_examples=500)
@given(ARRAYS, ARRAYS, st.sampled_from([4, 8, 3]))
def test_planes_go_to_cells_that_are_theirs(planes, cells, size):
    try:
        _turned.lay_out(planes, cells, size)
    except (ValueError, TypeError):
        return
    np.testing.assert_array_equal(cells, planes.transpose(1, 2, 0))


BINS = st.tuples(
    INDICES, INDICES, st.tuples(st.integers(-1, 3), st.integers(-1, 3)), ARRAYS, ARRAYS, INDICES,
    st.sampled_from([4, 8, 3]),
)  # fmt: skip


@settings(max_examples=1000)
@given(BINS)
def test_bins_of_cells_that_do_not_belong_together_are_refused(arguments):
    try:
        _largest.crops(*arguments)
    except (ValueError, TypeError):
        return


@settings(max_examples=1000)
@given(
    hnp.arrays(np.int64, (1, 2, 2), elements=st.integers(-3, 6)),
    hnp.arrays(np.int64, (1, 3, 2), elements=st.integers(-3, 6)),
    st.integers(0, 4), st.integers(0, 4), st.integers(0, 40),
)  # fmt: skip
def test_no_cell_beyond_the_map_is_the_largest(rows, cols, height, width, channels):
    cells, crops = np.ones((height, width, channels)), np.zeros((1, channels, 2, 3))
    try:
        _largest.crops(rows, cols, (2, 3), cells, crops, np.zeros(1, np.int64), 8)
    except ValueError:
        return
    assert crops.sum() <= 6 * channels


LINES = st.tuples(
    hnp.arrays(np.int64, (2, 2), elements=st.integers(-1, 4)),
    hnp.arrays(np.float64, st.sampled_from([(2, 2), (2, 1)]), elements=st.floats(0, 1)),
    hnp.arrays(np.int64, 2, elements=st.integers(-1, 2)),
)


@settings(max_examples=1000)
@given(
    st.tuples(LINES, LINES, LINES), st.tuples(*[st.integers(-1, 3)] * 3), st.booleans(),
    hnp.array_shapes(min_dims=4, max_dims=4, max_side=4),
    hnp.array_shapes(min_dims=4, max_dims=4, max_side=3), st.sampled_from([4, 8, 3]),
)  # fmt: skip
def test_samples_of_volumes_read_no_cell_beyond_them(
    lines, per_bin, renormalize, cells, crop, size
):
    found = np.full(crop, np.nan)
    try:
        _solid.crop(*lines, per_bin, renormalize, np.ones(cells), found, size)
    except (ValueError, TypeError):
        return
    assert found.max(initial=0) <= 2**3


NUMBERS = st.one_of(st.integers(-9, 9).map(float), st.floats())


@st.composite
def few_boxes(draw):
    """Arrays that mostly belong together."""
    count, channels, dtype = draw(st.integers(0, 3)), draw(st.integers(0, 40)), draw(DTYPES)
    size = [draw(st.integers(0, 5)), draw(st.integers(0, 5))]
    bins = [draw(st.integers(0, 3)), draw(st.integers(1, 3))]
    features = np.ones((channels, *size), dtype)
    crops = np.zeros((draw(st.integers(0, 4)), max(channels + draw(EXTRA), 0), *bins), dtype)
    boxes = draw(hnp.arrays(np.float64, 4 * count, elements=NUMBERS))
    rows = draw(hnp.arrays(np.int64, count + draw(EXTRA) // 2, elements=st.integers(-1, 4)))
    return features, crops, boxes, rows


DTYPES = st.sampled_from(["f4", "f8"])
EXTRA = st.sampled_from([0, 0, 0, 0, 1, 2])
RULES = st.tuples(
    st.sampled_from([8, 4, 3]), st.tuples(NUMBERS, NUMBERS), NUMBERS, NUMBERS,
    st.integers(-3, 1 << 44), st.integers(-3, 1 << 44),
)  # fmt: skip


@settings(max_examples=2000)
@given(few_boxes(), RULES)
def test_few_boxes_write_nothing_beyond_their_rows(arrays, rule):
    """Crops of ones are at most 1, but for the rounding of weights."""
    *_, crops, _, rows = arrays
    try:
        _kernel.few_crops(*arrays, *rule)
    except (ValueError, TypeError, MemoryError):
        assert not crops.any()
        return
    assert not np.delete(crops, rows, axis=0).any()
    assert np.abs(crops).max(initial=0) < 1 + 1e-5
