#!/usr/bin/env bash
# Library: h5py 3.16.0 (HDF5 2.0.0), NumPy 2.4.6.
#
# Behaviour: `create_dataset(name, shape, dtype, dcpl=...)` does not use the creation property list it is given if the
# dataset is a scalar, of shape (): fill value, layout and time of allocation are those of a new list. With shape (1,)
# all are used, and `h5py.h5d.create` with the same list uses all for a scalar, too.
#
# Why it surprises: other options that do not go with a scalar, such as chunks or compression, raise TypeError. These do
# go with it, as the low-level call shows, and are dropped without a word: a scalar never written reads 0, not 7.
#
# Whom it bites: those who copy the make of datasets by `dcpl=source.id.get_create_plist()`, or allocate early to fill
# in values by `get_offset()`: it is None. Scalars such as `stride` or `count` beside the maps are the ones that fail.
#
# Seen (float32; in the list fill value 7, and early allocation or compact layout; nothing written):
#   create_dataset, shape (): value 0, allocated False, compact False
#   create_dataset, shape (1,): value 7, allocated True, compact True
#   h5d.create, shape (): value 7, allocated True, compact True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 h5py==3.16.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import h5py
import numpy as np


def properties():
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_fill_value(np.array(7, "f4"))
    return made


def high(file, name, shape, dcpl):
    return file.create_dataset(name, shape, "f4", dcpl=dcpl)


def low(file, name, shape, dcpl):
    space = h5py.h5s.create(h5py.h5s.SCALAR) if shape == () else h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, dcpl=dcpl))


def look(create, shape):
    early, compact = properties(), properties()
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    compact.set_layout(h5py.h5d.COMPACT)
    with h5py.File("stride.h5", "w") as file:
        first = create(file, "early", shape, early)
        second = create(file, "compact", shape, compact)
        layout = second.id.get_create_plist().get_layout()
        return float(np.ravel(first[()])[0]), first.id.get_offset() is not None, layout == h5py.h5d.COMPACT


for label, create, shape, expected in (
    ("create_dataset", high, (), (0.0, False, False)),
    ("create_dataset", high, (1,), (7.0, True, True)),
    ("h5d.create", low, (), (7.0, True, True)),
):
    seen = look(create, shape)
    print(f"{label}, shape {shape}: value {seen[0]:g}, allocated {seen[1]}, compact {seen[2]}")
    if seen != expected:
        sys.exit(f"changed: not {expected}")
PY
echo "as described"
