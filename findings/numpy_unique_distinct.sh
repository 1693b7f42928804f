#!/usr/bin/env bash
# Library: NumPy 2.4.6, beside 2.2.6.
#
# Behaviour: `np.unique` of integers that are nearly all distinct takes far longer than sorting them, and far longer
# than the same call with `return_counts=True`, which returns the same array and more. From 2.3 on the plain call puts
# values into a hash table, one by one, and sorts what is in it afterwards; with counts (or an index, or an inverse) it
# sorts at once, as every form did before. In 2.2.6 both forms take about as long.
#
# Why it surprises: to ask for less is expected to cost no more, and an upgrade of a function that was a sort and a
# comparison is not expected to make it dozens of times slower. With few distinct values the table is no such loss.
#
# Whom it bites: whoever makes distinct keys of rows, such as ids of images, cells of a map as row times width plus
# column, or packed pairs: tables of a million keys take seconds instead of hundredths. Where keys are mostly distinct,
# `np.unique(keys, return_counts=True)[0]`, or a sort and a comparison of neighbours.
#
# Seen (800,000 draws of int64 below 2**50; CPU time of the plain call / that with counts, and / np.sort):
#   2.2.6: 0.7 and 1.4
#   2.4.6: 51 and 80
# Figures differ by machine; the test is that 2.4.6 is above 5 and 2.2.6 below 3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 2.2.6 2.4.6; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "numpy==$version"
    (cd "$folder" && "$version/bin/python" -) <<'PY'
import time

import numpy as np

keys = np.random.default_rng(0).integers(0, 1 << 50, 800_000)


def least(function):
    """Return the least CPU time of some calls."""
    times = []
    for _ in range(3):
        start = time.process_time()
        function(keys)
        times.append(time.process_time() - start)
    return min(times)


plain, sort = least(np.unique), least(np.sort)
counted = least(lambda values: np.unique(values, return_counts=True))
same = np.array_equal(np.unique(keys), np.unique(keys, return_counts=True)[0])
print(f"{np.__version__}: {plain / counted:.1f} x that with counts, {plain / sort:.1f} x np.sort")
assert same
assert (plain / counted > 5) if np.__version__ == "2.4.6" else (plain / counted < 3)
PY
done
echo "as it was"
