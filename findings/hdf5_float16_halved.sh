#!/usr/bin/env bash
# Library: h5py 3.14.0 (its wheel holds HDF5 1.14.6), NumPy 2.4.6; compared with h5py 3.16.0 (HDF5 2.0.0).
#
# Behaviour: HDF5 1.14.6 converts float32 to float16 with state that outlives an element. Once one value of a
# write (or of a read with `.astype("f2")`) lands in float16's subnormal range (about 3e-8 to 6.1e-5), every later
# value of that call that rounds UP TO A POWER OF TWO comes out half as large: 1.9999 becomes 1.0, not 2.0.
#
# Why it surprises: a conversion is expected to look at one element at a time. Here the same value in the same
# dataset is right before a tiny neighbour and wrong by a factor of 2 after it; permuting the array changes the
# values. Nothing is raised or warned of, and values that do not round up to a power of two are fine, so a quick
# look at means or at a few rows shows nothing.
#
# Whom it bites: all who saved float32 feature maps into a float16 dataset with an h5py of 3.14 or older
# (`create_dataset(..., dtype="f2")[...] = float32_map`), a common way to halve a feature file. The damage is in the
# files and stays when h5py is updated. Converting with NumPy before the write avoids it.
#
# Seen:
#   h5py 3.14.0 (HDF5 1.14.6)
#     before a subnormal [2.0, 4096.0], after it [1.0, 2048.0], read with astype [1.0, 2048.0]
#     a ReLU map of 870400 values: 127 halved, the first 0.49993688 -> 0.25
#     the same map cast by NumPy before the write: 0 halved
#   h5py 3.16.0 (HDF5 2.0.0)
#     before a subnormal [2.0, 4096.0], after it [2.0, 4096.0], read with astype [2.0, 4096.0]
#     a ReLU map of 870400 values: 0 halved
#     the same map cast by NumPy before the write: 0 halved
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
for version in 3.14.0 3.16.0; do
    "$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 "h5py==$version"
    (cd "$folder" && env/bin/python - "$version") <<'PY'
import sys

import h5py
import numpy as np

halves = sys.argv[1] == "3.14.0"


def through_hdf5(values, name, file):
    dataset = file.create_dataset(name, values.shape, "f2")
    dataset[...] = values
    return dataset[...]


def require(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen}, not {expected}")


print(f"h5py {h5py.__version__} (HDF5 {h5py.version.hdf5_version})")
pair = np.float32([1.9999, 4095.9])
mixed = np.float32([*pair, 1e-5, *pair])
relu = np.maximum(np.random.default_rng(0).standard_normal((256, 50, 68)), 0).astype("f4")
with h5py.File("maps.h5", "w") as file:
    written = through_hdf5(mixed, "mixed", file).tolist()
    file["single"] = mixed
    read = file["single"].astype("f2")[...].tolist()
    wanted = relu.astype("f2")
    stored = through_hdf5(relu, "relu", file)
    safe = through_hdf5(wanted, "safe", file)
print(f"  before a subnormal {written[:2]}, after it {written[3:]}, read with astype {read[3:]}")
require("before a subnormal", written[:2], [2.0, 4096.0])
require("after a subnormal", written[3:], [1.0, 2048.0] if halves else [2.0, 4096.0])
require("read with astype", read[3:], written[3:])

halved = (wanted > 6.2e-5) & (stored == wanted / 2)
first = f", the first {relu[halved][0]:.8g} -> {stored[halved][0]}" if halved.any() else ""
print(f"  a ReLU map of {relu.size} values: {halved.sum()} halved{first}")
require("the map has halved values", bool(halved.any()), halves)
print(f"  the same map cast by NumPy before the write: {(safe != wanted).sum()} halved")
require("a cast before the write is safe", bool((safe != wanted).any()), False)
PY
done
echo "as described"
