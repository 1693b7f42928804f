#!/usr/bin/env bash
# Library: h5py 3.16.0 (its wheel holds HDF5 2.0.0), NumPy 2.4.6.
#
# Behaviour: a small write into a CONTIGUOUS dataset is kept by HDF5 in a "sieve buffer" of up to 64 KiB, together with
# the neighbouring bytes as they were on disk. The next flush or close writes all of it back. Rows that another
# process stored in between with os.pwrite at `dataset.id.get_offset()` are undone. Reads have the mirror image: after
# one small read, neighbouring rows are answered from the buffer however often the file changes, also where h5py
# opened it with "r".
#
# Why it surprises: contiguous storage is known as the layout without a cache. The documented chunk cache does not
# apply, the offset is public, and rows that do not overlap look independent: each writer touches only its own bytes.
# And `file.flush()`, the call that is meant to make data safe, is the one that does the damage.
#
# Whom it bites: programs that lay out a contiguous dataset, let workers fill it through its offset (the way round
# h5py's global lock), and keep the h5py handle open for a few rows of their own or to look at the progress.
# Remedies: no sieve buffer (`fapl.set_sieve_buf_size(0)`) and, for reads, `dataset.id.refresh()`, both checked
# below; or let the h5py dataset object go before others write (`file["rows"][0] = 1` without a name does).
#
# Seen (row 0 is written by h5py, row 1 by another process):
#   default: on disk before the flush [0.0, 7.0], after it [1.0, 0.0]: row 1 is lost
#   default: read by h5py 0.0, after refresh() 7.0, on disk 7.0
#   no sieve buffer: on disk before the flush [1.0, 7.0], after it [1.0, 7.0]
#   no sieve buffer: read by h5py 7.0, after refresh() 7.0, on disk 7.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 h5py==3.16.0
(cd "$folder" && env/bin/python -) <<'PY'
import subprocess
import sys

import h5py
import numpy as np

ROW = 4  # float32 values
FOREIGN = """
import os, struct, sys
file = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(file, struct.pack("<4f", 7, 7, 7, 7), int(sys.argv[2]))
"""


def require(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen}, not {expected}")


def new_file(name):
    with h5py.File(name, "w") as file:
        return file.create_dataset("rows", data=np.zeros((16, ROW), "f4")).id.get_offset()


def open_file(name, mode, sieve):
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    if not sieve:
        access.set_sieve_buf_size(0)
    flags = h5py.h5f.ACC_RDWR if mode == "r+" else h5py.h5f.ACC_RDONLY
    return h5py.File(h5py.h5f.open(name.encode(), flags, access))


def store_row_1(name, offset):
    subprocess.run([sys.executable, "-c", FOREIGN, name, str(offset + 4 * ROW)], check=True)


def on_disk(name, offset):
    return np.fromfile(name, "<f4", 2 * ROW, offset=offset)[::ROW].tolist()


for sieve in (True, False):
    label = "default" if sieve else "no sieve buffer"
    offset = new_file("write.h5")
    with open_file("write.h5", "r+", sieve) as file:
        rows = file["rows"]  # kept: dropping the object would write the buffer out
        rows[0] = 1
        store_row_1("write.h5", offset)
        before = on_disk("write.h5", offset)
        file.flush()
        after = on_disk("write.h5", offset)
    lost = ": row 1 is lost" if after[1] != 7 else ""
    print(f"{label}: on disk before the flush {before}, after it {after}{lost}")
    require("disk before", before, [0.0, 7.0] if sieve else [1.0, 7.0])
    require("disk after", after, [1.0, 0.0] if sieve else [1.0, 7.0])

    offset = new_file("read.h5")
    with open_file("read.h5", "r", sieve) as file:
        rows = file["rows"]
        rows[0]
        store_row_1("read.h5", offset)
        read = float(rows[1, 0])
        rows.id.refresh()
        refreshed = float(rows[1, 0])
    disk = on_disk("read.h5", offset)[1]
    print(f"{label}: read by h5py {read}, after refresh() {refreshed}, on disk {disk}")
    require("read", [read, refreshed, disk], [0.0 if sieve else 7.0, 7.0, 7.0])
PY
echo "as described"
