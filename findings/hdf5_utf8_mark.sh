#!/usr/bin/env bash
# Libraries: h5py 3.16.0 (HDF5 2.0.0), NumPy 2.4.6.
#
# Behaviour: `np.array(ids, h5py.string_dtype("utf-8", 3))` of an array of dtype S3 gives a copy without the mark
# "utf-8", which cannot be written to a dataset of just that type: OSError, no appropriate function for conversion
# path. `ids.astype(dtype, copy=False)` gives back `ids`, without the mark as well. `np.asarray(ids, dtype)`, a view,
# and `ids.astype(dtype)`, a copy, have the mark and are written. From an array of S2 all four have it.
#
# Why it surprises: the mark is metadata of the dtype, and to NumPy S3 with and without it are equal; it depends on the
# function which of two equal dtypes the result gets. Copy or no copy is no guide. Nor is a test with shorter ids:
# the write fails only if the longest id fills the type. `ids.dtype == dataset.dtype` is True where it fails, and
# the bytes, plain ASCII, are the same in both encodings; a list of them is written to either.
#
# Whom it bites: writers of ids or class names as fixed-length UTF-8, who find the longest name and make the type of it.
# `astype` with its copy is the safe way.
#
# Seen:
#   S3 to UTF-8: bare OSError, array OSError, astype copy=False OSError, astype written, asarray written, list written
#   S3 to S3: bare written, array written, astype copy=False written, astype OSError, asarray OSError, list written
#   S2 to UTF-8: bare OSError, array written, astype copy=False written, astype written, asarray written, list written
#   dtypes of S3 and of the UTF-8 dataset equal: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 h5py==3.16.0
(cd "$folder" && env/bin/python -) <<'PY'
import sys

import h5py
import numpy as np

UTF8 = h5py.string_dtype("utf-8", 3)
FAILS, WORKS = "OSError", "written"


def ways(ids):
    return {
        "bare": ids,
        "array": np.array(ids, UTF8),
        "astype copy=False": ids.astype(UTF8, copy=False),
        "astype": ids.astype(UTF8),
        "asarray": np.asarray(ids, UTF8),
        "list": ids.tolist(),
    }


def write(dataset, values, ids):
    try:
        dataset[:] = values
    except OSError as error:
        if "no appropriate function for conversion path" not in str(error):
            sys.exit(f"changed: {error}")
        return FAILS
    return WORKS if dataset[:].tolist() == ids.tolist() else "other values"


with h5py.File("ids.h5", "w") as file:
    for kind, label, dtype, expected in (
        ("S3", "UTF-8", UTF8, [FAILS, FAILS, FAILS, WORKS, WORKS, WORKS]),
        ("S3", "S3", "S3", [WORKS, WORKS, WORKS, FAILS, FAILS, WORKS]),
        ("S2", "UTF-8", UTF8, [FAILS, WORKS, WORKS, WORKS, WORKS, WORKS]),
    ):
        ids = np.array([b"a1", b"b2"], kind)
        dataset = file.create_dataset(f"{kind} {label}", ids.shape, dtype)
        seen = {way: write(dataset, values, ids) for way, values in ways(ids).items()}
        print(f"{kind} to {label}: {', '.join(f'{way} {end}' for way, end in seen.items())}")
        if list(seen.values()) != expected:
            sys.exit(f"changed: not {expected}")
    equal = file["S3 UTF-8"].dtype == np.dtype("S3")
    print("dtypes of S3 and of the UTF-8 dataset equal:", equal)
    if not equal:
        sys.exit("changed: the dtypes differ")
PY
echo "as described"
