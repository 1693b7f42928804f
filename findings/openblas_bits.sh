#!/usr/bin/env bash
# Library: NumPy 2.4.6, whose x86-64 Linux wheel holds OpenBLAS 0.3.31; threadpoolctl 3.6.0 names the kernel.
#
# Behaviour: the bits of one row of a float32 product `A @ B` depend on how many OTHER rows A has, on the column at
# which a slice of B begins, on the number of threads and on the kernel that OpenBLAS picks for the processor. With
# the Haswell kernels (taken for AVX2 without AVX-512, AMD's Zen included) the first m rows of a 49-row product equal
# the product of those m rows only where m is a multiple of 12. With the Nehalem kernels (chosen here through
# OPENBLAS_CORETYPE) they are equal for every m but 1.
#
# Why it surprises: a row of a product is a sum that the other rows have no part in, so splitting a batch "cannot" alter
# it. Run-to-run bits are stable, so a test that repeats a call passes; and one that splits a batch may pass on one
# machine (or with a batch of 12, 24, 48) and fail on the next with the same wheel.
#
# Whom it bites: whoever promises the same bytes for any batch size, memory limit or number of workers; caches and
# checksums of features across machines; tests that compare with `==`. The differences are of the last bits
# (at most 2e-6 here), but `>` against a threshold and argmax see them.
#
# Seen:
#   Haswell: one thread 49x20 @ 20x256: m rows alone keep their bits for m = 12 24 36 48 49
#   Haswell: B from column s on keeps its bits for s = 0
#   Haswell: 300x300 @ 300x300 with 1 and 2 threads: same bits False
#   Nehalem: one thread 49x20 @ 20x256: m rows alone keep their bits for m = 2 .. 49
#   Nehalem: B from column s on keeps its bits for s = 0 .. 15
#   Nehalem: 300x300 @ 300x300 with 1 and 2 threads: same bits True
#   Haswell against Nehalem: 49x20 @ 20x256 differs in 7463 of 12544 values, by at most 1.9e-06
#
# Needs an x86-64 processor with AVX2 and two cores; exits with 2 elsewhere.
set -euo pipefail
if ! grep -qw avx2 /proc/cpuinfo 2>/dev/null || [ "$(nproc)" -lt 2 ]; then
    echo "not checked: no x86-64 processor with AVX2 and two cores"
    exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 threadpoolctl==3.6.0
cat >"$folder/once.py" <<'PY'
"""Print, for this kernel and number of threads, which parts of products keep their bits."""
import json
import sys

import numpy as np
import threadpoolctl

random = np.random.default_rng(0)
a, b = (random.standard_normal(shape, "f4") for shape in ((49, 20), (20, 256)))
square, other = (random.standard_normal((300, 300), "f4") for _ in "ab")
whole = a @ b
np.save(sys.argv[1], whole)
np.save(sys.argv[2], square @ other)
print(json.dumps({
    "kernel": [pool["architecture"] for pool in threadpoolctl.threadpool_info()],
    "rows": [m for m in range(1, 50) if np.array_equal(a[:m] @ b, whole[:m])],
    "columns": [s for s in range(16) if np.array_equal(a @ b[:, s:], whole[:, s:])],
}))
PY
(cd "$folder" && env/bin/python -) <<'PY'
import json
import os
import subprocess
import sys

import numpy as np


def run(kernel, threads):
    env = os.environ | {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": str(threads)}
    names = [f"{kernel}{threads}{which}.npy" for which in ("small", "square")]
    out = subprocess.run([sys.executable, "once.py", *names], env=env, check=True, capture_output=True)
    told = json.loads(out.stdout)
    if told["kernel"] != [kernel]:
        sys.exit(f"changed: OpenBLAS took {told['kernel']}, not {kernel}")
    return told, *(np.load(name) for name in names)


def span(numbers):
    run = list(range(numbers[0], numbers[-1] + 1))
    return f"{run[0]} .. {run[-1]}" if numbers == run and len(run) > 1 else " ".join(map(str, numbers))


def require(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen}, not {expected}")


small = {}
expected = {
    "Haswell": ([12, 24, 36, 48, 49], [0], False),
    "Nehalem": (list(range(2, 50)), list(range(16)), True),
}
for kernel, (rows, columns, same) in expected.items():
    told, small[kernel], one = run(kernel, 1)
    two = run(kernel, 2)[2]
    print(f"{kernel}: one thread 49x20 @ 20x256: m rows alone keep their bits for m = {span(told['rows'])}")
    print(f"{kernel}: B from column s on keeps its bits for s = {span(told['columns'])}")
    print(f"{kernel}: 300x300 @ 300x300 with 1 and 2 threads: same bits {np.array_equal(one, two)}")
    require("rows", told["rows"], rows)
    require("columns", told["columns"], columns)
    require("threads", np.array_equal(one, two), same)
gap = np.abs(small["Haswell"] - small["Nehalem"])
print(f"Haswell against Nehalem: 49x20 @ 20x256 differs in {(gap > 0).sum()} of {gap.size} values, "
      f"by at most {gap.max():.1e}")
require("kernels differ in the last bits only", bool(0 < gap.max() < 1e-5), True)
PY
echo "as described"
