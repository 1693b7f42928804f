"""Arrays in files: `.npy` mapped into memory, or a dataset of an HDF5 file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lucid.errors import LucidError, SourceError
from lucid.roi.pooling import require_features
from lucid.roi.table import require_table

Array = NDArray[Any]
Check = Callable[[tuple[int, ...], np.dtype[Any], str], None]

# What the parts of a run ask of an array: raises unless shape and dtype are right.
ROLES: dict[str, Check] = {"features": require_features, "rois": require_table}

# How files begin that are often taken for arrays.
LOOKS = {b"PK": "; it looks like an archive, perhaps .npz", b"\x80": "; it looks like a pickle"}


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What a file says about one of its arrays."""

    dataset: str | None  # None in a .npy file
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: tuple[int, ...] | None = None  # of storage; None where it is contiguous
    compression: str | None = None

    @property
    def roles(self) -> list[str]:
        """What the array could be in a run."""
        return [role for role, check in ROLES.items() if _passes(check, self)]

    def __str__(self) -> str:
        name = "" if self.dataset is None else f"{self.dataset!r} "
        return f"{name}{self.shape} {self.dtype}"


def _passes(check: Check, info: ArrayInfo) -> bool:
    try:
        check(info.shape, info.dtype, "array")
    except LucidError:
        return False
    return True


class Source:
    """An open array: `source[key]` reads a part of it."""

    def __init__(
        self, name: str, info: ArrayInfo, array: Array | h5py.Dataset, file: h5py.File | None = None
    ) -> None:
        self.name = name
        self.info = info
        self._array = array
        self._file = file

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

    @property
    def path(self) -> Path:
        """The file."""
        return _split(self.name)[0]

    @property
    def stamp(self) -> list[int]:
        """What changes when the file does: its size in bytes, and when it was last modified."""
        found = self.path.stat()
        return [found.st_size, found.st_mtime_ns]

    def attribute(self, name: str) -> Any:
        """Return an attribute of the dataset, None where there is none."""
        return None if self._file is None else self._array.attrs.get(name)  # type: ignore[union-attr]

    def __getitem__(self, key: Any) -> Array:
        try:
            part: Array = self._array[key]
        except (OSError, RuntimeError) as error:
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


def open_source(spec: str | os.PathLike[str], role: str) -> Source:
    """Open the array of a file that plays a role in a run.

    Parameters
    ----------
    spec : path
        `PATH` or `PATH::DATASET`; without a dataset, that of an HDF5 file which has the name of
        the role, or else the only one that could play it.
    role : {'features', 'rois'}
        What it is for.

    Raises
    ------
    SourceError
        If there is no such file or dataset, or it is damaged, or the choice is not clear.
    ShapeError, DTypeError
        If the array cannot play the role.
    """
    path, dataset = _split(spec)
    if _is_hdf5(path):
        source = _open_dataset(path, dataset, role)
    elif dataset is not None:
        raise SourceError(f"{path} is a .npy file, without datasets; drop '::{dataset}'")
    else:
        source = Source(str(path), *_map_npy(path))
    try:
        ROLES[role](source.shape, source.dtype, source.name)
    except LucidError:
        source.close()
        raise
    return source


def list_arrays(path: str | os.PathLike[str]) -> list[ArrayInfo]:
    """Return what a file says about its arrays, in the order of their names.

    Raises
    ------
    SourceError
        If there is no such file, or it is not a sound .npy or HDF5 file.
    """
    path = Path(path)
    if not _is_hdf5(path):
        return [_map_npy(path)[0]]
    with _open_hdf5(path) as file:
        return list(_datasets(file))


def _split(spec: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Take PATH::DATASET apart; a file whose name has '::' in it is a file."""
    text = os.fspath(spec)
    path, mark, dataset = text.rpartition("::")
    if not mark or Path(text).exists():
        return Path(text), None
    if not (path and dataset):
        raise SourceError(f"{text} must be PATH or PATH::DATASET")
    return Path(path), dataset


def _is_hdf5(path: Path) -> bool:
    """Tell by its first bytes whether a file is HDF5 or .npy; raise if it is neither."""
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}") from error
    if start.startswith(npy.MAGIC_PREFIX):
        return False
    if h5py.is_hdf5(path):
        return True
    hint = next((says for begins, says in LOOKS.items() if start.startswith(begins)), "")
    raise SourceError(f"{path} must be a .npy or HDF5 file{hint if start else '; it is empty'}")


def _map_npy(path: Path) -> tuple[ArrayInfo, Array]:
    """Map the array of a .npy file into memory, after holding its header against its size."""
    with path.open("rb") as stream:
        try:
            shape, fortran, dtype = _read_header(stream)
        except (ValueError, EOFError, TypeError, SyntaxError) as error:
            raise SourceError(f"{path} has no valid .npy header: {error}") from error
        offset, held = stream.tell(), os.fstat(stream.fileno()).st_size
    if dtype.hasobject:
        raise SourceError(f"{path} holds pickled Python objects, which are never loaded")
    if any(length < 0 for length in shape):
        raise SourceError(f"{path} has no valid .npy header: shape {shape}")
    promised = offset + dtype.itemsize * int(np.prod(shape, dtype=object))
    if held < promised:
        raise SourceError(
            f"{path} is truncated: its header promises {promised} bytes, it has {held}"
        )
    array: Array
    if promised == offset:  # no values, and an empty file cannot be mapped
        array = np.empty(shape, dtype)
    else:
        array = np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
    return ArrayInfo(None, shape, dtype), array


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} is for structured data")
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(stream)
    return header


def _open_hdf5(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise SourceError(f"{path} cannot be opened as HDF5: {error}") from error


def _datasets(file: h5py.File) -> Iterator[ArrayInfo]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if _is_array(item) else None)
    return (_describe(name, file[name]) for name in sorted(found))


def _is_array(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.shape is not None


def _describe(name: str, dataset: h5py.Dataset) -> ArrayInfo:
    return ArrayInfo(name, dataset.shape, dataset.dtype, dataset.chunks, dataset.compression)


def _open_dataset(path: Path, dataset: str | None, role: str) -> Source:
    file = _open_hdf5(path)
    try:
        infos = list(_datasets(file))
        name = _choose(infos, role, path) if dataset is None else dataset
        item = file.get(name)
        if item is None or not _is_array(item):
            raise SourceError(f"{path} has no dataset {name!r}; {_offer(infos, path)}")
    except BaseException:
        file.close()
        raise
    return Source(f"{path}::{name}", _describe(name, item), item, file)


def _choose(infos: list[ArrayInfo], role: str, path: Path) -> str:
    """Return the name of the dataset that the caller can only have meant."""
    candidates = [info for info in infos if role in info.roles]
    named = [info for info in candidates if info.dataset == role]
    if len(named or candidates) != 1:
        many = "several datasets" if candidates else "no dataset"
        raise SourceError(
            f"{path} has {many} that could be {role}; {_offer(candidates or infos, path)}"
        )
    return str((named or candidates)[0].dataset)


def _offer(infos: list[ArrayInfo], path: Path, most: int = 8) -> str:
    """Say what a file holds and how to choose from it."""
    if not infos:
        return "it holds no arrays"
    more = f", and {len(infos) - most} more" if len(infos) > most else ""
    return f"it holds {', '.join(map(str, infos[:most]))}{more}. Choose with {path}::NAME"
