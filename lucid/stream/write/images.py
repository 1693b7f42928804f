"""Outputs in which each image has its crops apart: a file of its own, or a group of one file.

Rows are first written one after the other, as of any output that is packed. An image then has the
arrays `features`, `boxes`, `image_h` and `image_w` where its size is known, and `num_boxes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from lucid.errors import SinkError
from lucid.stream.checks import PLACE
from lucid.stream.types import Array, Rows
from lucid.stream.write import disk
from lucid.stream.write.companions import Companion, Companions
from lucid.stream.write.hdf5 import create_array, fill, said_of
from lucid.stream.write.image_files import FEATURES_OF, WRITERS
from lucid.stream.write.layout import Layout, RowsApart

NAME_BYTES = 255  # of the name of a file
PART_BYTES = 4 << 20  # of rows at once
TABLE_BYTES = 80  # of a RoI while rows are put in order of images


class PerImage(RowsApart):
    """What formats have in common in which each image has its crops apart."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        if layout.companions is None:
            raise SinkError(f"{layout.path} needs images")
        self._companions: Companions = layout.companions
        self.ids, self._sizes = self._companions.names(), self._companions.picture_sizes()
        _require_names(self.ids, layout.path)
        rois, images = layout.shape[0], len(self.ids)
        self.packing_bytes = 4 * max(PART_BYTES, layout.row_bytes) + TABLE_BYTES * rois + 8 * images
        self.companion_bytes = 40 * rois + 2048 * images

    def _images(self, stream: BinaryIO) -> Iterator[tuple[str, list[Companion]]]:
        """Yield each image by its id, with its arrays; `stream` holds the rows."""
        table, sizes = self._companions.table(), self._sizes
        for image, rows in enumerate(by_image(table[:, 0], len(self.ids))):
            yield (
                self.ids[image],
                [
                    self._features(stream, rows),
                    _array("boxes", table[rows, 1:]),
                    *(() if sizes is None else _size(sizes[min(image, len(sizes) - 1)])),
                    _array("num_boxes", np.array(len(rows))),
                ],
            )

    def _features(self, stream: BinaryIO, rows: Rows) -> Companion:
        """Return the crops of an image, read a few at a time."""
        layout = self.layout
        step = max(PART_BYTES // max(layout.row_bytes, 1), 1)

        def parts() -> Iterator[Array]:
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                values = np.frombuffer(_read_rows(stream, layout.row_bytes, some), layout.dtype)
                yield values.reshape(len(some), *layout.shape[1:])

        shape = (len(rows), *layout.shape[1:])
        return Companion("features", (), shape, layout.dtype, parts)


class ImageFiles(PerImage):
    """A file for each image: .npz, .npy or HDF5.

    They are made in a folder, from which each is moved to its place at the end.
    """

    def files(self) -> Sequence[Path]:
        """Return the files of the complete output."""
        return [self.layout.path.with_name(self._name(one)) for one in self.ids]

    def pack(self, rows: Path, path: Path) -> None:
        """Write the files of images into a folder from a file that holds the rows."""
        write = WRITERS[self.layout.path.suffix]
        path.mkdir()
        with rows.open("rb") as stream:
            for one, arrays in self._images(stream):
                write(path / self._name(one), arrays)

    def in_the_way(self, part: Path) -> Path | None:
        """Return a file that stands where one is to be; of those that are ready, some may be."""
        waiting = (part / file.name for file in self.files()) if part.exists() else None
        for file in self.files():
            is_wanted = waiting is None or next(waiting).exists()
            if is_wanted and os.path.lexists(file):
                return file
        return None

    def publish(self, part: Path) -> None:
        """Give the files that are ready their names; a kill may leave some of them there."""
        for file in self.files():
            if (part / file.name).exists():
                (part / file.name).replace(file)
        part.rmdir()

    def said(self) -> dict[str, Any] | None:
        """Return what complete files say about their job: little."""
        for file in self.files():
            if not file.exists():
                raise SinkError.advising(
                    f"{file} is missing, but others of {self.layout.path} are there",
                    "pass {overwrite:True} to write them all",
                )
            shape, dtype = FEATURES_OF[file.suffix](file)
            if shape[1:] != self.layout.shape[1:] or dtype != self.layout.dtype:
                return {"shape": list(shape), "dtype": dtype.name}
        return {"dtype": self.layout.dtype.name}

    def _name(self, one: str) -> str:
        return self.layout.path.name.replace(PLACE, one)


class ImageGroups(PerImage):
    """An HDF5 file with a group for each image; the job is recorded as attributes of the file."""

    def pack(self, rows: Path, path: Path) -> None:
        """Write the output from a file that holds the rows."""
        places: list[int] = []
        with rows.open("rb") as stream:
            with h5py.File(path, "w", locking=False) as file:
                file.attrs.update(self.layout.attributes)
                for one, arrays in self._images(stream):
                    group = file.create_group(one)
                    places += [create_array(group, each) for each in arrays]
            again = (each for _, arrays in self._images(stream) for each in arrays)
            fill(path, zip(places, again, strict=True))

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job."""
        with h5py.File(self.layout.path, "r", locking=False) as file:
            return said_of(file)


def _require_names(ids: Sequence[str], output: Path) -> None:
    """Raise unless ids can be names, each of one image."""
    seen: set[str] = set()
    for image, one in enumerate(ids):
        is_name = _is_name(one, output)
        if not is_name or one in seen:
            fact = "names two images" if is_name else "cannot be the name of a file or a group"
            raise SinkError.advising(
                f"{output} cannot be written: the id {one!r} of image {image} {fact}",
                "pass other {ids}, one per image in its order",
            )
        seen.add(one)


def _is_name(one: str, output: Path) -> bool:
    """Return whether an id can stand in the name of an output."""
    try:
        length = len(os.fsencode(output.name.replace(PLACE, one)))
    except UnicodeEncodeError:
        return False
    return one not in ("", ".", "..") and not {"/", "\\", "\0"} & set(one) and length <= NAME_BYTES


def by_image(index: NDArray[np.float64], images: int) -> Iterator[Rows]:
    """Yield the rows of each image, ascending; those that name none are of no image."""
    is_image = (index >= 0) & (index < images) & (index == np.floor(index))
    image = np.where(is_image, index, images).astype(np.int64)
    order = np.argsort(image, kind="stable")
    bounds = np.searchsorted(image[order], np.arange(images + 1))
    for start, stop in pairwise(bounds.tolist()):
        yield order[start:stop]


def _array(name: str, values: NDArray[Any]) -> Companion:
    return Companion(name, (), values.shape, values.dtype, lambda: iter([values]))


def _size(size: NDArray[np.float64]) -> Iterator[Companion]:
    """Yield height and width of a picture, if they are known; whole ones as whole numbers."""
    if np.isfinite(size).all():
        values = size.astype(np.int64) if (size == np.floor(size)).all() else size
        yield _array("image_h", values[0])
        yield _array("image_w", values[1])


def _read_rows(stream: BinaryIO, row_bytes: int, rows: Rows) -> bytes:
    """Return rows, which ascend, of a file of rows."""
    breaks = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    return b"".join(
        disk.read_all(stream.fileno(), (stop - start) * row_bytes, int(rows[start]) * row_bytes)
        for start, stop in pairwise(breaks)
    )
