"""What hypothesis draws: maps, RoIs and operators, with the edges that matter."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def maps(draw, dtype=np.float64, most=3):
    shape = [draw(st.integers(1, longest)) for longest in (most, 3, 9, 9)]
    return np.random.default_rng(draw(st.integers(0, 2**32))).standard_normal(shape).astype(dtype)


def edges(lowest=-15, highest=25):
    """Coordinates on, between and beside cells."""
    eighths = st.integers(lowest * 8, highest * 8).map(lambda n: n / 8)
    return st.one_of(eighths, st.floats(lowest, highest))


@st.composite
def rois(draw, images, least=0, most=5):
    rows = []
    for _ in range(draw(st.integers(least, most))):
        x1, x2 = sorted((draw(edges()), draw(edges())))
        y1, y2 = sorted((draw(edges()), draw(edges())))
        rows.append((draw(st.integers(0, images - 1)), x1, y1, x2, y2))
    return np.array(rows, np.float64).reshape(-1, 5)


def operators():
    """Arguments of roi_align after features and rois."""
    return st.fixed_dictionaries(
        {
            "output_size": st.tuples(st.integers(1, 4), st.integers(1, 4)),
            "spatial_scale": st.sampled_from([1.0, 0.5, 0.3, 1 / 16]),
            "sampling_ratio": st.sampled_from([-1, 1, 2, 3]),
            "aligned": st.booleans(),
        }
    )


@st.composite
def jobs(draw, dtype=np.float64, least=0, most=5):
    """Return features, rois and the operator's arguments."""
    features = draw(maps(dtype))
    return features, draw(rois(len(features), least, most)), draw(operators())


# Any table that might be meant as rows of RoIs, most of them bad.
tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(0, 6), st.just(5)),
    elements=st.one_of(st.integers(-2, 4).map(float), st.floats(allow_nan=True)),
)
