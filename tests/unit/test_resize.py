"""Rules of resizing: each agrees, picture by picture, with its framework's own arithmetic."""

import numpy as np
import pytest
from frameworks import FRAMEWORKS
from hypothesis import given
from hypothesis import strategies as st

from lucid.stream.read.resize import as_resize

SIDES = st.integers(1, 5000)


@pytest.mark.parametrize(("text", "framework"), FRAMEWORKS)
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=50))
def test_a_rule_gives_to_the_bit_what_its_framework_computes(text, framework, sizes):
    frame = as_resize(text)(np.array(sizes)).frame
    np.testing.assert_array_equal(frame, [framework(h, w) for h, w in sizes])


@pytest.mark.parametrize(
    ("text", "size", "frame"),
    [
        ("short:800,1333", (480, 640), (800 / 480, 1067 / 640, 0, 0)),
        ("short:800,1333,floor", (480, 640), (800 / 480, 1066 / 640, 0, 0)),
        ("long:1024", (480, 640), (1.6, 1.6, 0, 0)),
        ("letterbox:640", (480, 640), (1, 1, 80, 0)),
        ("center-pad:14", (480, 640), (1, 1, 5, 2)),
        ("crop:512,448", (480, 640), (512 / 480, 682 / 640, -32, -117)),
    ],
)
def test_one_picture_worked_by_hand(text, size, frame):
    np.testing.assert_allclose(as_resize(text)(np.array([size])).frame, [frame], rtol=1e-15)


@pytest.mark.parametrize("text", [text for text, _ in FRAMEWORKS])
def test_pictures_lie_inside_the_input_but_for_what_is_cropped(text):
    sizes = np.array([[480, 640], [333, 500], [1200, 37], [64, 64]])
    frame, input_size, _ = as_resize(text)(sizes)
    ends = frame[:, :2] * sizes + frame[:, 2:]
    if not text.startswith("crop"):
        assert (frame[:, 2:] >= 0).all()
        assert (ends <= input_size + 1).all()


@pytest.mark.parametrize(
    "text",
    ["", "short", "short:800", "pad:14", "letterbox:0", "crop:448,512", "long:1e3", "stretch:7x",
     "short:8,9,up"],
)  # fmt: skip
def test_a_rule_that_there_is_not_is_refused_with_those_that_there_are(text):
    with pytest.raises(ValueError, match="resize must be stretch:HxW, short:A,B, .* got"):
        as_resize(text)
