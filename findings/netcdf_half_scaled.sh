#!/usr/bin/env bash
# Libraries: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1), h5netcdf 1.8.2, xarray 2026.9.0, h5py 3.16.0, NumPy 2.4.6.
#
# Behaviour: maps of roi, channel, y, x with dimension scales attached to the last two axes alone, `y` and `x`. netCDF4
# takes a dataset whose axis 0 has no scale for one that has none at all, forgets what is attached to the others, and
# names all axes by their lengths, trying the scales of the file in the order of their names. x comes before y: on
# square maps the two are swapped, and `maps.sel(x=...)` of xarray returns a row. A dataset without any scale gets names
# by its length as well. With scales on all axes all is right. With one on axis 0 but not on all axes the outcome varies
# from run to run: mostly the file does not open (AttributeError), at times an axis takes the length of a stranger.
#
# Why it surprises: the file says which axis is y and which is x, h5py reads it back so, and no warning is given when
# the two are exchanged. On maps that are not square the same file looks right, so that a test with a 4x5 map passes.
# h5netcdf refuses such a dataset, even with `phony_dims`: "mixing of labeled and unlabeled dimensions".
#
# Whom it bites: writers who give coordinates to the axes that have some, y and x, and readers by `xarray.open_dataset`,
# which takes netCDF4 first: crops of 7x7 come out transposed. Attach a scale to every axis of a dataset or to none.
#
# Seen (axes with a scale attached; names of the axes of maps and of `valid`, (4,), to which nothing is attached; what
# `maps.sel(x=1)[0, 0]` gives, where column 0 is 0 4 8 12 or 0 5 10 15):
#   4x4, roi channel y x: netCDF4 roi channel y x; valid x; at x = 1: 0 4 8 12; h5netcdf roi channel y x
#   4x4, y x: netCDF4 roi channel x y; valid x; at x = 1: 0 1 2 3; h5netcdf ValueError
#   4x4, x: netCDF4 roi channel x y; valid x; at x = 1: 0 1 2 3; h5netcdf ValueError
#   4x5, y x: netCDF4 roi channel y x; valid y; at x = 1: 0 5 10 15; h5netcdf ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 h5py==3.16.0 netCDF4==1.7.5.1.post1 h5netcdf==1.8.2 xarray==2026.9.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import h5netcdf
import h5py
import netCDF4
import numpy as np
import xarray

AXES = "roi", "channel", "y", "x"
ALL = "roi channel y x"


def write(name, width, scaled):
    shape = 3, 2, 4, width
    with h5py.File(name, "w") as file:
        file["maps"] = np.arange(np.prod(shape), dtype="f4").reshape(shape)
        file["valid"] = np.zeros(4, "u1")
        for axis, label in enumerate(AXES):
            file[label] = np.arange(1.0, shape[axis] + 1)
            file[label].make_scale(label)
            if label in scaled:
                file["maps"].dims[axis].attach_scale(file[label])


def by_netcdf4(name):
    with netCDF4.Dataset(name) as file:
        axes = [" ".join(file[key].dimensions) for key in ("maps", "valid")]
    with xarray.open_dataset(name, engine="netcdf4") as data:
        column = data["maps"].sel(x=1)[0, 0].values
    return f"{axes[0]}; valid {axes[1]}; at x = 1: {' '.join(f'{value:g}' for value in column)}"


def by_h5netcdf(name):
    try:
        with h5netcdf.File(name, phony_dims="sort") as file:
            return " ".join(file["maps"].dimensions)
    except ValueError:
        return "ValueError"


for number, (width, scaled, *expected) in enumerate([
    (4, ALL, f"{ALL}; valid x; at x = 1: 0 4 8 12", ALL),
    (4, "y x", "roi channel x y; valid x; at x = 1: 0 1 2 3", "ValueError"),
    (4, "x", "roi channel x y; valid x; at x = 1: 0 1 2 3", "ValueError"),
    (5, "y x", f"{ALL}; valid y; at x = 1: 0 5 10 15", "ValueError"),
]):
    name = f"maps{number}.h5"
    write(name, width, scaled.split())
    seen = [by_netcdf4(name), by_h5netcdf(name)]
    print(f"4x{width}, {scaled}: netCDF4 {seen[0]}; h5netcdf {seen[1]}")
    if seen != expected:
        sys.exit(f"changed: not {expected}")
PY
echo "as described"
