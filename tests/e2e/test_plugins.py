"""HDF5 that needs plug-ins, is open elsewhere, or has links: read where that is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import run_here

import lucid
from lucid import SourceError
from lucid.models.utils import roi_align
from lucid.stream import list_arrays
from lucid.stream.read import filters


def save_with_plugin(files, name, **options):
    """Write features in another process, so that this one has no plug-ins loaded by that."""
    code = f"""
import h5py, hdf5plugin, numpy as np
with h5py.File({name!r}, "w") as file:
    file.create_dataset("features", data=np.load("f.npy"), chunks=(1, 6, 12, 17),
                        **hdf5plugin.{options.pop("filter")}())
"""
    # netCDF4 sets this when a test imports it, to plug-ins for an HDF5 of its own.
    own = {name: value for name, value in os.environ.items() if name != "HDF5_PLUGIN_PATH"}
    subprocess.run([sys.executable, "-c", code], check=True, env=own)


@pytest.mark.parametrize("kind", ["Zstd", pytest.param("Blosc", marks=pytest.mark.slow),
                                  pytest.param("LZ4", marks=pytest.mark.slow)])  # fmt: skip
def test_files_of_hdf5plugin_are_read_where_they_are_trusted(files, kind):
    pytest.importorskip("hdf5plugin")
    save_with_plugin(files, "a.h5", filter=kind)
    with pytest.raises(SourceError, match=r"filter 320\d\d \(\w+\), a plug-in; pass trust_input="):
        lucid.extract("a.h5", "r.npy", "c.npy", spatial_scale=1 / 16)
    lucid.extract("a.h5", "r.npy", "c.npy", spatial_scale=1 / 16, trust_input=True, jobs=2)
    expected = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    np.testing.assert_array_equal(np.load("c.npy"), expected)
    (info,) = list_arrays("a.h5")
    assert info.compression.startswith("filter 320")


def test_a_plugin_that_is_not_installed_is_named_with_the_way_to_it(files, monkeypatch):
    monkeypatch.setattr(filters, "PACKAGE", "not_installed_either")
    with h5py.File("a.h5", "w") as file:
        space = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space.set_chunk((1, 6, 12, 17))
        space.set_filter(32099, h5py.h5z.FLAG_OPTIONAL, ())
        shape = h5py.h5s.create_simple((5, 6, 12, 17))
        h5py.h5d.create(file.id, b"features", h5py.h5t.IEEE_F32LE, shape, space)
    with pytest.raises(
        SourceError, match=r"filter 32099, .* not there; pip install 'lucid-roialign\["
    ):
        lucid.extract("a.h5", "r.npy", "c.npy", trust_input=True)


@pytest.mark.slow
def test_a_file_that_is_open_for_writing_is_said_to_be_so(files, monkeypatch):
    code = """
import h5py, os
file = h5py.File("a.h5", "w", libver="latest")
file["features"] = [1.0]
file.flush()
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(SourceError, match="a.h5 is open for writing in another program, or one"):
        lucid.extract("a.h5", "r.npy", "c.npy")
    assert Path("a.h5").exists()


def test_links_are_listed_with_what_they_lead_to(files):
    with h5py.File("f.h5", "a") as file:
        file["soft"] = h5py.SoftLink("/features")
        file["group"] = h5py.SoftLink("deep")
        file["away"] = h5py.ExternalLink("r.h5", "rois")
    targets = {info.dataset: info.target for info in list_arrays("f.h5", trust=True)}
    assert targets["features"] == ""
    assert (targets["soft"], targets["away"]) == ("/features", "r.h5::rois")
    assert "group/zipped" not in targets  # which is deep/zipped already
    shown = run_here("info", "f.h5", text=True).stdout
    assert "f.h5::soft -> /features  (5, 6, 12, 17) float32, contiguous  usable as" in shown
    crops = roi_align(files.features, files.rois, 7, spatial_scale=1 / 16)
    lucid.extract("f.h5::soft", "r.npy", "c.npy", spatial_scale=1 / 16)
    np.testing.assert_array_equal(np.load("c.npy"), crops)
