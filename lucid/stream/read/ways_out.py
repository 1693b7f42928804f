"""What leads out of an HDF5 file, which is not followed unless the caller trusts the file.

A file can point to other files (external links, external storage, virtual datasets), ask for code
to be loaded (filter plug-ins), and promise more values than it has; and do so through datasets
of its own that virtual ones are made of.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from lucid.errors import MissingFileError, SourceError
from lucid.stream.checks import is_url
from lucid.stream.read.filters import EXTRA, name_of, plugins_of, require_plugins
from lucid.stream.read.hdf5_file import identity, open_hdf5
from lucid.stream.read.url import as_path

MOST_LINKS = 32  # that lead from one name to the next

Identity = tuple[int, int]


def require_inside(file: h5py.Group, name: str, where: str) -> None:
    """Raise if a name leads to another file, through whatever groups and soft links."""
    steps, above = _steps(name), ""
    for _ in range(MOST_LINKS):
        for k, step in enumerate(steps):
            link = file.get(f"{above}/{step}", getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _distrusted(where, f"a link to another file, {link.filename!r}")
            if isinstance(link, h5py.SoftLink):
                target = link.path if link.path.startswith("/") else f"{above}/{link.path}"
                steps, above = _steps(target) + steps[k + 1 :], ""
                break
            above = f"{above}/{step}"
        else:
            return
    raise SourceError(f"{where} is a chain of more than {MOST_LINKS} links")


def require_whole(dataset: h5py.Dataset, where: str, trust: bool) -> None:
    """Raise unless all that a dataset is made of is there, and in its file or trusted."""
    _require_whole(dataset, where, trust, (), set())


def _require_whole(
    dataset: h5py.Dataset,
    where: str,
    trust: bool,
    within: tuple[Identity, ...],
    checked: set[Identity],
) -> None:
    """Check a dataset, and all those that a virtual one is made of."""
    this = identity(dataset)
    if this in within or len(within) > MOST_LINKS:
        raise SourceError(f"{where} is a virtual dataset made of itself, or without end")
    if this in checked:
        return
    if trust:
        require_plugins(dataset, where)
    if trust and not is_url(where):
        _require_external_storage(dataset, where)
    else:
        _require_no_other_file(dataset, where)
        _require_own_storage(dataset, where, trust)
    for name, source in _virtual_sources(dataset):
        through = f"{where} (through {source!r})"
        if not trust:
            require_inside(dataset.file, source, through)
        with _source(dataset, name, source) as item:
            if not isinstance(item, h5py.Dataset):
                raise SourceError(f"{where} is made of {name}::{source}, which is missing")
            _require_whole(item, through, trust, (*within, this), checked)
    checked.add(this)


def _require_no_other_file(dataset: h5py.Dataset, where: str) -> None:
    """Raise if a dataset leads to other files."""
    if dataset.external:
        raise _distrusted(where, f"stored in another file, {dataset.external[0][0]!r}")
    parts = dataset.virtual_sources() if dataset.is_virtual else []
    if any(part.file_name != "." or "%" in part.dset_name for part in parts):
        raise _distrusted(where, "a virtual dataset made of other files")


def _require_own_storage(dataset: h5py.Dataset, where: str, trust: bool) -> None:
    """Raise unless a file has the values that are promised, to be read without new code."""
    if not trust and (plugins := plugins_of(dataset)):
        raise _distrusted(where, f"stored with {name_of(plugins[0])}, a plug-in", f" ({EXTRA})")
    space = dataset.id.get_create_plist()
    stored = space.get_layout() == h5py.h5d.CONTIGUOUS and dataset.id.get_storage_size()
    if stored is False:
        return
    size, promised = as_path(dataset.file.filename).stat().st_size, _stored_bytes(dataset)
    if min(stored, size) < promised:
        raise SourceError(
            f"{where} promises {promised} bytes, more than its file has or holds for it"
        )


def _stored_bytes(dataset: h5py.Dataset) -> int:
    """Return the bytes of all values as they are stored; h5py widens a bfloat16 to float32."""
    size: int = math.prod(dataset.shape) * dataset.id.get_type().get_size()
    return size


def _require_external_storage(dataset: h5py.Dataset, where: str) -> None:
    """Raise unless files hold all values that are stored there; HDF5 would read zeros instead."""
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "")
    folder = prefix.replace("${ORIGIN}", str(Path(dataset.file.filename).parent))
    left = _stored_bytes(dataset) if dataset.external else 0
    for name, begin, room in dataset.external or ():
        path, size = Path(folder, name), min(room, left)  # the last may have room without limit
        if not path.exists():
            raise MissingFileError(f"{where} is stored in {name}, which is missing", path)
        if path.stat().st_size < begin + size:
            raise SourceError(f"{where} is stored in {name}, which is too short")
        left -= size


def is_open_ended(dataset: h5py.Dataset) -> bool:
    """Return whether HDF5 would open other files already to tell how long a dataset is."""
    return dataset.is_virtual and any(
        h5py.h5s.UNLIMITED in part.vspace.get_simple_extent_dims(True)
        for part in dataset.virtual_sources()
    )


def _virtual_sources(dataset: h5py.Dataset) -> list[tuple[str, str]]:
    """Return the files and datasets that one is made of, each once; '.' is its own file.

    Patterns of names ('%b') are left out: how many they stand for is HDF5's to say.
    """
    parts = dataset.virtual_sources() if dataset.is_virtual else []
    named = dict.fromkeys((part.file_name, part.dset_name) for part in parts)
    return [names for names in named if "%" not in "".join(names)]


@contextmanager
def _source(dataset: h5py.Dataset, name: str, source: str) -> Iterator[object]:
    """Open what a virtual dataset is made of, where HDF5 would find it."""
    if name == ".":
        yield dataset.file.get(source)
        return
    path = next((place for place in _places(dataset.file.filename, name) if place.exists()), None)
    if path is None:
        yield None
        return
    with open_hdf5(path) as file:
        yield file.get(source)


def _places(owner: str, name: str) -> Iterator[Path]:
    """Yield where HDF5 looks for a file of which a virtual dataset is made."""
    beside = Path(owner).parent
    prefix = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(beside))
    folders = [*([Path(prefix)] if prefix else []), beside, Path(), Path(owner).resolve().parent]
    yield from (folder / name for folder in folders)
    yield from (folder / Path(name).name for folder in folders)  # of an absolute one that moved


def target_of(link: h5py.SoftLink | h5py.ExternalLink) -> str:
    """Return what a link leads to, as it is said on the command line."""
    return f"{link.filename}::{link.path}" if isinstance(link, h5py.ExternalLink) else link.path


def link_of(file: h5py.Group, name: str) -> h5py.SoftLink | h5py.ExternalLink | None:
    """Return the link that a name is, None if it is that of an object."""
    link = file.get(name, getlink=True)
    return link if isinstance(link, (h5py.SoftLink, h5py.ExternalLink)) else None


def _steps(name: str) -> list[str]:
    return [step for step in name.split("/") if step not in {"", "."}]


def _distrusted(where: str, what: str, how: str = "") -> SourceError:
    if is_url(where) and not how:
        return SourceError(f"{where} is {what}, which is never followed from a URL; copy the files")
    return SourceError.advising(
        f"{where} is {what}",
        f"pass {{trust_input:True}}{how} if you know where it comes from",
    )
