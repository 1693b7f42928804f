"""Datasets whose values are not stored as they are meant: packed integers, MATLAB's axes.

netCDF stores numbers as integers with `scale_factor` and `add_offset`, and marks cells without a
value by `_FillValue` or `missing_value`; these are NaN. Its older formats have no unsigned
integers, and say `_Unsigned` of signed ones. MATLAB stores axes in reverse.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from lucid.errors import SourceError
from lucid.stream.types import Array

SCALES, FILLS = ("scale_factor", "add_offset"), ("_FillValue", "missing_value")
UNSIGNED, MATLAB = "_Unsigned", "MATLAB_class"


def unpacked(item: h5py.Dataset) -> Any:
    """Return a dataset, or what reads its values as they are meant."""
    if item.shape is None or item.dtype.kind not in "iuf" or not item.id or not len(item.attrs):
        return item
    array: Any = Reversed(item) if MATLAB in item.attrs and item.ndim > 1 else item
    if item.dtype.kind == "i" and _is_true(item.attrs.get(UNSIGNED)):
        array = Unsigned(array)
    return Unpacked(array, item) if any(name in item.attrs for name in (*SCALES, *FILLS)) else array


def _is_true(word: Any) -> bool:
    """Return whether an attribute is the text that netCDF calls true."""
    return (word.decode() if isinstance(word, bytes) else str(word)).lower() == "true"


class Reversed:
    """A dataset with its axes in MATLAB's order."""

    def __init__(self, item: h5py.Dataset) -> None:
        self._item, self.id, self.name = item, item.id, item.name
        self.shape, self.dtype = item.shape[::-1], item.dtype
        self.chunks = item.chunks and item.chunks[::-1]
        self.compression = item.compression
        self.stored_as = f"{item.dtype} (axes as MATLAB shows them)"

    def __getitem__(self, key: Any) -> Array:
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *[slice(None)] * (len(self.shape) - len(keys)))
        part: Array = self._item[keys[::-1]].T
        return part


class Unsigned:
    """An array of integers whose bits are those of unsigned ones."""

    def __init__(self, array: Any) -> None:
        self._array, self.id, self.name = array, array.id, array.name
        self.shape, self.chunks, self.compression = array.shape, array.chunks, array.compression
        self.dtype = np.dtype(f"{array.dtype.byteorder}u{array.dtype.itemsize}")
        self.stored_as = f"{self.dtype} (as _Unsigned says)"

    def __getitem__(self, key: Any) -> Array:
        part: Array = self._array[key]
        return part.view(self.dtype)


class Unpacked:
    """An array of numbers scale_factor * stored + add_offset, NaN where there is none."""

    def __init__(self, array: Any, item: h5py.Dataset) -> None:
        self._array, self.id, self.name = array, item.id, item.name
        self.shape, self.chunks, self.compression = array.shape, array.chunks, item.compression
        given = {name: _number(item, name) for name in (*SCALES, *FILLS) if name in item.attrs}
        self.has_holes = any(name in given for name in FILLS)
        self._scale, self._offset = (given.get(name) for name in SCALES)
        fills = dict.fromkeys(given[name] for name in FILLS if name in given)
        is_unsigned = array.dtype.kind == "u"
        self._fills = [
            fill.astype(array.dtype) if is_unsigned and fill.dtype.kind == "i" else fill
            for fill in fills
            if not np.isnan(fill)
        ]
        self.dtype = self._meant(array.dtype)
        stored = getattr(array, "stored_as", str(item.dtype))
        scaled = f" * {self._scale or 1:g} + {self._offset or 0:g}" * self._is_scaled
        filled = "".join(f", {fill} is NaN" for fill in self._fills)
        self.stored_as = f"{stored}{scaled}{filled}"

    @property
    def _is_scaled(self) -> bool:
        return self._scale is not None or self._offset is not None

    def _meant(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the kind of float that holds the values: that of the factors, if there are any."""
        factors = [one.dtype for one in (self._scale, self._offset) if one is not None]
        if factors:
            return np.dtype(np.float32 if np.result_type(*factors).itemsize <= 4 else np.float64)
        return np.result_type(stored.newbyteorder("="), np.float16)

    def __getitem__(self, key: Any) -> Array:
        stored = self._array[key]
        values: Array = stored.astype(self.dtype)
        if self._scale is not None:
            values *= self._scale
        if self._offset is not None:
            values += self._offset
        for fill in self._fills:
            values[stored == fill] = np.nan
        return values


def _number(item: h5py.Dataset, name: str) -> Any:
    """Return an attribute that must be one number."""
    value = np.ravel(item.attrs[name])
    if value.size != 1 or value.dtype.kind not in "iuf":
        raise SourceError(f"{item.file.filename}::{item.name.removeprefix('/')} has a bad "
                          f"attribute: {name} must be one number")  # fmt: skip
    return value[0]
