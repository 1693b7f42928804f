"""What every container gives: what it says about its arrays, and arrays that are read in parts."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from lucid.errors import LucidError, SourceError
from lucid.roi.forms import UPRIGHT, BoxForm
from lucid.roi.operators import OPERATORS
from lucid.roi.pooling import require_features
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.ids import ID_NAMES, require_ids
from lucid.stream.read.place import Place
from lucid.stream.read.tables import require_rois
from lucid.stream.read.words import NOTHING, Said
from lucid.stream.types import Array

Check = Callable[[tuple[int, ...], np.dtype[Any], str], None]


def require_maps(shape: tuple[int, ...], dtype: np.dtype[Any], name: str, axes: int = 2) -> None:
    """Raise unless an array holds maps (N, C, H, W), or one map (C, H, W), or volumes."""
    require_features((1, *shape) if len(shape) == 1 + axes else shape, dtype, name, axes)


def _checks(form: BoxForm) -> dict[str, Check]:
    """Return what arrays pass that are usable with an operator on boxes of a form."""
    return {
        "features": partial(require_maps, axes=form.axes),
        "rois": partial(require_rois, form=form),
    }


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What a file says about one of its arrays."""

    dataset: str | None  # None in a .npy file
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None = None  # of storage; None where it is contiguous
    compression: str | None = None
    target: str = ""  # what a link leads to, where it is another name of an array
    stored_as: str = ""  # the kind of the values, where they are not stored as they are read
    filters: tuple[str, ...] = ()  # what chunks go through beside compression
    stored_bytes: int | None = None  # that the values take in the file, where it says so

    @property
    def kind(self) -> str:
        """The kind of the values in the file."""
        return self.stored_as or str(self.dtype)

    @property
    def roles(self) -> list[str]:
        """What the array is usable as; whole numbers are ids only if they are called so."""
        name = (self.dataset or "").replace(".", "/").rpartition("/")[2]
        are_ids = self.passes(require_ids) and (name in ID_NAMES or self.dtype.kind not in "iu")
        forms = [OPERATORS[one].form for one in self.operators] or [UPRIGHT]
        usable = dict.fromkeys(role for form in forms for role in self._roles_with(form))
        return [*usable, *["ids"] * are_ids]

    @property
    def operators(self) -> list[str]:
        """The operators that alone take it, where those on upright boxes do not."""
        if self._roles_with(UPRIGHT):
            return []
        return [name for name, entry in OPERATORS.items() if self._roles_with(entry.form)]

    def _roles_with(self, form: BoxForm) -> list[str]:
        return [role for role, check in _checks(form).items() if self.passes(check)]

    def passes(self, check: Check) -> bool:
        """Return whether a check has nothing against the array."""
        try:
            check(self.shape, self.dtype, "array")
        except LucidError:
            return False
        return True

    def __str__(self) -> str:
        name = "" if self.dataset is None else f"{self.dataset!r} "
        return f"{name}{self.shape} {self.kind}"


class Source:
    """An open array: `source[key]` reads a part of it."""

    _container: Container | None = None

    def __init__(
        self, name: str, path: Path, array: Any, container: Container | None = None
    ) -> None:
        self.name, self.path = name, path
        self._array, self._container = array, container

    @cached_property
    def info(self) -> ArrayInfo:
        """What the file says about the array."""
        return ArrayInfo(dataset=None, shape=self._array.shape, dtype=self._array.dtype)

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
        return isinstance(self._array, np.ndarray)

    @property
    def missing_chunks(self) -> int:
        """How many chunks were never written, and read as zeros or what the file says."""
        return 0

    @property
    def has_holes(self) -> bool:
        """Whether cells may be without a value, which are read as NaN."""
        return False

    @property
    def spooled_bytes(self) -> int:
        """The size of the temporary file that reading makes, 0 where it makes none."""
        return 0

    def as_input(self, role: str) -> Input:
        """Return what is recorded of it, as the array that an option names."""
        return Input(role, self.path, self.info.dataset, self.shape, self.info.kind)

    @property
    def chunk_bytes(self) -> int:
        """The size of a chunk of storage, 0 where there are none."""
        return self.dtype.itemsize * math.prod(self.info.chunks) if self.info.chunks else 0

    def said(self) -> tuple[Said, Said]:
        """Return the words of the array's own, and those of what holds several arrays."""
        return NOTHING

    @property
    def place(self) -> Place | None:
        """Where the values lie in the file, if they are in one piece there."""
        return None

    def beside(self, names: Sequence[str], check: Check) -> Source | None:
        """Return an array of the same file that stands beside this one, or at its root.

        It has one of the names, and passes a check; None if there is none.
        """
        if self._container is None or self.info.dataset is None:
            return None
        mark = self._container.separator
        group = self.info.dataset.rpartition(mark)[0]
        for folder, name in product(dict.fromkeys([group, ""]), names):
            with suppress(LucidError):
                found = self._container.open(f"{folder}{mark}{name}".lstrip(mark))
                if found is not None:
                    check(found.shape, found.dtype, found.name)
                    return found
        return None

    def __getitem__(self, key: Any) -> Array:
        try:
            part: Array = self._array[key]
        except Exception as error:
            raise SourceError(f"{self.name} cannot be read: {error}") from error
        return part

    def read_to(self, values: Array) -> None:
        """Read all of it to a contiguous array of its shape and dtype."""
        values[...] = self[(slice(None),) * values.ndim]

    def forget(self) -> None:
        """Give back pages of a file that is mapped here; what a caller has mapped is left alone."""
        array = self._array if self._container is not None else None
        while array is not None and not isinstance(array, mmap.mmap):
            array = getattr(array, "base", None)
        if array is not None:
            array.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Close the file, and with it all of its arrays."""
        if self._container is not None:
            self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


class Container(Protocol):
    """A format of files that hold arrays; an instance is one such file, open."""

    kind: str  # what such a file is called
    separator: str  # between the parts of a name

    def __init__(self, path: Path, trust: bool) -> None: ...

    @staticmethod
    def claims(path: Path, start: bytes) -> bool:
        """Return whether a file that begins with these bytes is of this format."""

    def infos(self) -> list[ArrayInfo]:
        """Return what the file says about its arrays, in the order of their names."""

    def open(self, name: str | None) -> Source | None:
        """Return an array of a name, None if there is none or it is no array.

        Raises
        ------
        SourceError
            If it is damaged, or one that is only read from files that are trusted.
        """

    def look(self, name: str | None) -> Source | None:
        """Return an array as `open` does; what lies in one piece in the file need not be open."""

    def again(self, name: str) -> Source:
        """Return an array that was opened before, without looking at it again."""

    def matching(self, pattern: str, place: str) -> dict[str, str]:
        """Return names that match, of arrays or not, by what stands for `place` in them."""

    def close(self) -> None:
        """Close the file."""
