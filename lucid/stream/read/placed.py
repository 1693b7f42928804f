"""Arrays that lie in one piece in files: they need no format to be read."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lucid.errors import SourceError
from lucid.stream.read.missing import not_opened
from lucid.stream.read.npy import FileValues, Header
from lucid.stream.read.place import Place
from lucid.stream.read.pread import PreadArray, read_at
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.types import Array

SMALL_BYTES = 1 << 20  # to read up to so many takes less time than to map them


class PlacedSource(Source):
    """An array of a file that was looked at before; it is opened when values are read."""

    def __init__(self, path: str, place: Place) -> None:
        self.name, self._place = path, place

    @property
    def path(self) -> Path:  # type: ignore[override]
        """The file."""
        return Path(self.name)

    @cached_property
    def info(self) -> ArrayInfo:
        """What the file said about the array."""
        return ArrayInfo(dataset=None, shape=self._place.shape, dtype=self._place.dtype)

    @cached_property
    def _array(self) -> Any:
        try:
            with open(self.name, "rb", buffering=0) as stream:  # noqa: PTH123
                return self._read(stream) if self._is_small else self._mapped(stream)
        except SourceError as error:
            raise SourceError(f"{self.name} cannot be read: {error}") from error
        except OSError as error:
            raise not_opened(self.name, error) from error

    def _read(self, stream: BinaryIO) -> Array:
        begin, shape, dtype, fortran = self._place
        values = np.empty(shape, dtype, "F" if fortran else "C")
        read_at(stream.fileno(), values.reshape(-1, order="A"), begin)
        return values

    def _mapped(self, stream: BinaryIO) -> Array | PreadArray:
        begin, shape, dtype, fortran = self._place
        if os.fstat(stream.fileno()).st_size < begin + self._place.nbytes:
            raise SourceError("the file has become shorter")
        return FileValues(stream, self.name).array(Header(shape, fortran, dtype), begin)

    @property
    def _is_small(self) -> bool:
        return self._place.nbytes <= SMALL_BYTES

    def __getitem__(self, key: Any) -> Array:
        part: Array = self._array[key]
        # A part that is kept must not keep all that was read.
        return part.copy() if self._is_small and part.size < self._array.size else part

    def close(self) -> None:
        """Do nothing: the file is not open."""
