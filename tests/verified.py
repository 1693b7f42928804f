"""Files of crops that tests verify."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import lucid
from lucid.roi.engines.selection import why_not_compiled

OPTIONS = {"stride": 16, "output_size": (3, 4)}
slow = [pytest.mark.slow]
FORMATS = [
    "c.h5",
    "c.npz",
    *(pytest.param(f"c.{kind}", marks=slow) for kind in ("safetensors", "zarr")),
]
FLAGS = {"lzf": {"compression": "lzf", "chunks": 7}, "sum": {"checksum": True, "chunks": 7}}
needs_compiled = pytest.mark.skipif(bool(why_not_compiled()), reason="there is no compiled engine")


def made(output="c.h5", features="f.npy", rois="r.npy", **options):
    lucid.extract(features, rois, output, **OPTIONS | options)
    return output


def opened(output):
    if output.endswith(".zarr"):
        pytest.importorskip("zarr")
    return output


def with_rows(output, change):
    """Change the crops of a file as a program that knows the format would."""
    if output.endswith(".h5"):
        with h5py.File(output, "a") as file:
            rows = file["crops"][:]
            change(rows)
            file["crops"][:] = rows
    else:
        data = next(Path(output).glob("crops/c.*")) if output.endswith(".zarr") else Path(output)
        lucid.extract("f.npy", "r.npy", "same.npy", **OPTIONS)
        rows = np.load("same.npy")
        before = rows.tobytes()
        change(rows)
        held = data.read_bytes()
        assert held.count(before) == 1
        data.write_bytes(held.replace(before, rows.tobytes()))
