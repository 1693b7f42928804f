"""Files laid out like one before: found where a closer look at them would find them, or not."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch_files

from lucid import LucidError
from lucid.stream.read import per_image
from lucid.stream.read.alike import Alike
from lucid.stream.read.arrays import look_source
from lucid.stream.read.fingerprint import FilesSeen
from lucid.stream.read.per_image import FilePerImage
from lucid.stream.read.source import require_maps

NAMES = ("features",)


def npz(stem, array):
    np.savez(f"{stem}.npz", features=array)
    return f"{stem}.npz"


def several(stem, array):
    np.savez(f"{stem}.npz", features=array[:, :1], boxes=array[0, 0])
    return f"{stem}.npz"


def torch(stem, array):
    return torch_files.save(f"{stem}.pt", {"features": array}, folder=stem)


def alone(stem, array):
    return torch_files.save(f"{stem}.pt", array)


def safetensors(stem, array):
    about = {"dtype": "F32", "shape": array.shape, "data_offsets": [0, array.nbytes]}
    header = json.dumps({"features": about}).encode()
    data = len(header).to_bytes(8, "little") + header + array.tobytes()
    Path(f"{stem}.safetensors").write_bytes(data)
    return f"{stem}.safetensors"


def hdf5(stem, array):
    with h5py.File(f"{stem}.h5", "w") as file:
        file["features"] = array
    return f"{stem}.h5"


def halves(stem, array):
    about = {"dtype": "BF16", "shape": array.shape, "data_offsets": [0, array.nbytes // 2]}
    header = json.dumps({"features": about}).encode()
    upper = np.ascontiguousarray(array.view("<u2").reshape(*array.shape, 2)[..., 1])
    data = len(header).to_bytes(8, "little") + header + upper.tobytes()
    Path(f"{stem}.safetensors").write_bytes(data)
    return f"{stem}.safetensors"


SAVES = [npz, several, torch, alone, safetensors, hdf5, halves]


@pytest.fixture
def arrays(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    return rng.integers(-128, 128, (5, 1, 3, 12, 12)).astype(np.float32) / 8


def closer_look(path):
    """Return where a closer look finds the array of a file, None if it refuses the file."""
    try:
        with look_source(
            Path(path), None, Path(path).read_bytes()[:4096], NAMES, require_maps
        ) as it:
            return it.place
    except LucidError:
        return None


def learned(paths):
    """Return what was found out about files, of which the last is like the first."""
    alike = Alike(trust=False)
    for path in paths:
        ends = FilesSeen().look(path)
        source = look_source(Path(path), None, ends.start, NAMES, require_maps)
        alike.learn(path, "", ends, source)
    return alike


@pytest.mark.parametrize("save", SAVES)
def test_the_third_file_takes_no_closer_look(arrays, save, monkeypatch):
    looked = []

    def noted(path, *about, **options):
        looked.append(path)
        return look_source(path, *about, **options)

    monkeypatch.setattr(per_image, "look_source", noted)
    paths = [save(f"{k:03}", array) for k, array in enumerate(arrays)]
    files = FilePerImage(paths, [], NAMES, require_maps, trust=False)
    for source, array in zip(files.first(), arrays, strict=True):
        np.testing.assert_array_equal(source[:, :, 2:4], array[:, : source.shape[1], 2:4])
    assert looked == [Path(path) for path in paths[:2]]
    for k, array in enumerate(arrays):
        room = np.empty(files.again(k).shape, np.float32)
        files.again(k).read_to(room)
        np.testing.assert_array_equal(room, array[:, : room.shape[1]])


@pytest.mark.parametrize("save", [npz, torch, safetensors, hdf5])
def test_a_byte_that_matters_takes_a_closer_look(arrays, save):
    first, second, third, *_ = (save(f"{k:03}", array) for k, array in enumerate(arrays))
    alike, whole = learned([first, second]), Path(third).read_bytes()
    place = alike.placed(third, "", FilesSeen().look(third)).place
    assert place == closer_look(third)
    values = range(place.begin, place.begin + place.nbytes)
    others = sorted(set(range(len(whole))) - set(values))
    for at in others[:: 3 if save is not hdf5 else 13]:
        Path(third).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        found = alike.placed(third, "", FilesSeen().look(third))
        assert found is None or closer_look(third) == place


def test_another_name_inside_takes_a_closer_look(arrays):
    first, second = torch("000", arrays[0]), torch("001", arrays[1])
    torch_files.save("002.pt", {"features": arrays[2]}, folder="003")
    assert learned([first, second]).placed("002.pt", "", FilesSeen().look("002.pt")) is None


@pytest.mark.parametrize("what", ["deflated", "words", "other size", "other dataset"])
def test_what_is_not_known_from_such_bytes_takes_a_closer_look(arrays, what):
    def save(stem, array):
        if what == "deflated":
            np.savez(f"{stem}.npz", features=array)
            with zipfile.ZipFile(f"{stem}.npz", "a", zipfile.ZIP_DEFLATED) as file:
                file.writestr("boxes.npy", Path("a.npy").read_bytes())
        elif what == "words":
            np.savez(f"{stem}.npz", features=array, im_info=np.array([480, 640, float(stem)]))
        else:
            return npz(stem, array)
        return f"{stem}.npz"

    np.save("a.npy", np.zeros((4, 4)))
    first, second, third, *_ = (save(f"{k:03}", array) for k, array in enumerate(arrays))
    alike = learned([first, second])
    if what == "other size":
        npz("002", arrays[2][..., :4])
    dataset = "boxes" * (what == "other dataset")
    assert alike.placed(third, dataset, FilesSeen().look(third)) is None


def test_a_file_that_is_being_written_takes_a_closer_look(arrays):
    first, second, third, *_ = (hdf5(f"{k:03}", array) for k, array in enumerate(arrays))
    alike, ends = learned([first, second]), FilesSeen().look(third)
    assert alike.placed(third, "", ends).place == closer_look(third)
    with h5py.File(third, "r+"):
        assert alike.placed(third, "", ends) is None


def test_a_packed_array_alone_in_its_file_takes_no_closer_look(arrays):
    """Also where the first one differs in shape and dtype."""
    alike = Alike(trust=False)
    for k, array in enumerate([arrays[0], arrays[1, ..., :4], arrays[2].astype(np.float16)]):
        np.savez_compressed(f"{k}.npz", x=array)
        found = alike.placed(f"{k}.npz", "", FilesSeen().look(f"{k}.npz"))
        assert found.name == f"{k}.npz::x"
        assert found.place == closer_look(f"{k}.npz")
        np.testing.assert_array_equal(found[:], array)


def test_a_packed_file_with_a_damaged_byte_takes_a_closer_look_or_is_as_that_says(arrays):
    np.savez_compressed("0.npz", x=arrays[0])
    whole = Path("0.npz").read_bytes()
    header, directory = 200, whole.index(b"PK\1\2")
    for at in [*range(header), *range(directory, len(whole))][::2]:
        Path("0.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 5]) + whole[at + 1 :])
        ends = FilesSeen().look("0.npz")
        found = Alike(trust=False).placed("0.npz", "", ends) if ends.start[:2] == b"PK" else None
        assert found is None or found.place == closer_look("0.npz")


def test_packed_arrays_beside_others_take_a_closer_look(arrays):
    np.savez_compressed("0.npz", x=arrays[0], boxes=arrays[0, 0])
    np.savez_compressed("1.npz", features=np.zeros((1, 4, 600, 600), np.float32))  # large
    for name in ("0.npz", "1.npz"):
        assert Alike(trust=False).placed(name, "", FilesSeen().look(name)) is None
