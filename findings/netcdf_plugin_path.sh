#!/usr/bin/env bash
# Libraries: netCDF4 1.7.5.1.post1 (with HDF5 2.2.0), h5py 3.16.0 (HDF5 2.0.0), hdf5plugin 7.1.0.
#
# Behaviour: `import netCDF4` sets HDF5_PLUGIN_PATH in the environment of the process to a folder of the package, with
# plug-ins that are linked to its own HDF5. A child process inherits that: there, h5py with hdf5plugin cannot write
# Blosc any more ("error during user callback"), though it never imports netCDF4. Zstd goes on working.
#
# Why it surprises: an import is not expected to change what other programs do that are started afterwards, least of
# all one that uses another library with an HDF5 of its own. That it depends on the filter makes it look like a fault of
# the data.
#
# Whom it bites: workers of process pools, and scripts started by notebooks that have netCDF4 or an xarray with it
# loaded. Start them without the variable.
#
# Seen:
#   as started: Blosc written, Zstd written
#   with netCDF4 imported by the parent: Blosc ValueError, Zstd written
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 h5py==3.16.0 hdf5plugin==7.1.0 netCDF4==1.7.5.1.post1
cat > "$folder/child.py" <<'PY'
import sys

import h5py
import hdf5plugin
import numpy as np

h5py._errors.silence_errors()
for name in ("Blosc", "Zstd"):
    with h5py.File(f"{name}.h5", "w") as file:
        try:
            options = getattr(hdf5plugin, name)()
            file.create_dataset("x", data=np.zeros((4, 64, 64), "f4"), chunks=(1, 64, 64), **options)
            print(name, "written")
        except ValueError as error:
            assert "error during user callback" in str(error), error
            print(name, "ValueError")
PY
(cd "$folder" && unset HDF5_PLUGIN_PATH && env/bin/python -) <<'PY'
import os
import subprocess
import sys


def child():
    done = subprocess.run([sys.executable, "child.py"], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.splitlines())


before = child()
print("as started:", before)
import netCDF4

assert "netCDF4" in os.environ["HDF5_PLUGIN_PATH"], "it is not set any more"
after = child()
print("with netCDF4 imported by the parent:", after)
assert before == "Blosc written, Zstd written", before
assert after == "Blosc ValueError, Zstd written", after
PY
echo "as it was"
