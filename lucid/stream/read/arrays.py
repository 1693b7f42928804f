"""Arrays in files: `.npy` mapped into memory, a dataset of an HDF5 file, or a `.npy` in a pipe."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from lucid.errors import LucidError, SourceError
from lucid.roi.pooling import require_features
from lucid.roi.table import require_table
from lucid.stream.checks import PathLike
from lucid.stream.read import hdf5, npy
from lucid.stream.read.fingerprint import Input

Array = NDArray[Any]
Check = Callable[[tuple[int, ...], np.dtype[Any], str], None]

# How files begin that are often taken for arrays.
LOOKS = {b"PK": "; it looks like an archive, perhaps .npz", b"\x80": "; it looks like a pickle"}


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What a file says about one of its arrays."""

    dataset: str | None  # None in a .npy file
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None = None  # of storage; None where it is contiguous
    compression: str | None = None

    @property
    def roles(self) -> list[str]:
        """What the array is usable as."""
        return [role for role in ("features", "rois") if self.passes(ROLES[role])]

    def passes(self, check: Check) -> bool:
        """Return whether a check has nothing against the array."""
        try:
            check(self.shape, self.dtype, "array")
        except LucidError:
            return False
        return True

    def __str__(self) -> str:
        name = "" if self.dataset is None else f"{self.dataset!r} "
        return f"{name}{self.shape} {self.dtype}"


def require_rois(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless an array is of a form that RoIs come in: (K, 5), (K, 4) or (N, M, 4)."""
    if len(shape) in {2, 3} and shape[-1] == 4:
        require_table((1, 5), dtype, name)
    else:
        require_table(shape, dtype, name)


ROLES: dict[str, Check] = {"features": require_features, "rois": require_rois}


class Source:
    """An open array: `source[key]` reads a part of it."""

    def __init__(
        self, name: str, path: Path, array: Array | h5py.Dataset, file: h5py.File | None
    ) -> None:
        self.name, self.path = name, path
        self.info = _describe(array)
        self._array, self._file = array, file

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.info.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The kind of the values."""
        return self.info.dtype

    @property
    def mapped(self) -> bool:
        """Whether reading copies nothing into memory of its own."""
        return self._file is None

    def as_input(self, role: str) -> Input:
        """Return what is recorded of it, as the array that an option names."""
        return Input(role, self.path, self.info.dataset, self.shape, str(self.dtype))

    @property
    def chunk_bytes(self) -> int:
        """The size of a block of storage, 0 where there are none."""
        return self.dtype.itemsize * math.prod(self.info.chunks) if self.info.chunks else 0

    @property
    def missing_chunks(self) -> int:
        """How many chunks were never written, and read as zeros or what the file says."""
        return 0 if self._file is None else hdf5.missing_chunks(self._array)

    def attribute(self, name: str) -> Any:
        """Return an attribute of the dataset, None where there is none."""
        return None if self._file is None else attribute(self._array, name, self.name)

    def __getitem__(self, key: Any) -> Array:
        try:
            part: Array = self._array[key]
        except Exception as error:
            raise SourceError(f"{self.name} cannot be read: {error}") from error
        return part

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def open_source(
    spec: PathLike, names: Sequence[str], check: Check, *, trust: bool = False
) -> Source:
    """Open the array of a file that passes a check.

    Parameters
    ----------
    spec : path
        `PATH` or `PATH::DATASET`; without a dataset, the first of an HDF5 file's that has one of
        the names, or else the only one that passes.
    names : sequence of str
        What such an array is usually called; the first is what the run calls it.
    check : callable
        Is given shape, dtype and name, and raises a LucidError if the array cannot be meant.
    trust : bool
        Whether an HDF5 file may lead to other files and have plug-ins loaded.

    Raises
    ------
    SourceError
        If there is no such file or dataset, or it is damaged, or the choice is not clear.
    ShapeError, DTypeError
        If the array does not pass.
    """
    path, dataset = _split(spec)
    if is_hdf5(path):
        source = _open_dataset(path, dataset, names, check, trust)
    elif dataset is not None:
        raise SourceError(f"{path} is a .npy file, without datasets; drop '::{dataset}'")
    else:
        source = Source(str(path), path, npy.map_npy(path), None)
    try:
        check(source.shape, source.dtype, source.name)
    except LucidError:
        source.close()
        raise
    return source


def open_stdin(name: str) -> npy.PipedNpy:
    """Return the .npy stream that is piped in as `name`."""
    if sys.stdin is None:
        raise SourceError("standard input is closed")
    return npy.PipedNpy(sys.stdin.buffer, f"{name} on standard input")


def list_arrays(path: PathLike) -> list[ArrayInfo]:
    """Return what a file says about its arrays, in the order of their names.

    Raises
    ------
    SourceError
        If there is no such file, or it is not a sound .npy or HDF5 file.
    """
    path = Path(path)
    if not is_hdf5(path):
        return [_describe(npy.map_npy(path))]
    with hdf5.open_hdf5(path) as file:
        return [_describe(dataset) for dataset in hdf5.datasets(file)]


def is_hdf5(path: Path) -> bool:
    """Tell by its first bytes whether a file is HDF5 or .npy; raise if it is neither."""
    try:
        if not path.is_file() and path.exists() and not path.is_dir():
            raise SourceError(f"{path} is not a regular file; pipe it in as '-'")
        with path.open("rb") as stream:
            start = stream.read(8)
        if start.startswith(npy.MAGIC):
            return False
        if h5py.is_hdf5(path):
            return True
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} cannot be opened: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise SourceError(f"{path!r} cannot be opened: {error}") from error
    hint = next((says for begins, says in LOOKS.items() if start.startswith(begins)), "")
    raise SourceError(f"{path} must be a .npy or HDF5 file{hint if start else '; it is empty'}")


def attribute(item: h5py.Dataset, name: str, where: str) -> Any:
    """Return an attribute, None where there is none."""
    try:
        return item.attrs.get(name)
    except Exception as error:
        raise hdf5.damaged(where, error) from error


def offer(infos: list[ArrayInfo], path: Path, most: int = 8) -> str:
    """Say what a file holds and how to choose from it."""
    if not infos:
        return "it holds no arrays"
    more = f", and {len(infos) - most} more" if len(infos) > most else ""
    return f"it holds {', '.join(map(str, infos[:most]))}{more}. Choose with {path}::NAME"


def _split(spec: PathLike) -> tuple[Path, str | None]:
    """Take PATH::DATASET apart; a file whose name has '::' in it is a file."""
    text = os.fspath(spec)
    path, mark, dataset = text.rpartition("::")
    if not mark or Path(text).exists():
        return Path(text), None
    if not (path and dataset):
        raise SourceError(f"{text} must be PATH or PATH::DATASET")
    return Path(path), dataset


def _describe(array: Array | h5py.Dataset) -> ArrayInfo:
    if not isinstance(array, h5py.Dataset):
        return ArrayInfo(None, array.shape, array.dtype)
    try:
        name = array.name.removeprefix("/")
        return ArrayInfo(name, array.shape, array.dtype, array.chunks, array.compression)
    except Exception as error:
        raise hdf5.damaged(array.file.filename, error) from error


def _open_dataset(
    path: Path, dataset: str | None, names: Sequence[str], check: Check, trust: bool
) -> Source:
    file = hdf5.open_hdf5(path)
    try:
        name = dataset or _choose(file, names, check, path)
        item = hdf5.dataset_at(file, name, trust)
        if item is None:
            infos = [_describe(found) for found in hdf5.datasets(file)]
            raise SourceError(f"{path} has no dataset {name!r}; {offer(infos, path)}")
        return Source(f"{path}::{name}", path, item, file)
    except BaseException:
        file.close()
        raise


def _choose(file: h5py.File, names: Sequence[str], check: Check, path: Path) -> str:
    """Return the name of the dataset that the caller can only have meant."""
    infos = [_describe(dataset) for dataset in hdf5.datasets(file)]
    candidates = [info for info in infos if info.passes(check)]
    named = [info for name in names for info in candidates if info.dataset == name]
    chosen = named[:1] or candidates
    if len(chosen) != 1:
        many = "several datasets" if candidates else "no dataset"
        raise SourceError(
            f"{path} has {many} usable as {names[0]}; {offer(candidates or infos, path)}"
        )
    return str(chosen[0].dataset)
