#!/usr/bin/env bash
# Libraries: zarr 3.1.6, tensorstore 0.1.86, h5py 3.16.0, NumPy 2.4.6.
#
# Behaviour: an array is made shorter and then longer again. zarr deletes chunks that lie wholly beyond the end and
# leaves the one across it as it is: its rows beyond the end come back when the array grows. Of a sharded array that is
# a whole shard, which may hold thousands of rows. tensorstore does the same; HDF5 overwrites them with the fill value.
#
# Why it surprises: rows that were cut off are expected to be gone, and grown ones to hold the fill value, as they do in
# HDF5 and for whole chunks. How many come back depends on how the length falls on the chunks: with a length that is a
# multiple of the chunk (or shard) none do, and so a test of round numbers passes.
#
# Whom it bites: writers that cut an output back to the rows that are done and go on, and readers that know unwritten
# rows by the fill value, such as NaN: old crops stand where nothing was written. Fill the rows before cutting them off.
#
# Seen (25 rows of 7, fill value -1, chunks of 10 rows; cut to 3 rows, or to 10, and back to 25; rows of 7 then):
#   to 3: zarr 2 10, zarr 3 10, zarr 3 in shards of 20 20, tensorstore 10, HDF5 3
#   to 10: zarr 2 10, zarr 3 10, zarr 3 in shards of 20 20, tensorstore 10, HDF5 10
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 zarr==3.1.6 tensorstore==0.1.86 h5py==3.16.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import h5py
import numpy as np
import tensorstore
import zarr

ROWS = np.full((25, 2), 7, "f4")


def by_zarr(rows, **options):
    array = zarr.create_array({}, shape=ROWS.shape, chunks=(10, 2), dtype="f4", fill_value=-1, **options)
    array[:] = ROWS
    array.resize((rows, 2))
    array.resize(ROWS.shape)
    return array[:]


def by_tensorstore(rows):
    grid = {"name": "regular", "configuration": {"chunk_shape": [10, 2]}}
    metadata = {"shape": [25, 2], "data_type": "float32", "fill_value": -1, "chunk_grid": grid}
    spec = {"driver": "zarr3", "kvstore": "memory://", "metadata": metadata}
    array = tensorstore.open(spec, create=True).result()
    array[...] = ROWS
    array = array.resize(exclusive_max=[rows, 2]).result()
    return array.resize(exclusive_max=[25, 2]).result().read().result()


def by_hdf5(rows):
    with h5py.File("rows.h5", "w") as file:
        dataset = file.create_dataset("rows", data=ROWS, chunks=(10, 2), maxshape=(None, 2), fillvalue=-1)
        dataset.resize(rows, axis=0)
        dataset.resize(25, axis=0)
        return dataset[:]


for rows, expected in (3, [10, 10, 20, 10, 3]), (10, [10, 10, 20, 10, 10]):
    grown = {
        "zarr 2": by_zarr(rows, zarr_format=2),
        "zarr 3": by_zarr(rows),
        "zarr 3 in shards of 20": by_zarr(rows, shards=(20, 2)),
        "tensorstore": by_tensorstore(rows),
        "HDF5": by_hdf5(rows),
    }
    seen = [int((array[:, 0] == 7).sum()) for array in grown.values()]
    print(f"to {rows}: {', '.join(f'{name} {count}' for name, count in zip(grown, seen))}")
    if seen != expected or not all(np.isin(array, [7, -1]).all() for array in grown.values()):
        sys.exit(f"changed: not {expected}")
PY
echo "as described"
