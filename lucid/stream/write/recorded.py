"""What a file of crops says about its job, as the options that would do the job again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lucid.errors import LucidError, SourceError
from lucid.stream.checks import HDF5_SUFFIXES, ZARR_SUFFIX
from lucid.stream.options import OPTIONS, REQUIRED, Recorded
from lucid.stream.options.option import opposites
from lucid.stream.write import hdf5, npz, safetensors, zarr
from lucid.stream.write.identity import ARRAYS, IN_MEMORY, MOST_PATHS

READERS: dict[str, Callable[[Path], dict[str, Any] | None]] = {
    **dict.fromkeys(HDF5_SUFFIXES, hdf5.said_by),
    ".npz": npz.said_by,
    ".safetensors": safetensors.said_by,
    ZARR_SUFFIX: zarr.said_by,
}
NO_SCALE = [1.0, 1.0]  # is also recorded where each image has its own scale


def read_recorded(path: Path) -> dict[str, Any]:
    """Return what a file of crops says about its job.

    Raises
    ------
    SourceError
        If it cannot be read, or says nothing of the kind.
    """
    try:
        said = READERS[path.suffix](path) if path.suffix in READERS else None
    except LucidError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    except (KeyError, ValueError):  # it has not what our files have
        said = None
    if said is None:
        raise SourceError(
            f"{path} does not say from what it was made: it is none of lucid-roialign's HDF5, "
            ".npz, .safetensors or .zarr files of crops. Pass --features and --rois"
        )
    return said


def arguments_of(
    said: Mapping[str, Any], path: Path, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the arguments that do a job again, with inputs where they lay beside its output.

    Parameters
    ----------
    said : mapping
        What the file of crops says.
    path : Path
        Where it lies.
    given : mapping, optional
        Arguments that replace those that are recorded.

    Raises
    ------
    SourceError
        If an input was not a file.
    """
    given = given or {}
    if "level_scales" in said:
        raise SourceError(f"{path} was made from the maps of a pyramid; pass maps of one scale")
    found = {
        name: option.read(said[name]) if isinstance(said[name], str) else said[name]
        for name, option in OPTIONS.items()
        if name in said and (option.recorded in _OF_INPUTS or name in REQUIRED)
    }
    for name in ARRAYS:
        if f"{name}_fingerprint" in said and name not in given:
            found[name] = _located(name, said, path)
    if found.get("features_dtype") != "bfloat16":  # the name is also that of what was found
        found.pop("features_dtype", None)
    if list(found.get("spatial_scale", [])) == NO_SCALE:
        found.pop("spatial_scale")
    for name in given:
        for replaced in opposites(name, OPTIONS):
            found.pop(replaced, None)
    pairs = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
    }
    return pairs | dict(given)


_OF_INPUTS = {Recorded.ALWAYS, Recorded.UNLESS_DEFAULT}


def _located(name: str, said: Mapping[str, Any], path: Path) -> Any:
    """Return the path of an input, or the paths, from what is recorded beside an output."""
    recorded, dataset = said[name], said.get(f"{name}_dataset")
    paths = [recorded] if isinstance(recorded, str) else list(recorded)
    if paths == [IN_MEMORY]:
        raise SourceError(
            f"{path} was made from {name} in memory, not in a file; pass --{name.replace('_', '-')}"
        )
    if len(paths) > MOST_PATHS:
        raise SourceError(
            f"{path} records {MOST_PATHS} files of {name} and not the others; "
            f"pass --{name.replace('_', '-')}"
        )
    found = [str(path.parent / one) + (f"::{dataset}" if dataset else "") for one in paths]
    return found[0] if isinstance(recorded, str) else found
