"""RoI tables: what is invalid, and how it is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import tables

from lucid import DTypeError, RoiError, ShapeError
from lucid.models.utils import roi_align
from lucid.roi import as_rois
from lucid.roi.table import RoiReport, examine

GOOD = [0, 1, 1, 2, 2]
BAD = {
    "batch_index must be a whole number, got 0.5": [0.5, 1, 1, 2, 2],
    "batch_index must be a whole number, got nan": [np.nan, 1, 1, 2, 2],
    r"batch_index must be in \[0, 2\), got 2": [2, 1, 1, 2, 2],
    r"batch_index must be in \[0, 2\), got -1": [-1, 1, 1, 2, 2],
    r"coordinates must be finite, got \(1, nan, 2, 2\)": [0, 1, np.nan, 2, 2],
    r"coordinates must be finite, got \(1, 1, inf, 2\)": [0, 1, 1, np.inf, 2],
    "x2 must be at least x1, got x1 = 3, x2 = 2": [0, 3, 1, 2, 2],
    "y2 must be at least y1, got y1 = 3, y2 = 2": [0, 1, 3, 2, 2],
}


@pytest.mark.parametrize("message", BAD)
def test_an_invalid_row_is_named_with_its_values(message):
    with pytest.raises(RoiError, match=f"^rois: {message} at row 1;.*invalid='zero'"):
        as_rois([GOOD, BAD[message], GOOD], 2)


def test_the_first_invalid_row_is_named_and_the_others_counted():
    rows = [GOOD, GOOD, [0, 3, 1, 2, 2], [7, 1, 1, 2, 2], [-1, 3, 3, 2, 2]]
    with pytest.raises(RoiError, match=r"x2 must .* at row 2 \(and 2 more rows\)"):
        as_rois(rows, 2)


@given(tables, st.integers(0, 3))
def test_a_row_is_invalid_exactly_if_plain_python_says_so(table, images):
    def good(index, x1, y1, x2, y2):
        finite = all(np.isfinite(v) for v in (index, x1, y1, x2, y2))
        return finite and index == int(index) and 0 <= index < images and x2 >= x1 and y2 >= y1

    expected = [good(*row) for row in table.tolist()]
    assert as_rois(table, images, invalid="zero").valid.tolist() == expected


def test_zero_gives_invalid_rows_zeros_and_leaves_the_others(a5):
    rows = [GOOD, *BAD.values(), GOOD]
    crops = roi_align(np.concatenate([a5 + 1] * 2), rows, 2, invalid="zero")
    assert len(crops) == len(rows)
    assert not crops[1:-1].any()
    np.testing.assert_array_equal(crops[[0, -1]], roi_align(a5 + 1, [GOOD, GOOD], 2))


@pytest.mark.parametrize("dtype", ["f8", "i8", "u2"])
def test_the_batch_index_is_read_before_anything_is_cast(dtype):
    """float16 cannot hold 2049; whatever the features are, the index is not cast to their dtype."""
    table = as_rois(np.array([[2049, 1, 1, 2, 2]], dtype), 3000)
    assert table.batch_index.tolist() == [2049]
    features = np.zeros((2050, 1, 2, 2), np.float16)
    features[2049] = 5
    assert roi_align(features, np.array([[2049, 0, 0, 1, 1]], dtype), 1).item() == 5


@pytest.mark.parametrize(("dtype", "image"), [("f2", 2048), ("f4", 2**24)])
def test_the_number_of_images_may_be_more_than_the_table_s_dtype_holds(dtype, image):
    row = np.array([[image, 1, 1, 2, 2]], dtype)
    assert as_rois(row, image + 1).batch_index.tolist() == [image]
    with pytest.raises(RoiError, match=f"got {image} at row 0"):
        as_rois(row, image)
    assert as_rois(np.array([[5, 1, 1, 2, 2]], dtype), 10**6).valid.all()


def test_an_index_beyond_int64_is_out_of_range_not_wrapped():
    rows = np.array([[2**64 - 1, 1, 1, 2, 2]], np.uint64)
    with pytest.raises(RoiError, match="batch_index must be in"):
        as_rois(rows, 2)
    with pytest.raises(RoiError, match="batch_index must be in"):
        as_rois([[1e300, 1, 1, 2, 2]], 2)


@pytest.mark.parametrize("shape", [(5,), (2, 4), (2, 6), (1, 2, 5), ()])
def test_other_shapes_are_refused_with_the_columns(shape):
    with pytest.raises(ShapeError, match=r"\(K, 5\) with columns \(batch_index, x1, y1, x2, y2\)"):
        as_rois(np.zeros(shape), 1)


@pytest.mark.parametrize("dtype", ["c16", "g", "?", "O", "U4", "m8[s]"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(DTypeError, match="rois must hold real numbers"):
        as_rois(np.zeros((1, 5), dtype), 1)


@given(tables, st.integers(0, 6))
def test_a_report_on_pieces_equals_the_report_on_the_whole(table, cut):
    _, whole = examine(table, 2)
    pieces = RoiReport()
    for start, stop in ((0, cut), (cut, len(table))):
        pieces.add(examine(table[start:stop], 2, np.arange(start, stop))[1])
    assert pieces.rois == len(table)
    assert pieces.invalid == whole.invalid
    assert pieces.defects == whole.defects


def test_a_policy_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="invalid must be 'raise' or 'zero', got 'rasie'"):
        as_rois([[9, 1, 1, 2, 2]], 1, invalid="rasie")
