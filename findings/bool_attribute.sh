#!/usr/bin/env bash
# Libraries: h5py 3.16.0, PyTables 3.11.1, netCDF4 1.7.5.1.post1, h5netcdf 1.8.2, NumPy 2.4.6.
#
# Behaviour: an attribute that h5py writes from True (`dataset.attrs["aligned"] = True`) is an HDF5 enumeration, and each
# reader makes something else of it. h5netcdf: True. PyTables: None, with a DataTypeWarning when the node is opened.
# netCDF4: the attribute is missing, without a word; but once ANY dataset of booleans is in the file, it is there: 1.
#
# Why it surprises: a setting that a reader cannot decode is expected to raise or to look broken. None is falsy, and so
# is `getattr(variable, "aligned", False)`: both run and take the other branch. And no one expects that a dataset
# added elsewhere in the file brings an attribute into being. Integer and float attributes beside it arrive well in all.
#
# Whom it bites: files that say in an attribute how their numbers were made (aligned, normalized, flipped): a RoIAlign
# that is told `aligned` False instead of True shifts every crop by half a cell. Write 0 or 1 (`np.uint8`) instead.
#
# Seen (attributes aligned = True, flag = np.uint8(1), stride = 16.0):
#   without a dataset of booleans
#     h5py: aligned True, flag 1, stride 16.0
#     h5netcdf: aligned True, flag 1, stride 16.0
#     netCDF4: aligned missing, flag 1, stride 16.0; warnings 0
#     PyTables: aligned None, flag 1, stride 16.0; warnings 1
#   with a dataset of booleans
#     h5py: aligned True, flag 1, stride 16.0
#     h5netcdf: aligned True, flag 1, stride 16.0
#     netCDF4: aligned 1, flag 1, stride 16.0; warnings 0
#     PyTables: aligned None, flag 1, stride 16.0; warnings 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 h5py==3.16.0 tables==3.11.1 netCDF4==1.7.5.1.post1 h5netcdf==1.8.2
(cd "$folder" && env/bin/python -) <<'PY'
import sys
import warnings
from functools import partial

import h5netcdf
import h5py
import netCDF4
import numpy as np
import tables

SAVED = {"aligned": True, "flag": np.uint8(1), "stride": 16.0}


def by_netcdf4(name):
    with netCDF4.Dataset(name) as file:
        variable = file["features"]
        return [variable.getncattr(key) if key in variable.ncattrs() else "missing" for key in SAVED]


def by_pytables(name):
    with tables.open_file(name) as file:
        return [getattr(file.root.features.attrs, key) for key in SAVED]


def by(opener, name):
    with opener(name) as file:
        return [file["features"].attrs[key] for key in SAVED]


READERS = {
    "h5py": (partial(by, h5py.File), ["True", "True"], 0),
    "h5netcdf": (partial(by, partial(h5netcdf.File, phony_dims="sort")), ["True", "True"], 0),
    "netCDF4": (by_netcdf4, ["missing", "1"], 0),
    "PyTables": (by_pytables, ["None", "None"], 1),
}
for booleans in (False, True):
    name = f"maps{booleans:d}.h5"
    with h5py.File(name, "w") as file:
        file["features"] = np.ones((2, 3), "f4")
        file["features"].attrs.update(SAVED)
        if booleans:
            file["valid"] = np.array([True])
    print(f"{'with' if booleans else 'without'} a dataset of booleans")
    for reader, (read, aligned, warned) in READERS.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seen = [str(value) for value in read(name)]
        loud = sum(issubclass(each.category, tables.DataTypeWarning) for each in caught)
        told = ", ".join(f"{key} {value}" for key, value in zip(SAVED, seen))
        more = f"; warnings {loud}" if reader in ("netCDF4", "PyTables") else ""
        print(f"  {reader}: {told}{more}")
        if seen != [aligned[booleans], "1", "16.0"] or loud != warned:
            sys.exit(f"changed: not {[aligned[booleans], '1', '16.0']} with {warned} warnings")
PY
echo "as described"
