#!/usr/bin/env bash
# Libraries: dask 2026.8.0, blosc2 4.14.1, xarray 2026.9.0, NumPy 2.4.6.
#
# Behaviour: means of float16. `np.mean` adds in float32 and is right. dask.array and blosc2 add and count in float16:
# from 65520 elements on the count is infinite, so that the mean is 0, or NaN once the sum is infinite too. `std` of
# blosc2, which computes in float32, takes that 0 for the mean: it is the root of the mean square. `np.nanmean` adds
# in float16 as well and gives infinity once the sum is above 65504; `mean` of xarray, which skips NaN by default, does
# as `np.nanmean` does, and as dask does where the data are chunked by it.
#
# Why it surprises: these are taken for `np.mean` in other clothes, the values are far from the limit of float16, and so
# is the mean itself. A mean of 0 for each channel looks like dead channels, and a `std` twice too large looks right.
# Small tests pass: what counts is the number of elements of one mean, not of the array, nor how it is chunked.
#
# Whom it bites: statistics of each channel over maps stored as float16, to normalise them: 64 maps of 32x32 are enough.
# `std` of NumPy itself adds in float16 too. Pass `dtype="float32"` to each of these.
#
# Seen (64 maps of 8x32x32 in float16, uniform on 0 to 1, a chunk per map; channel 0):
#   64 maps: np.mean 0.501, np.nanmean 0.501, xarray 0.501, dask 0, on dask 0, blosc2 0, in float32 0.5009
#   63 maps: np.mean 0.501, np.nanmean 0.501, xarray 0.501, dask 0.501, on dask 0.501, blosc2 0.501, in float32 0.5011
#   64 maps + 2: np.mean 2.5, np.nanmean inf, xarray inf, dask nan, on dask nan, blosc2 nan, in float32 2.501
#   std of 64 maps: blosc2 0.5778, true 0.288
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 "dask[array]==2026.8.0" xarray==2026.9.0 blosc2==4.14.1
(cd "$folder" && env/bin/python -W ignore -) <<'PY'
import math
import sys

import blosc2
import dask.array
import numpy as np
import xarray

AXES = 0, 2, 3
MAPS = np.random.default_rng(0).random((64, 8, 32, 32)).astype("f2")


def means(maps):
    chunked = dask.array.from_array(maps, chunks=(1, 8, 32, 32))
    labelled, both = (xarray.DataArray(data, dims=tuple("nchw")).mean(tuple("nhw")) for data in (maps, chunked))
    return {
        "np.mean": maps.mean(AXES),
        "np.nanmean": np.nanmean(maps, AXES),
        "xarray": labelled.values,
        "dask": chunked.mean(AXES).compute(),
        "on dask": both.values,
        "blosc2": blosc2.asarray(maps).mean(axis=AXES),
        "in float32": chunked.mean(AXES, dtype="f4").compute(),
    }


def kind(value, true):
    """Name a value: 0, inf, nan, near the true one, or as it is."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    return "near" if abs(value - true) < 0.01 * true else f"{value:g}"


for label, maps, expected in (
    ("64 maps", MAPS, "near near near 0 0 0 near"),
    ("63 maps", MAPS[:63], "near near near near near near near"),
    ("64 maps + 2", MAPS + np.float16(2), "near inf inf nan nan nan near"),
):
    seen = {name: float(value[0]) for name, value in means(maps).items()}
    print(f"{label}: {', '.join(f'{name} {value:.4g}' for name, value in seen.items())}")
    true = maps.astype("f8").mean(AXES)[0]
    if " ".join(kind(value, true) for value in seen.values()) != expected:
        sys.exit(f"changed: not {expected}")

by_blosc2, true = (float(std[0]) for std in (blosc2.asarray(MAPS).std(axis=AXES), MAPS.astype("f8").std(AXES)))
print(f"std of 64 maps: blosc2 {by_blosc2:.4g}, true {true:.4g}")
if not 1.9 < by_blosc2 / true < 2.1:
    sys.exit("changed: not twice the true one")
PY
echo "as described"
