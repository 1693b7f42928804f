"""Arrays in files of any format: which one is meant, and what each could be.

A format is a class with `claims`, and one more entry of `FORMATS`. It is imported when a file may
be of it: most need much that the others do not.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

from lucid.errors import LucidError, MissingArrayError, SourceError
from lucid.stream.checks import OUTPUT_SUFFIXES, Held, PathLike, is_url
from lucid.stream.read.bfloat16 import HALVES
from lucid.stream.read.held import HeldArray
from lucid.stream.read.missing import not_opened
from lucid.stream.read.npy import PipedNpy
from lucid.stream.read.placed import PlacedSource
from lucid.stream.read.source import ArrayInfo, Check, Container, Source
from lucid.stream.read.url import as_path

# The first that claims a file; and how one of it begins, if all do that begin with anything.
FORMATS: dict[str, str | tuple[str, ...]] = {
    "npy.Npy": "\x93",
    "torch_file.Torch": ("PK", "\x80"),
    "zarr_file.Zarr": "PK",
    "npz.Npz": "PK",
    "voc.Voc": ("<", "\xef"),
    "hdf5.Hdf5": "",
    "safetensors.Safetensors": "",
}

LMDB = bytes(10) + b"\x08" + bytes(5) + b"\xde\xc0\xef\xbe"
# How files begin that are often taken for arrays.
LOOKS = {
    b"\x80": "; it looks like a pickle, which can run code: save its arrays with np.save",
    b"\xff\xd8\xff": "; it is a JPEG picture, and features are what a network made of it",
    b"\x89PNG": "; it is a PNG picture, and features are what a network made of it",
    **dict.fromkeys(
        (b"II*\0", b"MM\0*"), "; it is a TIFF: np.save('map.npy', rasterio.open(path).read())"
    ),
    b"\x1f\x8b": "; it is packed by gzip: unpack it with gunzip",
    LMDB: "; it is an LMDB database, whose values are packed as its author chose: write each to a "
    "file of its own, np.save('features/' + key.decode() + '.npy', array)",
    b"version https://git-lfs": "; it points to a file in Git LFS: fetch that with git lfs pull",
}
TEXTS = "; as rois also .csv, .tsv, .txt or COCO's .json"  # where no byte is zero
START = 512  # bytes by which formats know their files


def open_source(
    spec: PathLike | Held, names: Sequence[str], check: Check, *, trust: bool = False
) -> Source:
    """Open the array of a file that passes a check.

    Parameters
    ----------
    spec : path or array
        `PATH` or `PATH::DATASET`; without a dataset, the first of a file's that has one of the
        names, or else the only one that passes, rather of four axes than of fewer. Links are taken
        where nothing else passes.
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
    if isinstance(spec, Held):
        held = HeldArray(spec, names[0])
        check(held.shape, held.dtype, held.name)
        return held
    path, dataset = split(spec)
    container = open_container(path, trust)
    try:
        name = dataset or _choose(container.infos(), names, check, path)
        source = open_array(container, path, name)
        check(source.shape, source.dtype, source.name)
    except BaseException:
        container.close()
        raise
    return source


def look_source(
    path: Path,
    dataset: str | None,
    start: bytes,
    names: Sequence[str],
    check: Check,
    *,
    trust: bool = False,
) -> Source:
    """Return the array of a file as `open_source` does; what lies in one piece there is not open.

    The file is there, and `start` is what it begins with, if that could be read.
    """
    container = ((start and _claimed(path, start)) or _format_of(path))(path, trust)
    try:
        name = dataset or _choose(container.infos(), names, check, path)
        source = container.look(name) or open_array(
            container, path, name
        )  # which says what there is
        check(source.shape, source.dtype, source.name)
    except BaseException:
        container.close()
        raise
    if isinstance(source, PlacedSource):
        container.close()
    return source


def open_container(path: Path, trust: bool) -> Container:
    """Open a file of whichever format.

    Raises
    ------
    SourceError
        If there is no such file, or it is damaged or of no format that is read.
    """
    return _format_of(path)(path, trust)


def open_array(container: Container, path: Path, name: str | None) -> Source:
    """Open an array of a file by its name; raise if there is none."""
    source = container.open(name)
    if source is None:
        raise MissingArrayError(f"{path} has no dataset {name!r}; {offer(container.infos(), path)}")
    return source


def open_stdin(name: str) -> PipedNpy:
    """Return the .npy stream that is piped in as `name`."""
    if sys.stdin is None:
        raise SourceError("standard input is closed")
    return PipedNpy(sys.stdin.buffer, f"{name} on standard input")


def list_arrays(path: PathLike, trust: bool = False) -> list[ArrayInfo]:
    """Return what a file says about its arrays, in the order of their names.

    Raises
    ------
    SourceError
        If there is no such file, or it is damaged or of no format that is read.
    """
    container = open_container(as_path(path), trust)
    try:
        return container.infos()
    finally:
        container.close()


def offer(infos: list[ArrayInfo], path: Path, most: int = 8) -> str:
    """Say what a file holds and how to choose from it."""
    return f"{contents(infos, most)}. Choose with {path}::NAME" if infos else contents(infos)


def contents(infos: list[ArrayInfo], most: int = 8) -> str:
    """Say what a file holds."""
    more = f", and {len(infos) - most} more" if len(infos) > most else ""
    return f"it holds {', '.join(map(str, infos[:most])) or 'no arrays'}{more}"


def split(spec: PathLike) -> tuple[Path, str | None]:
    """Take PATH::DATASET apart; a file whose name has '::' in it is a file."""
    text = os.fspath(spec)
    path, mark, dataset = text.rpartition("::")
    if not mark or (not is_url(text) and os.path.exists(text)):  # noqa: PTH110
        return as_path(text), None
    if not (path and dataset):
        raise SourceError(f"{text} must be PATH or PATH::DATASET")
    return as_path(path), dataset


def _format_of(path: Path) -> type[Container]:
    """Tell the format of a file by what it holds; raise if none claims it."""
    try:
        may_be_folder = path.is_dir() or (is_url(path) and not path.is_file())
        if may_be_folder and (found := _claimed(path, b"")):
            return found
        if path.is_dir():
            there = Counter(each.suffix for each in path.iterdir())
            if not there:
                raise SourceError(f"{path} is an empty folder")
            if (path / "data.mdb").is_file():
                return _format_of(path / "data.mdb")
            ((most, _),) = there.most_common(1)
            suffix = next((one for one in OUTPUT_SUFFIXES if one in there), most)
            raise SourceError(
                f"{path} is a folder; if it has a file for each image, pass {path}/{{id}}{suffix}"
            )
        if not path.is_file() and path.exists():
            raise SourceError(f"{path} is not a regular file; pipe it in as '-'")
        with path.open("rb") as stream:
            start = stream.read(START)
        if found := _claimed(path, start):
            return found
    except OSError as error:
        if isinstance(error, LucidError):
            raise
        raise not_opened(path, error) from error
    except ValueError as error:  # a name that no file can have
        raise SourceError(f"{path!r} cannot be opened: {error}") from error
    *kinds, last = (each.kind for each in _formats(b""))
    otherwise = "" if b"\0" in start else TEXTS
    hint = next((says for begins, says in LOOKS.items() if start.startswith(begins)), otherwise)
    hint = hint if start else "; it is empty"
    raise SourceError(f"{path} must be a {', '.join(kinds)} or {last} file{hint}")


def _claimed(path: Path, start: bytes) -> type[Container] | None:
    """Return the format that claims a file with such a start, or a folder."""
    return next((each for each in _formats(start) if each.claims(path, start)), None)


def _formats(start: bytes) -> Iterator[type[Container]]:
    """Yield the formats that a file with such a start, or a folder, may be of."""
    first = start[:2].decode("latin-1")
    for name, begins in FORMATS.items():
        if not start or first.startswith(begins):
            yield _format_called(name)


@cache
def _format_called(name: str) -> type[Container]:
    module, kind = name.split(".")
    return cast(type[Container], getattr(import_module(f"lucid.stream.read.{module}"), kind))


def _choose(infos: list[ArrayInfo], names: Sequence[str], check: Check, path: Path) -> str | None:
    """Return the name of the array that the caller can only have meant; of a .npy file, None."""
    if [info.dataset for info in infos] == [None]:
        return None
    passing = [info for info in infos if info.passes(check) and info.shape != (0,)]
    lacking = [
        info for info in infos if info.dtype.names or info.dtype == HALVES or names[0] in info.roles
    ] or infos
    if not passing and len(lacking) == 1:  # the check says what it lacks
        return lacking[0].dataset
    named = [info for name in names for info in passing if info.dataset == name]
    own = [info for info in passing if not info.target] or passing
    chosen = named[:1] or [info for info in own if len(info.shape) == 4] or own
    if len(chosen) != 1:
        many = "several datasets" if passing else "no dataset"
        way = offer(passing, path) if passing else contents(infos)
        raise SourceError(f"{path} has {many} usable as {names[0]}; {way}")
    return chosen[0].dataset
