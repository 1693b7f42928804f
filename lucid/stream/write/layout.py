"""What an output is to be, and what every format of output files can do."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from lucid.stream.checks import is_url
from lucid.stream.read.url import Url
from lucid.stream.settings import Settings
from lucid.stream.write.companions import Companions
from lucid.stream.write.rows import Place

DATASET = "crops"
PAGE = 4096  # bytes, of memory and of files


@dataclass(frozen=True, slots=True)
class Layout:
    """What an output is to be, whatever its format."""

    path: Path  # with '{id}' in its name where each image has a file
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any]
    compression: str = "none"
    chunks: int | None = None  # rows of a chunk
    checksum: bool = False
    in_groups: bool = False  # whether each image has a group of the file
    companions: Companions | None = None  # what stands beside them, in formats that have it

    @classmethod
    def of(
        cls,
        settings: Settings,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        attributes: Mapping[str, Any],
        companions: Companions,
    ) -> Layout:
        """Return the layout that a run's settings ask for."""
        return cls(
            path=path_of(settings),
            shape=shape,
            dtype=dtype,
            attributes=attributes,
            compression=settings.compression,
            chunks=settings.chunks,
            checksum=settings.checksum,
            in_groups=settings.in_groups,
            companions=companions,
        )

    @property
    def is_chunked(self) -> bool:
        """Whether rows are stored in chunks that a caller has asked something of."""
        return self.compression != "none" or self.chunks is not None or self.checksum

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """The size of all rows."""
        return self.shape[0] * self.row_bytes


def path_of(settings: Settings) -> Path:
    """Return the path of an output, which may be a URL."""
    return Url(settings.output_name) if is_url(settings.output_name) else settings.output


class Output(Protocol):
    """A format of output files; `FORMATS` lists them.

    A run fills in rows where `place` says, in a file that was laid out. That is the output itself,
    or if the format `packs`, what the output is made from at the end.
    """

    layout: Layout
    packs: ClassVar[bool]
    packing_bytes: int  # what packing holds in memory
    companion_bytes: int  # the most that stands beside the rows

    def __init__(self, layout: Layout) -> None: ...

    def files(self) -> Sequence[Path]:
        """Return the files of the complete output."""

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""

    def place(self, path: Path) -> Place:
        """Return where the rows are in a file that was laid out."""

    @property
    def border_rows(self) -> int:
        """After how many rows others may write without touching the same page or file."""

    def pack(self, rows: Path, path: Path) -> None:
        """Write the output from a file that holds the rows."""

    def in_the_way(self, part: Path) -> Path | None:
        """Return a file that stands where one of the output is to be; `part` is what is ready."""

    def replaces_folder(self) -> bool:
        """Return whether a folder that has the name of the output may be replaced."""

    def publish(self, part: Path) -> None:
        """Give what is ready its name."""

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job.

        None if it is none of ours; any exception but a `SinkError` may tell that as well.
        """


class OneFile:
    """What formats of one file have in common."""

    packs: ClassVar[bool] = False
    has_companions: ClassVar[bool] = False  # whether the file has what stands beside the crops
    packing_bytes: int = 0

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        beside = layout.companions if self.has_companions else None
        self.companion_bytes = beside.nbytes if beside else 0

    def files(self) -> Sequence[Path]:
        """Return the files of the complete output."""
        return [self.layout.path]

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        return 0

    def place(self, path: Path) -> Place:
        """Return where the rows are in a file that was laid out."""
        return Place(path, self.begin(path))

    @property
    def border_rows(self) -> int:
        """After how many rows the pages of a file are again where they were among its rows."""
        return PAGE // math.gcd(PAGE, self.layout.row_bytes)

    def pack(self, rows: Path, path: Path) -> None:
        """Do nothing: rows are where they belong."""

    def replaces_folder(self) -> bool:
        """Return that a folder stays."""
        return False

    def in_the_way(self, part: Path) -> Path | None:
        """Return a file that stands where one of the output is to be; `part` is what is ready."""
        return self.layout.path if os.path.lexists(self.layout.path) else None

    def publish(self, part: Path) -> None:
        """Give what is ready its name."""
        part.replace(self.layout.path)


class RowsApart(OneFile):
    """What formats have in common that are made at the end, from a file that holds the rows."""

    packs: ClassVar[bool] = True

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, for the rows alone; there must be none."""
        with path.open("xb") as stream:
            stream.truncate(self.layout.nbytes)

    def place(self, path: Path) -> Place:
        """Return that the rows are all that there is in that file."""
        return Place(path)
