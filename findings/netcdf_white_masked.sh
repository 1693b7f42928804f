#!/usr/bin/env bash
# Libraries: netCDF4 1.7.5.1.post1, h5py 3.16.0, xarray 2026.9.0, NumPy 2.4.6.
#
# Behaviour: a dataset of uint8 that h5py creates with a fill value of its own, `fillvalue=0` or 7, loses its 255s in
# netCDF4: they are masked, the 0s or 7s are not. Without `fillvalue` nothing is masked. netCDF4 takes an explicit HDF5
# fill value for the sign that the type's default fill value, 255, is in use, and does not look at what it is; its
# own `get_fill_value()` does, and gives 0 or 7. With uint16 the 65535s are masked in every case.
#
# Why it surprises: netCDF4 is known not to mask bytes without an attribute `_FillValue`, as all 256 values are in use.
# There is no such attribute here, the value that is masked occurs nowhere in the file's metadata, and `fillvalue=0` is
# what HDF5 does anyway. A part of the dataset without a 255 comes with no mask: a look at a corner shows nothing.
#
# Whom it bites: pictures and masks of 0 and 255, white being 255: the mean of a white-and-black picture is 0, a mask
# of valid pixels has no valid ones. xarray gives all values. `Dataset.set_auto_mask(False)` turns it off.
#
# Seen (values 0, 7, 9 and the largest of the type; the mean of those not masked):
#   uint8, no fillvalue: get_fill_value None, masked [], mean 67.75; xarray 67.75
#   uint8, fillvalue 0: get_fill_value 0, masked [255], mean 5.33; xarray 67.75
#   uint8, fillvalue 7: get_fill_value 7, masked [255], mean 5.33; xarray 67.75
#   uint16, no fillvalue: get_fill_value None, masked [65535], mean 5.33; xarray 16387.75
#   uint16, fillvalue 0: get_fill_value 0, masked [65535], mean 5.33; xarray 16387.75
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 h5py==3.16.0 netCDF4==1.7.5.1.post1 xarray==2026.9.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import h5py
import netCDF4
import numpy as np
import xarray


def look(dtype, fill):
    """Write four values with h5py and return what netCDF4 and xarray make of them."""
    values = np.array([0, 7, 9, np.iinfo(dtype).max], dtype)
    name = f"{dtype}-{fill}.h5"
    with h5py.File(name, "w") as file:
        file.create_dataset("picture", data=values, fillvalue=fill)
    with netCDF4.Dataset(name) as file:
        variable = file["picture"]
        if variable.ncattrs():
            sys.exit(f"changed: it has attributes now: {variable.ncattrs()}")
        seen = variable[:]
        told = variable.get_fill_value()
        first = variable[:3]
    if np.ma.getmaskarray(first).any():
        sys.exit("changed: something is masked in the first three values")
    with xarray.open_dataset(name, engine="netcdf4") as data:
        whole = float(data["picture"].mean())
    masked = values[np.ma.getmaskarray(seen)].tolist()
    return None if told is None else int(told), masked, round(float(seen.mean()), 2), whole


for dtype, fill, *expected in (
    ("uint8", None, None, [], 67.75, 67.75),
    ("uint8", 0, 0, [255], 5.33, 67.75),
    ("uint8", 7, 7, [255], 5.33, 67.75),
    ("uint16", None, None, [65535], 5.33, 16387.75),
    ("uint16", 0, 0, [65535], 5.33, 16387.75),
):
    told, masked, mean, whole = seen = look(dtype, fill)
    label = "no fillvalue" if fill is None else f"fillvalue {fill}"
    print(f"{dtype}, {label}: get_fill_value {told}, masked {masked}, mean {mean}; xarray {whole}")
    if list(seen) != expected:
        sys.exit(f"changed: not {expected}")
PY
echo "as described"
