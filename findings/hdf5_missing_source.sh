#!/usr/bin/env bash
# Library: h5py 3.16.0 (its wheel holds HDF5 2.0.0), NumPy 2.4.6.
#
# Behaviour: two ways by which HDF5 keeps a dataset's values in other files turn lost data into numbers, without an
# error or a warning, and each hides what the other reports.
#   Virtual dataset: the source file is gone, or it is there and the dataset in it has another name: fill values
#   (0 unless told). A source of another shape raises, and so does one that is no HDF5 file.
#   External raw file (`external=[...]`): the file is gone: raises. It is cut short, or empty: zeros for the rest.
# The two also look in different places: a virtual source beside the virtual file, a raw file in the process's working
# directory, so the same HDF5 file reads other numbers, or none, from another folder.
#
# Why it surprises: asking for values that do not exist raises nearly everywhere else in HDF5, beginning with a
# truncated HDF5 file, which cannot be opened at all. Zeros are the worst stand-in for features behind a ReLU, whose
# values are zeros for the most part anyway. HDF5's
# manual does tell of the fill values of virtual datasets; h5py has no switch and no count of what was filled.
#
# Whom it bites: feature files glued together from shards by a virtual dataset, then copied without one of the shards;
# HDF5 wrappers around raw dumps whose copy was interrupted. Look first: `dataset.virtual_sources()` and
# `dataset.external` name the files, and their sizes can be compared.
#
# Seen (ones, two shards of two values; raw values 1 2 3 4):
#   virtual, both there: 1 1 1 1
#   virtual, second file gone: 1 1 0 0
#   virtual, second dataset renamed: 1 1 0 0
#   virtual, second dataset of another shape: OSError
#   virtual, second file not HDF5: OSError
#   raw, whole: 1 2 3 4
#   raw, 10 of 16 bytes: 1 2 0 0
#   raw, empty: 0 0 0 0
#   raw, gone: OSError
#   raw, seen from a folder with another values.raw: 9 9 9 9
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 h5py==3.16.0
(cd "$folder" && env/bin/python -) <<'PY'
import os
import sys
from pathlib import Path

import h5py
import numpy as np

here = Path.cwd()


def read(name):
    try:
        with h5py.File(here / name, "r") as file:
            return " ".join(f"{value:g}" for value in file["x"][...])
    except OSError:
        return "OSError"


def check(label, name, expected):
    seen = read(name)
    print(f"{label}: {seen}")
    if seen != expected:
        sys.exit(f"changed: not {expected}")


def shard(name, dataset="x", values=(1, 1)):
    with h5py.File(here / name, "w") as file:
        file[dataset] = np.float32(values)


layout = h5py.VirtualLayout((4,), "f4")
for k in range(2):
    shard(f"shard{k}.h5")
    layout[2 * k : 2 * k + 2] = h5py.VirtualSource(f"shard{k}.h5", "x", (2,))
with h5py.File("virtual.h5", "w") as file:
    file.create_virtual_dataset("x", layout)
check("virtual, both there", "virtual.h5", "1 1 1 1")
os.remove("shard1.h5")
check("virtual, second file gone", "virtual.h5", "1 1 0 0")
shard("shard1.h5", "y")
check("virtual, second dataset renamed", "virtual.h5", "1 1 0 0")
shard("shard1.h5", values=(1, 1, 1))
check("virtual, second dataset of another shape", "virtual.h5", "OSError")
Path("shard1.h5").write_bytes(b"text " * 200)
check("virtual, second file not HDF5", "virtual.h5", "OSError")

raw = np.float32([1, 2, 3, 4]).tobytes()
with h5py.File("raw.h5", "w") as file:
    file.create_dataset("x", (4,), "f4", external=[("values.raw", 0, len(raw))])
Path("values.raw").write_bytes(raw)
check("raw, whole", "raw.h5", "1 2 3 4")
Path("values.raw").write_bytes(raw[:10])
check("raw, 10 of 16 bytes", "raw.h5", "1 2 0 0")
Path("values.raw").write_bytes(b"")
check("raw, empty", "raw.h5", "0 0 0 0")
os.remove("values.raw")
check("raw, gone", "raw.h5", "OSError")
os.mkdir("elsewhere")
os.chdir("elsewhere")
Path("values.raw").write_bytes(np.float32([9, 9, 9, 9]).tobytes())
check("raw, seen from a folder with another values.raw", "raw.h5", "9 9 9 9")
PY
echo "as described"
