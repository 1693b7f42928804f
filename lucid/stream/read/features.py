"""The feature maps of a run, in whatever arrangement files have them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lucid.errors import MissingFileError
from lucid.stream.checks import PIPE, PLACE, Held, PathLike
from lucid.stream.read.arrays import open_source, open_stdin
from lucid.stream.read.axes import Axes
from lucid.stream.read.grids import Grid, read_grid
from lucid.stream.read.ids import natural
from lucid.stream.read.image_ids import Ids, read_ids
from lucid.stream.read.maps import FEATURES, Features, Maps, PipedMaps
from lucid.stream.read.maps_of_files import MapsOfFiles
from lucid.stream.read.maps_per_image import MapPerImage
from lucid.stream.read.url import as_path, globbed


def open_features(
    spec: PathLike | Sequence[PathLike] | Held,
    axes: Axes,
    grid: Grid | None,
    ids: PathLike | Held | None,
    *,
    trust: bool = False,
) -> Features:
    """Open feature maps.

    Parameters
    ----------
    spec : path, sequence of path, or array
        `PATH` or `PATH::DATASET`, either of which may have '{id}' in it for one file or dataset
        per image; or '-' for a .npy stream on standard input. Several, or those that wildcards
        mean, are one run of images.
    axes : Axes
        How arrays hold maps.
    grid : pair, path or array, optional
        Height and width of maps that are lists of tokens, of all or of each.
    ids : path or array, optional
        What images are called, in order: an array, a text or a .json.
    trust : bool
        As in `open_source`.
    """
    maps = _open(spec, axes, read_ids(ids, trust), trust)
    if grid is not None:
        try:
            maps.lay_on(*read_grid(grid, maps.images, maps.ids, trust))
        except BaseException:
            maps.close()
            raise
    return maps


def _open(
    spec: PathLike | Sequence[PathLike] | Held, axes: Axes, given: Ids | None, trust: bool
) -> Features:
    if isinstance(spec, Held):
        return Maps(open_source(spec, FEATURES, axes.require), axes, given)
    if not isinstance(spec, (str, os.PathLike)):
        paths = [os.fspath(one) for one in spec]
        several = [one for path in paths for one in files_matching(path) or [path]]
        return MapsOfFiles(several, None, axes, given, trust)
    text = os.fspath(spec)
    if text == PIPE:
        return PipedMaps(open_stdin("features"), axes, given)
    if PLACE in text:
        return MapPerImage(text, axes, given, trust)
    if (files := files_matching(text)) is not None:
        return MapsOfFiles(files, text, axes, given, trust)
    return Maps(open_source(text, FEATURES, axes.require, trust=trust), axes, given)


def files_matching(spec: str) -> list[str] | None:
    """Return what a path with wildcards stands for, in natural order; None if it has none."""
    path, mark, dataset = spec.rpartition("::")
    path = path or spec
    if not set("*?[") & set(path) or Path(spec).exists() or as_path(path).exists():
        return None
    found = sorted(globbed(path), key=natural)
    if not found:
        raise MissingFileError(f"{path} matches no file", path)
    return [f"{one}{mark}{dataset}" if mark else one for one in found]
