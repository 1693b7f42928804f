"""Arrays that lie in one piece in files: they need no format to be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from lucid.errors import SourceError
from lucid.stream.checks import PathLike
from lucid.stream.read.missing import not_opened
from lucid.stream.read.npy import FileValues, Header
from lucid.stream.read.place import Place
from lucid.stream.read.pread import PreadArray, read_at
from lucid.stream.read.source import ArrayInfo, Source
from lucid.stream.read.words import NOTHING, Said
from lucid.stream.types import Array

SMALL_BYTES = 1 << 20  # to read up to so many takes less time than to map them


class PlacedSource(Source):
    """An array of a file that was looked at before; it is opened when values are read."""

    def __init__(
        self, name: str, place: Place, path: PathLike | None = None, said: Said = NOTHING[1]
    ) -> None:
        self.name, self._place, self._file, self._said = name, place, path or name, said
        self.info = ArrayInfo(dataset=None, shape=place.shape, dtype=place.dtype)
        self._values: Any = None

    @property
    def path(self) -> Path:  # type: ignore[override]
        """The file."""
        return Path(self._file)

    @property
    def place(self) -> Place:
        """Where the values lie in the file."""
        return self._place

    def said(self) -> tuple[Said, Said]:
        """Return no words of the array's own, and those of what holds several arrays."""
        return (NOTHING[0], self._said) if self._said else NOTHING

    @property
    def _array(self) -> Any:
        if self._values is None:
            self._values = self._opened()
        return self._values

    def _opened(self) -> Any:
        try:
            return self._read() if self._is_small else self._mapped()
        except SourceError as error:
            raise SourceError(f"{self.name} cannot be read: {error}") from error
        except OSError as error:
            raise not_opened(self.name, error) from error

    def _read(self) -> Array:
        begin, shape, dtype, fortran = self._place
        values = np.empty(shape, dtype, "F" if fortran else "C")
        file = os.open(self._file, os.O_RDONLY)  # a stream takes as long as all that is read
        try:
            read_at(file, values.reshape(-1, order="A"), begin)
        finally:
            os.close(file)
        return values

    def _mapped(self) -> Array | PreadArray:
        begin, shape, dtype, fortran = self._place
        with self.path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size < begin + self._place.nbytes:
                raise SourceError("the file has become shorter")
            return FileValues(stream, self.name).array(Header(shape, fortran, dtype), begin)

    @property
    def _is_small(self) -> bool:
        return self._place.nbytes <= SMALL_BYTES

    def __getitem__(self, key: Any) -> Array:
        array = self._array
        part: Array = array[key]
        # A part that is kept must not keep all that was read.
        return part.copy() if self._is_small and part.size < array.size else part

    def close(self) -> None:
        """Do nothing: the file is not open."""
