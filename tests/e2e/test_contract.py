"""What holds for every container that is read and every output that is written.

A container or an output more is one line more in `CONTAINERS` or `OUTPUTS`.
"""

import io
from itertools import cycle, product
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import pytest
import torch_files
from command import bytes_of, remove, run_here
from torch_files import Tensor

import lucid
from lucid.models.utils import roi_align


def npy(maps, order="C"):
    np.save("in.npy", np.asarray(maps, order=order))
    return "in.npy"


def hdf5(maps, **storage):
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("maps", data=maps, **storage)
    return "in.h5"


def dataset_per_image(maps):
    with h5py.File("in.h5", "w") as file:
        for image, alone in enumerate(maps):
            file[f"{image}/map"] = alone
    return "in.h5::{id}/map"


def npz(maps, save=np.savez, name="maps"):
    save("in.npz", **{name: maps, "boxes": np.zeros((3, 4))})
    return "in.npz"


def member_per_image(maps, save):
    save("in.npz", **{f"{image}/map": alone for image, alone in enumerate(maps)})
    return "in.npz::{id}/map"


def file_per_image(maps):
    for image, alone in enumerate(maps):
        np.savez_compressed(f"in{image}.npz", x=alone)
    return "in{id}.npz"


def hdf5_per_image(maps):
    for image, alone in enumerate(maps):
        hdf5(alone)
        Path("in.h5").rename(f"in{image}.h5")
    return "in{id}.h5"


def safetensors(maps):
    data = f'{{"x":{{"dtype":"F32","shape":{list(maps.shape)},"data_offsets":[0,{maps.nbytes}]}}}}'
    Path("in.safetensors").write_bytes(
        len(data).to_bytes(8, "little") + data.encode() + maps.tobytes()
    )
    return "in.safetensors"


def torch_strides(maps):
    order = np.array([1, 3, 0, 2])
    stored = np.ascontiguousarray(maps.transpose(order))
    strides = (np.array(stored.strides) // stored.itemsize)[np.argsort(order)].tolist()
    return torch_files.save("in.pt", Tensor(stored, shape=maps.shape, strides=strides))


def torch_per_image(maps):
    torch_files.save("in.pt", {image: {"map": alone} for image, alone in enumerate(maps)})
    return "in.pt::{id}.map"


def zarr(maps, **options):
    library = pytest.importorskip("zarr")
    store = library.storage.ZipStore("in.zip", mode="w")
    library.open_group(store, mode="w").create_array("maps", data=maps, **options)
    store.close()
    return "in.zip"


IN_ZIP = "is a zip file such as .npz or .pt, which must be a file"
# What writes maps and returns how they are named; how it is refused on standard input, if it is.
CONTAINERS = {
    "npy": (npy, None),
    "npy in Fortran order": (lambda maps: npy(maps, "F"), "is in Fortran order"),
    "HDF5": (hdf5, "is HDF5, which must be a file"),
    "HDF5, packed": (
        lambda maps: hdf5(maps, chunks=(2, 3, 12, 17), compression="gzip"),
        "is HDF5, which must be a file",
    ),
    "HDF5, a dataset of each image": (dataset_per_image, "is HDF5, which must be a file"),
    "npz": (npz, IN_ZIP),
    "npz, deflated": (lambda maps: npz(maps, np.savez_compressed), IN_ZIP),
    "npz in Fortran order": (lambda maps: npz(np.asfortranarray(maps)), IN_ZIP),
    "npz, a member of each image": (lambda maps: member_per_image(maps, np.savez), IN_ZIP),
    "npz, a deflated one": (lambda maps: member_per_image(maps, np.savez_compressed), IN_ZIP),
    "npz per image": (file_per_image, None),
    "HDF5 per image": (hdf5_per_image, None),
    "safetensors": (safetensors, "is safetensors, which must be a file"),
    "torch": (lambda maps: torch_files.save("in.pt", {"maps": maps}), IN_ZIP),
    "zarr": (lambda maps: zarr(maps, chunks=(2, 3, 12, 17)), IN_ZIP),
    "torch, other strides": (torch_strides, IN_ZIP),
    "torch, a key of each image": (torch_per_image, IN_ZIP),
}
# The output's name and options; how these are refused on standard output, if they are.
OUTPUTS = {
    "npy": ("c.npy", {}, None),
    "HDF5": ("c.h5", {}, None),
    "npz": ("c.npz", {}, None),
    "safetensors": ("c.safetensors", {}, None),
    "zarr": ("c.zarr", {}, None),
    "zarr, packed": (
        "c.zarr",
        {"compression": "gzip", "chunks": 7},
        "are for HDF5 and zarr, not for .npy",
    ),
    "HDF5, packed": ("c.h5", {"compression": "gzip"}, "are for HDF5 and zarr, not for .npy"),
    "HDF5, checked": (
        "c.h5",
        {"chunks": 7, "checksum": True},
        "are for HDF5 and zarr, not for .npy",
    ),
}
PAIRS = list(product(CONTAINERS, OUTPUTS))
ONE_EACH = list(zip(CONTAINERS, cycle(OUTPUTS), strict=False))
ALL_IF_SLOW = [
    pytest.param(*pair, marks=[] if pair in ONE_EACH else pytest.mark.slow) for pair in PAIRS
]


class Contract:
    """A job that reads a container and writes an output, in a folder of its own."""

    operator: ClassVar = {"output_size": (3, 4), "spatial_scale": 1 / 16, "sampling_ratio": 2}

    def __init__(self, files, container, output):
        files.rois[[5, 40], 1] = np.nan
        np.save("table.npy", files.rois)
        self.expected = roi_align(files.features, files.rois, invalid="zero", **self.operator)
        self.features = CONTAINERS[container][0](files.features)
        self.output, self.options, _ = OUTPUTS[output]

    def bytes_of(self, **options):
        """Run and return what is in the output."""
        self.report = lucid.extract(
            self.features, "table.npy", self.output, invalid="zero",
            **self.operator, **self.options, **{"overwrite": not options.get("resume"), **options},
        )  # fmt: skip
        return bytes_of(self.output)

    def crops(self):
        if self.output.endswith((".npy", ".npz")):
            found = np.load(self.output)
            return found if self.output.endswith(".npy") else found["crops"]
        if self.output.endswith(".safetensors"):
            return pytest.importorskip("safetensors.numpy").load_file(self.output)["crops"]
        if self.output.endswith(".zarr"):
            return pytest.importorskip("zarr").open_group(self.output, mode="r")["crops"][...]
        with h5py.File(self.output) as file:
            return file["crops"][...]


@pytest.fixture
def contract(files, container, output):
    return Contract(files, container, output)


class Stopped(Exception):
    """What ends a run before its end."""


class TestOfEveryContainerAndOutput:
    @pytest.mark.parametrize(("container", "output"), ALL_IF_SLOW)
    def test_crops_are_those_of_arrays_to_the_bit(self, contract):
        contract.bytes_of()
        np.testing.assert_array_equal(contract.crops(), contract.expected)
        assert contract.expected[[4, 6]].any()
        assert not contract.expected[[5, 40]].any()

    @pytest.mark.slow
    @pytest.mark.parametrize(("container", "output"), ALL_IF_SLOW)
    def test_bytes_depend_neither_on_memory_nor_on_batches(self, contract, tuned):
        whole = contract.bytes_of()
        tuned(slice_rows=7, slice_row_bytes=0, work_bytes=0, batch_rois=7)
        assert contract.bytes_of(memory=160_000) == whole

    @pytest.mark.slow
    @pytest.mark.parametrize(("container", "output"), ALL_IF_SLOW)
    def test_a_run_that_was_stopped_is_finished_to_the_same_bytes(self, contract, tuned):
        whole = contract.bytes_of()
        remove(contract.output)
        tuned(crops_bytes=2000)

        def stop(rows_done):
            if rows_done >= 30:
                raise Stopped

        with pytest.raises(Stopped):
            contract.bytes_of(overwrite=False, on_progress=stop)
        assert not Path(contract.output).exists()
        assert contract.bytes_of(resume=True) == whole
        assert 20 <= contract.report.resumed < 58
        assert [path.name for path in Path().glob("c.*")] == [contract.output]
        assert contract.bytes_of(resume=True) == whole
        assert contract.report.resumed == 58


@pytest.mark.slow
@pytest.mark.parametrize(("container", "output"), PAIRS)
def test_bytes_do_not_depend_on_the_number_of_processes(contract):
    assert contract.bytes_of(jobs=2) == contract.bytes_of(jobs=1)


@pytest.mark.slow
@pytest.mark.usefixtures("helpers_are_threads")
@pytest.mark.parametrize(("container", "output"), ONE_EACH)
def test_bytes_do_not_depend_on_the_number_of_those_at_work(contract):
    assert contract.bytes_of(jobs=3) == contract.bytes_of(jobs=1)


@pytest.mark.parametrize("container", [one for one in CONTAINERS if not one.endswith(" per image")])
def test_a_container_can_be_piped_in_or_says_why_not(files, container):
    write, refusal = CONTAINERS[container]
    path = write(files.features).partition("::")[0]
    done = run_here(
        "extract", "--features", "-", "--rois", "r.npy", "-o", "c.npy",
        stdin=Path(path).read_bytes(),
    )  # fmt: skip
    assert done.returncode == (refusal is not None), done.stderr
    if refusal:
        assert refusal in done.stderr.decode()
        assert not list(Path().glob("c.*"))
    else:
        np.testing.assert_array_equal(np.load("c.npy"), roi_align(files.features, files.rois, 7))


@pytest.mark.parametrize("output", OUTPUTS)
def test_options_of_an_output_can_be_piped_out_or_are_refused(files, output):
    _, options, refusal = OUTPUTS[output]
    flags = [flag for name, value in options.items()
             for flag in ([f"--{name}"] if value is True else [f"--{name}", value])]  # fmt: skip
    done = run_here("extract", "--features", "f.npy", "--rois", "r.npy", "-o", "-", *flags)
    assert done.returncode == 2 * (refusal is not None), done.stderr
    if refusal:
        assert refusal in done.stderr.decode()
        assert done.stdout == b""
    else:
        expected = roi_align(files.features, files.rois, 7)
        np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), expected)
