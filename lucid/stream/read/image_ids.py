"""What images are called: as a user says, as a dataset beside the maps says, or as files are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from lucid.errors import ShapeError
from lucid.stream.checks import Held, PathLike
from lucid.stream.read.arrays import open_source
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.ids import (
    ID_NAMES,
    lines_of,
    require_ids,
    require_list_of_ids,
    texts_of,
)
from lucid.stream.read.listings import Row, read_listing
from lucid.stream.read.source import Source
from lucid.stream.read.url import as_path


class Ids(NamedTuple):
    """What images are called."""

    names: list[str]
    inputs: list[Input]
    rows: list[Row] | None = None  # where the map of each is; in order unless given

    def of_maps(self, counts: Sequence[int]) -> list[str]:
        """Return the id of each map of files that have so many.

        Raises
        ------
        ShapeError
            If there is another number of ids, or one of a map that there is not.
        """
        path, images = self.inputs[0].path or "ids", sum(counts)
        if self.rows is not None:
            return _in_place(self.names, self.rows, counts, path)
        if len(self.names) != images:
            raise ShapeError(
                f"{path} must have an id for each of {images} images, got {len(self.names)}"
            )
        return self.names


def _in_place(
    names: list[str], rows: list[Row], counts: Sequence[int], path: PathLike
) -> list[str]:
    """Return the id of each map, '' of one that none is of."""
    before, found = [0, *accumulate(counts)], [""] * sum(counts)
    for name, (file, row) in zip(names, rows, strict=True):
        if not (0 <= file < len(counts) and 0 <= row < counts[file]):
            raise ShapeError(
                f"{path}: image {name!r} is map {row} of file {file}, and the features are "
                f"{len(counts)} files of {', '.join(map(str, counts[:8]))} maps; "
                "name all files, in their order"
            )
        if found[before[file] + row]:
            raise ShapeError(f"{path}: two images are map {row} of file {file}, "
                             f"{found[before[file] + row]!r} and {name!r}")  # fmt: skip
        found[before[file] + row] = name
    return found


def read_ids(spec: PathLike | Held | None, trust: bool) -> Ids | None:
    """Return the ids that a user gives: in an array, a text, or a .json as `read_listing` does.

    Raises
    ------
    ShapeError
        If two images have the same.
    """
    if spec is None:
        return None
    found, images = _read(spec, trust), dict[str, int]()
    for image, one in enumerate(found.names):
        if (first := images.setdefault(one, image)) != image:
            name = found.inputs[0].path or "ids"
            raise ShapeError(f"{name} must have another id for each image, got {one!r} for images "
                             f"{first} and {image}")  # fmt: skip
    return found


def _read(spec: PathLike | Held, trust: bool) -> Ids:
    path = as_path(str(spec))
    if path.suffix == ".txt":
        lines = lines_of(path)
        return Ids(lines, [Input("ids", path, None, (len(lines),), "text")])
    if path.suffix == ".json":
        images, rows = read_listing(path)
        names = [str(one) for one in images.ids]
        return Ids(names, [Input("ids", path, None, (len(names),), "text")], rows)
    is_said = isinstance(spec, Held) or "::" in str(spec) or path.suffix == ".npy"
    check = require_list_of_ids if is_said else require_ids  # to choose one needs more care
    with open_source(spec, ID_NAMES, check, trust=trust) as source:
        return Ids(texts_of(source[...], source.name), [source.as_input("ids")])


def ids_of(given: Ids | None, source: Source | None, images: int) -> tuple[list[str] | None, str]:
    """Return what the images of one array are called, and how that was found."""
    if given is not None:
        return given.of_maps([images]), "argument"
    return ids_beside(source, images) if source is not None else (None, "")


def ids_beside(source: Source, images: int) -> tuple[list[str] | None, str]:
    """Return the ids in an array of that name beside the maps, and how they were found."""

    def require(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        require_list_of_ids(shape, dtype, name)
        if math.prod(shape) != images:
            raise ShapeError(f"{name} must have {images} ids, got {shape}")

    found = source.beside(ID_NAMES, require)
    if found is None:
        return None, ""
    return texts_of(found[...], found.name), f"dataset {found.info.dataset}"
