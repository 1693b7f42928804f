#!/usr/bin/env bash
# Library: zarr 3.1.6, NumPy 2.4.6; zarr 2.18.7 with numcodecs 0.15.1 for comparison.
#
# Behaviour: appending to an array of a group twice loses maps, if the store has ever been consolidated. zarr 3 takes the
# array's shape from the consolidated copy and does not update that copy when it appends. So a group opened later still
# shows the shape of the time of consolidation; appending through it writes over the maps of the first append and then
# sets the length by the old one, which cuts off the others. Formats 2 and 3 alike. An attribute that was set in between
# is lost in the same way: the append writes the old attributes back.
#
# Why it surprises: `append` is the call that is meant never to touch what is there. The manual says that the copy is
# read by default, and that is all it takes; but that an operation which writes goes by a copy known to be left alone by
# writes, with no warning, is not. zarr 2 read the copy only on request (`open_consolidated`), and the same two
# steps with it keep all maps of the same format-2 store.
#
# Whom it bites: feature stores that grow by a batch a day, once anyone has consolidated them, as some tools do on
# their own. Readers who open the group see the first maps only; those who open the array by its path see all that
# are left. `zarr.open_group(..., use_consolidated=False)` avoids both.
#
# Seen (maps of 1, consolidated, then maps of 2 and later one of 3 appended, each through a group newly opened):
#   zarr 3.1.6, format 2: appended [1, 1, 2, 2, 2], the group shows 2 maps, appended again [1, 1, 3]
#     attributes after the first append {'scale': 0.0625}, after the second {}
#   zarr 3.1.6, format 3: the same two lines
#   zarr 3.1.6, format 3, use_consolidated=False, and zarr 2.18.7, format 2:
#     appended [1, 1, 2, 2, 2], the group shows 5 maps, appended again [1, 1, 2, 2, 2, 3]
#     attributes after the first append {'scale': 0.0625}, after the second {'scale': 0.0625}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/twice.py" <<'PY'
import sys

import numpy as np
import zarr

SCALE = {"scale": 0.0625}


def look(store):
    array = zarr.open_array(store, path="features", mode="r")
    return array[:, 0].astype(int).tolist(), dict(array.attrs)


def append_twice(store, label, loses, **how):
    """Append 3 maps and 1 to the 2 of a store, and tell what each step left."""
    features = zarr.open_group(store, mode="r+", **how)["features"]
    features.append(np.full((3, 4), 2, "f4"))
    features.attrs.update(SCALE)
    first = look(store)
    features = zarr.open_group(store, mode="r+", **how)["features"]
    shown = features.shape[0]
    features.append(np.full((1, 4), 3, "f4"))
    second = look(store)
    print(f"zarr {zarr.__version__}, {label}: appended {first[0]}, the group shows {shown} maps, "
          f"appended again {second[0]}")
    print(f"  attributes after the first append {first[1]}, after the second {second[1]}")
    whole = [1, 1, 2, 2, 2]
    expected = (2, [1, 1, 3], {}) if loses else (5, [*whole, 3], SCALE)
    if first != (whole, SCALE) or (shown, *second) != expected:
        sys.exit(f"changed: not {expected}")
PY
python3 -m venv "$folder/new"
"$folder/new/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 zarr==3.1.6
(cd "$folder" && new/bin/python -) <<'PY'
import shutil
import sys
import warnings

import numpy as np
import zarr
from twice import append_twice

for version in (2, 3):
    group = zarr.create_group(f"maps{version}", zarr_format=version)
    group.create_array("features", data=np.ones((2, 4), "f4"), chunks=(1, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # format 3: "not part of the specification" yet
        zarr.consolidate_metadata(f"maps{version}")
shutil.copytree("maps2", "maps2.old")
shutil.copytree("maps3", "maps3.direct")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    append_twice("maps2", "format 2", True)
    append_twice("maps3", "format 3", True)
    append_twice("maps3.direct", "format 3, use_consolidated=False", False, use_consolidated=False)
if caught:
    sys.exit(f"changed: it warns now: {caught[0].message}")
PY
python3 -m venv "$folder/old"
"$folder/old/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 zarr==2.18.7 numcodecs==0.15.1
(cd "$folder" && old/bin/python -c 'from twice import append_twice; append_twice("maps2.old", "format 2", False)')
echo "as described"
