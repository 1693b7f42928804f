"""Arrays that lie in one piece in files: they need no format to be read."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

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


def is_small(nbytes: int) -> bool:
    """Return whether so many bytes are read as a whole, rather than mapped."""
    return nbytes <= SMALL_BYTES


class PlacedSource(Source):
    """An array of a file that was looked at before; it is opened when values are read."""

    def __init__(
        self, name: str, place: Place, path: PathLike | None = None, said: Said = NOTHING[1]
    ) -> None:
        self.name, self._place, self._file, self._said = name, place, path or name, said
        self._values: Any = None

    @cached_property
    def info(self) -> ArrayInfo:
        """What is known of the array."""
        info, packed = ArrayInfo(None, self.shape, self.dtype), self._place.packed
        return replace(info, chunks=self.shape, stored_as=packed.stored_as) if packed else info

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._place.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The kind of the values."""
        return self._place.dtype

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

    def read_to(self, values: Array) -> None:
        """Read all of it to a contiguous array of its shape and dtype."""
        if self._place.fortran or not self._is_small:
            super().read_to(values)
            return
        with self._named():
            self._read(values.reshape(-1))

    @property
    def _array(self) -> Any:
        if self._values is None:
            with self._named():
                self._values = self._whole() if self._is_small else self._mapped()
        return self._values

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Have an error about the file or its bytes say which array cannot be read."""
        try:
            yield
        except (SourceError, ValueError, zlib.error) as error:
            raise SourceError(f"{self.name} cannot be read: {error}") from error
        except OSError as error:
            raise not_opened(self.name, error) from error

    def _whole(self) -> Array:
        _, shape, dtype, fortran, _ = self._place
        values = np.empty(shape, dtype, "F" if fortran else "C")
        self._read(values.reshape(-1, order="A"))
        return values

    def _read(self, values: Array) -> None:
        if self._place.packed:
            with open(self._file, "rb", buffering=0) as stream:  # noqa: PTH123
                self._place.packed.unpack(cast(BinaryIO, stream), self._place.begin, values)
            return
        file = os.open(self._file, os.O_RDONLY)  # a stream takes as long as all that is read
        try:
            read_at(file, values, self._place.begin)
        finally:
            os.close(file)

    def _mapped(self) -> Array | PreadArray:
        begin, shape, dtype, fortran, _ = self._place
        with self.path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size < begin + self._place.nbytes:
                raise SourceError("the file has become shorter")
            return FileValues(stream, self.name).array(Header(shape, fortran, dtype), begin)

    @property
    def _is_small(self) -> bool:
        return is_small(self._place.nbytes)

    def __getitem__(self, key: Any) -> Array:
        array = self._array
        part: Array = array[key]
        # A part that is kept must not keep all that was read.
        return part.copy() if self._is_small and part.size < array.size else part

    def close(self) -> None:
        """Do nothing: the file is not open."""
