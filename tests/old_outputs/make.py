"""Write outputs of the version of lucid-roialign that is installed, for tests/e2e/test_old_outputs.

They are kept for ever: every later version must read them and compute the same crops. Run it once
for a version, in this folder, and name the folder of outputs if not by the version. The inputs were
written by the first run. 0.1.0 is commit 246980d, where chunks were called blocks:

    git archive 246980d | tar x -C /tmp/old && PYTHONPATH=/tmp/old:.. python make.py

0.1.0-companions is the first in which RoIs, rows and ids stand beside the crops.
"""

import sys
from pathlib import Path

import numpy as np
from kernel import kernel

import lucid

OPERATOR = {"output_size": (3, 4), "spatial_scale": 0.5, "sampling_ratio": -1, "aligned": True}
OUTPUTS = {
    "contiguous.h5": {},
    "gzip.h5": {"compression": "gzip", "blocks": 5, "checksum": True},
    "lzf.h5": {"compression": "lzf", "blocks": 5, "checksum": True},
    "plain.npy": {},
}


def write_inputs(rng):
    """Write three maps and two dozen RoIs: on the map, across its borders and beyond."""
    np.save("features.npy", rng.standard_normal((3, 5, 10, 13), np.float32))
    corner = rng.uniform(-8, 24, (24, 2))
    boxes = np.c_[corner, corner + rng.uniform(0, 16, (24, 2))]
    np.save("rois.npy", np.c_[rng.integers(0, 3, 24), boxes].astype(np.float32))


if __name__ == "__main__":
    if not Path("features.npy").exists():
        write_inputs(np.random.default_rng(2017))
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else lucid.__version__)
    folder.mkdir(exist_ok=True)
    for name, options in OUTPUTS.items():
        lucid.extract("features.npy", "rois.npy", folder / name, **OPERATOR, **options)
    (folder / "kernel.txt").write_text(f"{kernel()}\n")
