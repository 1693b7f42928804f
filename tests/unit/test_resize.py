"""Rules of resizing: each agrees, picture by picture, with its framework's own arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucid.stream.read.resize import as_resize

SIDES = st.integers(1, 5000)


def detectron2(h, w, size, longest):
    scale = size * 1.0 / min(h, w)
    newh, neww = (size * 1.0, scale * w) if h < w else (scale * h, size * 1.0)
    if max(newh, neww) > longest:
        scale = longest * 1.0 / max(newh, neww)
        newh, neww = newh * scale, neww * scale
    newh, neww = int(newh + 0.5), int(neww + 0.5)
    return newh / h, neww / w, 0, 0


def torchvision(h, w, size, longest):
    scale = min(size / min(h, w), longest / max(h, w))
    return math.floor(h * scale) / h, math.floor(w * scale) / w, 0, 0


def one_factor(h, w, size, longest):
    scale = min(size / min(h, w), longest / max(h, w))
    return scale, scale, 0, 0


def segment_anything(h, w, longest):
    scale = longest * 1.0 / max(h, w)
    return int(h * scale + 0.5) / h, int(w * scale + 0.5) / w, 0, 0


def yolo(h, w, height, width):
    r = min(height / h, width / w)
    unpadded = round(w * r), round(h * r)
    dw, dh = (width - unpadded[0]) / 2, (height - unpadded[1]) / 2
    return r, r, round(dh - 0.1), round(dw - 0.1)


def centred(h, w, multiple):
    def before(side):
        padded = math.ceil(side / multiple) * multiple
        return (padded - side) // 2

    return 1, 1, before(h), before(w)


def classifier(h, w, size, side):
    if min(h, w) == size:
        newh, neww = h, w
    elif h <= w:
        newh, neww = size, int(size * w / h)
    else:
        newh, neww = int(size * h / w), size
    top, left = round((newh - side) / 2.0), round((neww - side) / 2.0)
    return newh / h, neww / w, -top, -left


FRAMEWORKS = [
    ("stretch:480x640", lambda h, w: (480 / h, 640 / w, 0, 0)),
    ("stretch:224", lambda h, w: (224 / h, 224 / w, 0, 0)),
    ("short:800,1333", lambda h, w: detectron2(h, w, 800, 1333)),
    ("short:600,1000,floor", lambda h, w: torchvision(h, w, 600, 1000)),
    ("short:800,1333,floor", lambda h, w: torchvision(h, w, 800, 1333)),
    ("short:600,1000,exact", lambda h, w: one_factor(h, w, 600, 1000)),
    ("long:1024", lambda h, w: segment_anything(h, w, 1024)),
    ("letterbox:640", lambda h, w: yolo(h, w, 640, 640)),
    ("letterbox:384x640", lambda h, w: yolo(h, w, 384, 640)),
    ("center-pad:14", lambda h, w: centred(h, w, 14)),
    ("crop:512,448", lambda h, w: classifier(h, w, 512, 448)),
]


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
