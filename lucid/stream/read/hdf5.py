"""HDF5 files that may come from anywhere: what they hold, and what is refused.

A file can point to other files (external links, external storage, virtual datasets), ask for code
to be loaded (filter plug-ins), and promise more values than it has. None of this is followed
unless the caller trusts the file. A damaged one can make h5py fail in any way, with any exception.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from lucid.errors import SourceError

MOST_LINKS = 32  # that lead from one name to the next
FILTERS = {
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_SZIP,
    h5py.h5z.FILTER_NBIT,
    h5py.h5z.FILTER_SCALEOFFSET,
    h5py.h5z.FILTER_LZF,
}  # those that come with HDF5 and h5py


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises
    ------
    SourceError
        If it is damaged.
    """
    try:
        return h5py.File(path, "r")
    except Exception as error:
        raise damaged(str(path), error) from error


def damaged(name: str, error: BaseException) -> SourceError:
    """Return the error about a file that HDF5 could not make sense of."""
    fact = (str(error) or type(error).__name__).partition("\n")[0]
    return SourceError(f"{name} cannot be read as HDF5: {fact}")


def datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Yield the datasets that are stored in a file, in the order of their names."""
    names: list[str] = []

    def note(name: str | bytes, item: Any) -> None:
        if isinstance(name, str) and _is_array(item):  # bytes are no text, and cannot be asked for
            names.append(name)

    try:
        file.visititems(note)
        for name in sorted(names):
            if _is_numbers(file[name]):
                yield file[name]
    except Exception as error:
        raise damaged(file.filename, error) from error


def dataset_at(file: h5py.File, name: str, trust: bool) -> h5py.Dataset | None:
    """Return a dataset, None if there is none of this name.

    Raises
    ------
    SourceError
        If it is damaged, or one that is only read from files that are trusted.
    """
    try:
        if not trust:
            _require_inside(file, name)
        item = file.get(name)
        if item is None or not _is_array(item):
            return None
        if not trust:
            _require_own_storage(item, f"{file.filename}::{name}")
    except SourceError:
        raise
    except Exception as error:
        raise damaged(f"{file.filename}::{name}", error) from error
    return item


def matching(file: h5py.File, pattern: str, place: str, trust: bool) -> dict[str, str]:
    """Return the datasets whose names match, by what stands for `place`; links count as well."""
    parts = [part for part in pattern.split("/") if part]
    level = next(k for k, part in enumerate(parts) if place in part)
    above, below = "/".join(parts[:level]), parts[level + 1 :]
    before, after = parts[level].split(place)
    try:
        if above and not trust:
            _require_inside(file, above)
        group = file.get(above) if above else file
        keys = [key for key in group if isinstance(key, str)] if _is_group(group) else []
    except SourceError:
        raise
    except Exception as error:
        raise damaged(file.filename, error) from error
    found = {}
    for key in keys:
        inner = key[len(before) : len(key) - len(after)]
        if inner and key == before + inner + after:
            name = "/".join([*parts[:level], key, *below])
            if dataset_at(file, name, trust) is not None:
                found[inner] = name
    return found


def missing_chunks(dataset: h5py.Dataset) -> int:
    """Return how many chunks of a dataset were never written, and so read as its fill value."""
    try:
        if dataset.chunks is None or 0 in dataset.shape:
            return 0
        sides = zip(dataset.shape, dataset.chunks, strict=True)
        chunks: int = math.prod(-(-length // side) for length, side in sides)
        written: int = dataset.id.get_num_chunks()
        return chunks - written
    except Exception as error:
        raise damaged(f"{dataset.file.filename}::{dataset.name}", error) from error


def _is_numbers(dataset: h5py.Dataset) -> bool:
    """Return whether NumPy has a dtype for the values at all."""
    try:
        return dataset.dtype is not None
    except TypeError:
        return False


def _is_group(item: Any) -> bool:
    return isinstance(item, h5py.Group)


def _is_array(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.shape is not None


def _require_inside(file: h5py.File, name: str) -> None:
    """Raise if a name leads to another file, through whatever groups and soft links."""
    steps, where = [step for step in name.split("/") if step], ""
    for _ in range(MOST_LINKS):
        for k, step in enumerate(steps):
            place = f"{where}/{step}"
            link = file.get(place, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _distrusted(
                    f"{file.filename}::{name}", f"a link to another file, {link.filename!r}"
                )
            if isinstance(link, h5py.SoftLink):
                target = link.path if link.path.startswith("/") else f"{where}/{link.path}"
                steps = [part for part in target.split("/") if part and part != "."] + steps[
                    k + 1 :
                ]
                where = ""
                break
            where = place
        else:
            return
    raise SourceError(f"{file.filename}::{name} is a chain of more than {MOST_LINKS} links")


def _require_own_storage(dataset: h5py.Dataset, name: str) -> None:
    """Raise unless the values of a dataset are in its file, and can be read without new code."""
    if dataset.external:
        raise _distrusted(name, f"stored in another file, {dataset.external[0][0]!r}")
    if dataset.is_virtual and any(part.file_name != "." for part in dataset.virtual_sources()):
        raise _distrusted(name, "a virtual dataset made of other files")
    space = dataset.id.get_create_plist()
    kinds = {space.get_filter(k)[0] for k in range(space.get_nfilters())}
    if kinds - FILTERS:
        raise _distrusted(name, f"stored with filter {min(kinds - FILTERS)}, a plug-in")
    stored = space.get_layout() == h5py.h5d.CONTIGUOUS and dataset.id.get_storage_size()
    size = Path(dataset.file.filename).stat().st_size
    if stored is not False and (stored < dataset.nbytes or size < dataset.nbytes):
        raise SourceError(
            f"{name} promises {dataset.nbytes} bytes, more than its file has or holds for it"
        )


def _distrusted(name: str, what: str) -> SourceError:
    return SourceError(f"{name} is {what}; pass --trust-input if you know where it comes from")
