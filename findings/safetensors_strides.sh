#!/usr/bin/env bash
# Library: safetensors 0.8.0 (and 0.7.0 for comparison), NumPy 2.4.6.
#
# Behaviour: `safetensors.numpy.save` and `save_file` of 0.8.0 write the values of a transposed or Fortran-ordered array
# in the order in which they lie in memory, under the array's shape. The array comes back with the right shape and
# dtype and its values in other places. 0.7.0 makes a C-ordered copy first.
#
# Why it surprises: the docstring of both versions asks for contiguous arrays, but 0.7.0 stored any layout correctly, and
# the module for torch raises on one that is not contiguous. 0.8.0's module for NumPy neither copies nor raises: the
# file is valid, loads without a warning, and has the same sum and the same mean as the original. A Fortran-ordered
# array even is "contiguous" in NumPy's words.
#
# Whom it bites: feature maps are transposed right before saving more often than not: channels last to channels first
# (`x.transpose(0, 3, 1, 2)`), `np.moveaxis`, MATLAB's axes. Every crop taken from such a file is wrong, and
# plausible. `np.ascontiguousarray(x)` before the call is the remedy.
#
# Seen:
#   safetensors 0.7.0: transposed equal True, Fortran order equal True, copied first equal True
#   safetensors 0.8.0: transposed equal False, Fortran order equal False, copied first equal True
#     channels first of a (1, 2, 2, 3) map: wrote [[0, 3], [6, 9]], read back [[0, 1], [2, 3]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
for version in 0.7.0 0.8.0; do
    "$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 "safetensors==$version"
    (cd "$folder" && env/bin/python - "$version") <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

channels_last = np.arange(12, dtype="f4").reshape(1, 2, 2, 3)
transposed = channels_last.transpose(0, 3, 1, 2)
arrays = {
    "transposed": transposed,
    "Fortran order": np.asfortranarray(channels_last[0, 0]),
    "copied first": np.ascontiguousarray(transposed),
}
save_file(arrays, "maps.safetensors")
loaded = load_file("maps.safetensors")
equal = {name: bool(np.array_equal(loaded[name], arrays[name])) for name in arrays}
told = ", ".join(f"{name} equal {same}" for name, same in equal.items())
print(f"safetensors {safetensors.__version__}: {told}")
right = sys.argv[1] == "0.7.0"
if list(equal.values()) != [right, right, True]:
    sys.exit(f"changed: {equal}")
if {name: loaded[name].shape for name in arrays} != {name: arrays[name].shape for name in arrays}:
    sys.exit("changed: other shapes")
if not right:
    first, back = (x[0, 0].astype(int).tolist() for x in (transposed, loaded["transposed"]))
    print(f"  channels first of a {channels_last.shape} map: wrote {first}, read back {back}")
    if back != [[0, 1], [2, 3]]:
        sys.exit("changed: other values")
PY
done
echo "as described"
