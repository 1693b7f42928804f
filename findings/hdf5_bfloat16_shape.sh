#!/usr/bin/env bash
# Library: h5py 3.16.0 (its wheel holds HDF5 2.0.0), NumPy 2.4.6, ml_dtypes 0.6.0.
#
# Behaviour: HDF5 can store bfloat16 (a float type of 2 bytes: sign, 8 bits of exponent, 7 of mantissa). h5py shows such
# a dataset with dtype float32, itemsize 4, and twice the bytes it has. It neither shows nor writes bfloat16 itself: an
# array of ml_dtypes.bfloat16 becomes an opaque "|V2", and comes back as such.
#
# Why it surprises: for every other type `dataset.dtype` is the layout on disk, byte order included, so people map
# contiguous datasets with it at `dataset.id.get_offset()`. Here that reads pairs of bfloat16 as one float32, and the
# result looks like features: the upper half of a float32 IS a bfloat16, so each second value appears, nearly right,
# then the read runs past the dataset. A read through h5py is right, but costs a conversion and doubles the memory;
# `create_dataset_like` doubles the file. `dataset.id.get_type().get_size()` tells the truth, as get_storage_size() does.
#
# Whom it bites: readers that map HDF5 feature files written by other tools from bfloat16 models; size checks that
# compare `dataset.nbytes` with the storage and take a sound file for a truncated one; converters that go on dtypes.
#
# Seen:
#   dtype float32, nbytes 32, stored 16, size of the type 2
#   read by h5py [1, 2, 3, 4, 5, 6, 7, 8]
#   the first four float32 at its offset [2.0039, 4.0078, 6.0079, 8.0158]
#   create_dataset_like: size of the type 4
#   257, half-way between 256 and 258: h5py stores 258, ml_dtypes 256
#   an ml_dtypes.bfloat16 array: written as |V2, class H5T_OPAQUE True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 h5py==3.16.0 ml_dtypes==0.6.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import h5py
import ml_dtypes
import numpy as np
from h5py import h5d, h5p, h5s, h5t


def require(what, seen, expected):
    print(what.format(*seen))
    if list(seen) != expected:
        sys.exit(f"changed: not {expected}")


def bfloat16():
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)  # sign, exponent's place and size, mantissa's place and size
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def new(file, name, shape):
    early = h5p.create(h5p.DATASET_CREATE)
    early.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    return h5py.Dataset(h5d.create(file.id, name, bfloat16(), h5s.create_simple(shape), early))


with h5py.File("map.h5", "w") as file:
    new(file, b"map", (2, 4))[...] = np.arange(1, 9, dtype="f4").reshape(2, 4)
with h5py.File("map.h5", "r") as file:
    dataset = file["map"]
    offset, dtype = dataset.id.get_offset(), dataset.dtype
    sizes = (str(dtype), dataset.nbytes, dataset.id.get_storage_size(), dataset.id.get_type().get_size())
    require("dtype {}, nbytes {}, stored {}, size of the type {}", sizes, ["float32", 32, 16, 2])
    require("read by h5py {}", [dataset[...].astype(int).ravel().tolist()], [list(range(1, 9))])
    mapped = np.fromfile("map.h5", dtype, 4, offset=offset)
    require("the first four float32 at its offset {}", [[round(float(value), 4) for value in mapped]],
            [[2.0039, 4.0078, 6.0079, 8.0158]])
    with h5py.File("like.h5", "w") as other:
        like = other.create_dataset_like("map", dataset)
        require("create_dataset_like: size of the type {}", [like.id.get_type().get_size()], [4])
with h5py.File("more.h5", "w") as file:
    tie = new(file, b"tie", (1,))
    tie[...] = np.float32(257)
    both = int(tie[0]), int(np.float32(257).astype(ml_dtypes.bfloat16))
    require("257, half-way between 256 and 258: h5py stores {}, ml_dtypes {}", both, [258, 256])
    file["own"] = np.arange(4).astype(ml_dtypes.bfloat16)
    own = str(file["own"].dtype), file["own"].id.get_type().get_class() == h5t.OPAQUE
    require("an ml_dtypes.bfloat16 array: written as {}, class H5T_OPAQUE {}", own, ["|V2", True])
PY
echo "as described"
