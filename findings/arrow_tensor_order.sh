#!/usr/bin/env bash
# Libraries: pyarrow 26.0.1, NumPy 2.4.6.
#
# Behaviour: `FixedShapeTensorArray.from_numpy_ndarray` keeps the memory of a transposed array as it is and notes the
# order of axes as a permutation. It notes the inverse of the one that the format means and `to_numpy_ndarray` applies.
# The two are the same where two axes change places. Where three do, as in an NHWC view of NCHW maps or the other way
# round, the array comes back with its axes in a third order. Single tensors, `array[i].to_numpy()`, are wrong too where
# the first axis is one of two that change places: their shape is right, but values repeat and others are missing.
#
# Why it surprises: a value put in by NumPy and taken out by NumPy at once is another one, and no error says so. On
# square maps with as many channels the shape is right too. A test with two axes exchanged passes.
#
# Whom it bites: writers of maps and crops to Parquet, Feather or IPC by `maps.transpose(0, 2, 3, 1)` or `np.moveaxis`:
# the wrong permutation is in the file, and readers that follow the format are led astray. Pass
# `np.ascontiguousarray(maps)`. A file at hand is mended by `array.storage`, whose memory is that of the first array.
#
# Seen (2 maps of 3x4x5, NCHW; what comes back from the view; the whole array and its tensor 1 alone):
#   as it is: noted none; (2, 3, 4, 5), equal; one (3, 4, 5), equal
#   H and W exchanged: noted [0, 2, 1]; (2, 3, 5, 4), equal; one (3, 5, 4), equal
#   C and W exchanged: noted [2, 1, 0]; (2, 5, 4, 3), equal; one (5, 4, 3), other values
#   NHWC: noted [2, 0, 1]; (2, 5, 3, 4), other values; one (5, 3, 4), other values
#   NHWC, made contiguous: noted none; (2, 4, 5, 3), equal; one (4, 5, 3), equal
#   NHWC of 4x4x4: noted [2, 0, 1]; (2, 4, 4, 4), other values; one (4, 4, 4), other values
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pyarrow==26.0.1
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def maps(*shape):
    return np.arange(np.prod(shape), dtype="f4").reshape(shape)


def through_parquet(array):
    pq.write_table(pa.table({"maps": pa.FixedShapeTensorArray.from_numpy_ndarray(array)}), "maps.parquet")
    return pq.read_table("maps.parquet")["maps"].combine_chunks()


def told(got, array):
    return f"{got.shape}, {'equal' if np.array_equal(got, array) else 'other values'}"


MAPS = maps(2, 3, 4, 5)
NHWC = MAPS.transpose(0, 2, 3, 1)
for label, array, expected in (
    ("as it is", MAPS, "noted none; (2, 3, 4, 5), equal; one (3, 4, 5), equal"),
    ("H and W exchanged", MAPS.swapaxes(2, 3), "noted [0, 2, 1]; (2, 3, 5, 4), equal; one (3, 5, 4), equal"),
    ("C and W exchanged", MAPS.swapaxes(1, 3), "noted [2, 1, 0]; (2, 5, 4, 3), equal; one (5, 4, 3), other values"),
    ("NHWC", NHWC, "noted [2, 0, 1]; (2, 5, 3, 4), other values; one (5, 3, 4), other values"),
    ("NHWC, made contiguous", np.ascontiguousarray(NHWC), "noted none; (2, 4, 5, 3), equal; one (4, 5, 3), equal"),
    ("NHWC of 4x4x4", maps(2, 4, 4, 4).transpose(0, 2, 3, 1),
     "noted [2, 0, 1]; (2, 4, 4, 4), other values; one (4, 4, 4), other values"),
):
    back = through_parquet(array)
    order = back.type.permutation
    trivial = order is None or order == sorted(order)
    seen = f"noted {'none' if trivial else order}; {told(back.to_numpy_ndarray(), array)}"
    seen += f"; one {told(back[1].to_numpy(), array[1])}"
    print(f"{label}: {seen}")
    if seen != expected:
        sys.exit(f"changed: not {expected}")
    assert np.array_equal(np.sort(back.storage.flatten()), np.sort(array.ravel()))
PY
echo "as described"
