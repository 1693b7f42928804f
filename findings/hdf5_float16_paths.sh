#!/usr/bin/env bash
# Library: h5py 3.16.0 (its wheel for x86-64 Linux holds HDF5 2.0.0), NumPy 2.4.6.
#
# Behaviour: HDF5 has two ways to convert to float16, and which one it goes depends on BYTE ORDER alone: the first where
# both sides have the processor's order (little-endian), the second where one side is big-endian (a ">f2" dataset, or
# a ">f4" dataset read with `.astype("f2")`). They disagree with each other, and both with NumPy:
#   halves between two float16 values: the first rounds to even as NumPy, the second away from zero;
#   between 65504 and 65520: inf from the first (NumPy: 65504), 65504 from the second, which keeps it up to 65536;
#   what rounds up to 2**-14, the least normal value: the second gives 2**-15, half of it;
#   an int32 of 70000: inf from the first, NaN from the second, as of every integer from 65569 to 131039.
#
# Why it surprises: byte order is how a number is stored, not what it is. IEEE 754 leaves no room in any of these cases,
# so one does not think of checking a cast; and the error of a factor of two at 2**-14 survived in the release that
# mended the one in hdf5_float16_halved.sh.
#
# Whom it bites: readers who let HDF5 cast (`dataset.astype("f2")`) to save memory, with big-endian sources; whoever
# compares a cast by NumPy and one by HDF5 for equality; label or count arrays stored as float16. Remedy: cast with
# NumPy, after the read or before the write.
#
# Seen (value: NumPy, little-endian dataset, big-endian dataset, ">f4" or ">i4" dataset read as "<f2"):
#   float32 2049: 2048 2048 2050 2050
#   float32 1.00048828125: 1 1 1.00097656 1.00097656
#   float32 65519: 65504 inf 65504 65504
#   float32 65530: inf inf 65504 65504
#   float32 6.1034e-05: 6.10351562e-05 6.10351562e-05 3.05175781e-05 3.05175781e-05
#   int32 2049: 2048 2048 2048 2048
#   int32 70000: inf inf nan nan
#   integers that become NaN in a big-endian dataset: 65471, from 65569 to 131039
#   a million normal values on a grid of 1/4096: 0 differ from NumPy little-endian, 111420 big-endian
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 h5py==3.16.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import h5py
import numpy as np

inf, nan = np.inf, np.nan
EXPECTED = [
    ("f4", 2049, [2048, 2048, 2050, 2050]),
    ("f4", 1 + 2**-11, [1, 1, 1 + 2**-10, 1 + 2**-10]),
    ("f4", 65519, [65504, inf, 65504, 65504]),
    ("f4", 65530, [inf, inf, 65504, 65504]),
    ("f4", 6.1034e-05, [2**-14, 2**-14, 2**-15, 2**-15]),
    ("i4", 2049, [2048, 2048, 2048, 2048]),
    ("i4", 70000, [inf, inf, nan, nan]),
]
NAMES = {"f4": "float32", "i4": "int32"}
file = h5py.File("casts.h5", "w")
names = iter(range(100))


def written(values, dtype):
    dataset = file.create_dataset(str(next(names)), values.shape, dtype)
    dataset[...] = values
    return dataset[...].astype("<f2")


def read_back(values):
    dataset = file.create_dataset(str(next(names)), data=values.astype(values.dtype.newbyteorder(">")))
    return dataset.astype("<f2")[...]


def by_numpy(values):
    with np.errstate(over="ignore"):
        return values.astype("<f2")


for kind, number, expected in EXPECTED:
    values = np.array([number], kind)
    ways = [by_numpy(values), written(values, "<f2"), written(values, ">f2"), read_back(values)]
    seen = [float(way[0]) for way in ways]
    print(f"{NAMES[kind]} {number:.12g}: " + " ".join(f"{value:.9g}" for value in seen))
    if not np.array_equal(seen, expected, equal_nan=True):
        sys.exit(f"changed: not {expected}")

integers = np.arange(65504, 2**18, dtype="i4")
lost = integers[np.isnan(written(integers, ">f2"))]
print(f"integers that become NaN in a big-endian dataset: {lost.size}, from {lost[0]} to {lost[-1]}")
if [lost.size, lost[0], lost[-1]] != [65471, 65569, 131039]:
    sys.exit("changed: other integers")

grid = (np.round(np.random.default_rng(0).standard_normal(10**6) * 4096) / 4096).astype("f4")
little, big = (int((written(grid, dtype) != by_numpy(grid)).sum()) for dtype in ("<f2", ">f2"))
print(f"a million normal values on a grid of 1/4096: {little} differ from NumPy little-endian, {big} big-endian")
if little or not big:
    sys.exit("changed: other counts")
PY
echo "as described"
