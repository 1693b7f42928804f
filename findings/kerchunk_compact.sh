#!/usr/bin/env bash
# Libraries: virtualizarr 2.5.1, kerchunk 0.2.10, zarr 3.1.6, obstore 0.12.1, h5py 3.16.0, NumPy 2.4.6.
#
# Behaviour: HDF5 keeps arrays of compact layout, up to 64 kB, in their headers. Such an array has no offset in the file
# that a reference could name. VirtualiZarr makes an array without any chunks of it, as of a dataset that nobody has
# written to, and zarr reads the fill value throughout. kerchunk puts arrays below its `inline_threshold`, 500 bytes by
# default, into the references, and makes all larger ones empty as well.
#
# Why it surprises: both can see the layout and neither says a word, though VirtualiZarr could inline the values too.
# A zero is what the missing chunks of zarr mean. With kerchunk 31 boxes are right and 32 are all zeros.
#
# Whom it bites: HDF5 of maps with boxes, sizes or ids beside them, stored compact as HDF5 advises for small arrays (by
# `h5repack --layout=boxes:COMPACT`, `NC_COMPACT` of netCDF-C or `dcpl` of h5py), put together to a virtual zarr: the
# maps are right and the boxes are zeros. Ask `dataset.id.get_create_plist().get_layout()`, and copy what is COMPACT.
#
# Seen (ones, n boxes of 4 float32; the sum of what zarr reads, and the number of bytes):
#   31 boxes, contiguous: 496 bytes; h5py 124, virtualizarr 124, kerchunk 124
#   31 boxes, compact: 496 bytes; h5py 124, virtualizarr 0, kerchunk 124
#   32 boxes, contiguous: 512 bytes; h5py 128, virtualizarr 128, kerchunk 128
#   32 boxes, compact: 512 bytes; h5py 128, virtualizarr 0, kerchunk 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 h5py==3.16.0 zarr==3.1.6 \
    virtualizarr==2.5.1 kerchunk==0.2.10 obstore==0.12.1 obspec-utils==0.9.0
(cd "$folder" && env/bin/python -W ignore -) <<'PY'
import os
import sys

import fsspec
import h5py
import numpy as np
import zarr
from kerchunk.hdf import SingleHdf5ToZarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser


def write(path, count, compact):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT if compact else h5py.h5d.CONTIGUOUS)
    with h5py.File(path, "w") as file:
        file.create_dataset("boxes", data=np.ones((count, 4), "f4"), dcpl=plist)


def by_virtualizarr(path):
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    return zarr.open_group(HDFParser()(url=f"file://{path}", registry=registry), mode="r", zarr_format=3)


def by_kerchunk(path):
    files = fsspec.filesystem("reference", fo=SingleHdf5ToZarr(path).translate(), asynchronous=True,
                              remote_protocol="file", remote_options={"asynchronous": True})
    return zarr.open_group(zarr.storage.FsspecStore(files), mode="r", zarr_format=2)


for count, compact in (31, False), (31, True), (32, False), (32, True):
    path = os.path.abspath(f"boxes{count}{compact}.h5")
    write(path, count, compact)
    sums = {"h5py": h5py.File(path)["boxes"][()].sum()}
    sums |= {read.__name__[3:]: read(path)["boxes"][...].sum() for read in (by_virtualizarr, by_kerchunk)}
    told = ", ".join(f"{name} {value:g}" for name, value in sums.items())
    print(f"{count} boxes, {'compact' if compact else 'contiguous'}: {16 * count} bytes; {told}")
    whole = 4 * count
    expected = [whole, 0 if compact else whole, 0 if compact and count == 32 else whole]
    if list(sums.values()) != expected:
        sys.exit(f"changed: not {expected}")
PY
echo "as described"
