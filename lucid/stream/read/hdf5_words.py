"""Words in HDF5 files: attributes, and small datasets beside the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from lucid.stream.read.hdf5_file import damaged
from lucid.stream.read.words import WORDS, fits


def said_by(item: h5py.Dataset | h5py.Group, where: str) -> dict[str, Any]:
    """Return the words among the attributes of a dataset or a group."""
    try:
        if not h5py.h5a.get_num_attrs(item.id):
            return {}
        here = [word for word in WORDS if h5py.h5a.exists(item.id, word.encode())]
        return {word: item.attrs[word] for word in here}
    except Exception as error:
        raise damaged(where, error) from error


def said_by_group(
    file: h5py.File, group: str, checked: Callable[[str], Any], where: str
) -> dict[str, Any]:
    """Return the words of a file, then those of datasets in a group, then its attributes.

    `checked` opens a name, if it does not lead where it should not.
    """
    said = said_by(file, where)
    parent = checked(group) if group else file
    if not isinstance(parent, h5py.Group):
        return said
    for word in WORDS if len(parent) > 1 else ():  # or else there is nothing beside the features
        name = f"{group}/{word}" if group else word
        item: Any = checked(name) if parent.id.links.exists(word.encode()) else None
        is_array = isinstance(item, h5py.Dataset) and item.shape is not None
        if is_array and fits(word, item.shape, item.dtype):
            said[word] = _values(item, f"{where}::{name}")
    return said | said_by(parent, where)


def _values(item: h5py.Dataset, where: str) -> Any:
    try:
        return np.asarray(item[()])
    except Exception as error:
        raise damaged(where, error) from error
