#!/usr/bin/env bash
# Libraries: h5py 3.16.0 and 3.15.1, hdf5plugin 7.1.0, NumPy 2.4.6.
#
# Behaviour: `create_dataset_like` of a dataset that hdf5plugin compresses. h5py 3.15.1 makes the copy without
# compression and says nothing. h5py 3.16.0 raises ValueError: Compression filter "unknown" is unavailable, though the
# filter is there and serves the same dataset. `compression=None`, the way out that comes to mind, makes the copy
# without compression in both; of a dataset with gzip, which is copied well, it raises TypeError.
#
# Why it surprises: a function that promises a dataset like the other one lost its compression, and the release that
# tells more about filters (`Dataset.compression` is "unknown" for those of plugins, no longer None) turned the silent
# loss into an error about something else: the filter it misses has that new word for its name.
#
# Whom it bites: scripts that make an output "like" the input for maps stored with Zstd, Bitshuffle or Blosc: before,
# files many times larger; now, an error that sends its reader to look for a plugin. Name the filter in the call, or
# take it along with `create_dataset(name, shape, dtype, dcpl=source.id.get_create_plist())`.
#
# Seen (100 maps of 1000 float32 zeros, 400000 bytes; bytes stored):
#   h5py 3.15.1, Zstd: compression None, 200 bytes; like 400000; like with compression=None 400000; dcpl 200
#   h5py 3.15.1, gzip: compression gzip, 610 bytes; like 610; like with compression=None TypeError; dcpl 610
#   h5py 3.16.0, Zstd: compression unknown, 200 bytes; like ValueError; like with compression=None 400000; dcpl 200
#   h5py 3.16.0, gzip: compression gzip, 610 bytes; like 610; like with compression=None TypeError; dcpl 610
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/like.py" <<'PY'
import sys

import h5py
import hdf5plugin
import numpy as np

MAPS = np.zeros((100, 1000), "f4")
NEW = h5py.__version__ == "3.16.0"


def stored(make):
    """Write the maps to a new dataset and return the bytes it takes, or the error's name."""
    try:
        dataset = make()
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError) and 'filter "unknown"' not in str(error):
            sys.exit(f"changed: {error}")
        return type(error).__name__
    dataset[:] = MAPS
    return dataset.id.get_storage_size()


def copies(file, label, compression):
    source = file.create_dataset(label, data=MAPS, chunks=(10, 1000), compression=compression)
    filters = source.id.get_create_plist()
    return source.compression, [
        source.id.get_storage_size(),
        stored(lambda: file.create_dataset_like(f"{label} 1", source)),
        stored(lambda: file.create_dataset_like(f"{label} 2", source, compression=None)),
        stored(lambda: file.create_dataset(f"{label} 3", source.shape, source.dtype, dcpl=filters)),
    ]


with h5py.File("maps.h5", "w") as file:
    for label, filter_, expected in (
        ("Zstd", hdf5plugin.Zstd(), ["plugin", "ValueError" if NEW else "whole", "whole", "plugin"]),
        ("gzip", "gzip", ["gzip", "gzip", "TypeError", "gzip"]),
    ):
        told, seen = copies(file, label, filter_)
        print(f"h5py {h5py.__version__}, {label}: compression {told}, {seen[0]} bytes; like {seen[1]}; "
              f"like with compression=None {seen[2]}; dcpl {seen[3]}")
        kinds = {MAPS.nbytes: "whole", seen[0]: "plugin" if label == "Zstd" else "gzip"}
        if [kinds.get(value, value) for value in seen] != expected:
            sys.exit(f"changed: not {expected}")
        if told != ("gzip" if label == "gzip" else "unknown" if NEW else None):
            sys.exit("changed: the compression has another name")
PY
for version in 3.15.1 3.16.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        numpy==2.4.6 "h5py==$version" hdf5plugin==7.1.0
    (cd "$folder" && "$version/bin/python" like.py)
done
echo "as described"
