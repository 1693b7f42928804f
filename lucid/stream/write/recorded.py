"""What a file of crops says about its job, as the options that would do the job again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lucid.errors import LucidError, SourceError
from lucid.roi.operators import OPERATORS, as_operator, of_some
from lucid.stream.checks import HDF5_SUFFIXES, ZARR_SUFFIX, is_url
from lucid.stream.options import OPTIONS, REQUIRED, Recorded
from lucid.stream.options.option import opposites
from lucid.stream.read.missing import not_opened
from lucid.stream.read.url import Url
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
    except FileNotFoundError as error:  # of which HDF5 says more than anybody asked
        if not path.exists():
            raise not_opened(path, FileNotFoundError()) from error
        said = None  # a folder that is no store of crops
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError):  # it has not what our files have
        said = None
    if said is None:
        raise SourceError.advising(
            f"{path} does not say from what it was made: it is none of lucid-roialign's HDF5, "
            ".npz, .safetensors or .zarr files of crops",
            "pass {features} and {rois}",
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
        If an input was not a file, or something else is recorded than runs do.
    """
    given = given or {}
    try:
        recorded = _recorded_arguments(said, path, given)
        for name, value in recorded.items():
            OPTIONS[name].check(value)
    except LucidError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path} does not say rightly from what it was made: {error}") from error
    return recorded | dict(given)


def _recorded_arguments(
    said: Mapping[str, Any], path: Path, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments that are recorded, but for those that given ones replace."""
    found = {
        name: option.read(said[name]) if isinstance(said[name], str) else said[name]
        for name, option in OPTIONS.items()
        if name in said and (option.recorded in _OF_INPUTS or name in REQUIRED)
    }
    found.update(_inputs_of(said, path, given))
    if "level_scales" in said or "level" in given:  # levels have the scales
        found = {name: found[name] for name in found if name not in {"features", "spatial_scale"}}
    if found.get("features_dtype") != "bfloat16":  # the name is also that of what was found
        found.pop("features_dtype", None)
    if list(found.get("spatial_scale", [])) == NO_SCALE:
        found.pop("spatial_scale")
    for name in given:
        for replaced in opposites(name, OPTIONS):
            found.pop(replaced, None)
    if "operator" in given:  # another, to which what is recorded need not mean anything
        meant = OPERATORS[as_operator(given["operator"])].takes
        found = {name: found[name] for name in found if name in meant or name not in of_some()}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
    }


ALWAYS = ("features", "rois")
_OF_INPUTS = {Recorded.ALWAYS, Recorded.UNLESS_DEFAULT}


def _inputs_of(
    said: Mapping[str, Any], path: Path, given: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the inputs that are recorded and not given, each with where it lies."""
    for name in ARRAYS:
        is_input = f"{name}_fingerprint" in said or name in ALWAYS  # early versions had no others
        is_there = name in said and is_input and name not in given
        if is_there and name == "features" and "level_scales" in said:
            if "level" not in given:
                yield "level", _levels(said, path)
        elif is_there:
            yield name, _located(name, said, path)


def _located(name: str, said: Mapping[str, Any], path: Path) -> Any:
    """Return the path of an input, or the paths, from what is recorded beside an output."""
    recorded, dataset = said[name], said.get(f"{name}_dataset")
    paths = [recorded] if isinstance(recorded, str) else list(recorded)
    if paths == [IN_MEMORY]:
        raise SourceError.advising(
            f"{path} was made from {name} in memory, not in a file", f"pass {{{name}}}"
        )
    if len(paths) > MOST_PATHS:
        raise SourceError.advising(
            f"{path} records {MOST_PATHS} files of {name} and not the others", f"pass {{{name}}}"
        )
    found = [_beside(path, one, dataset) for one in paths]
    return found[0] if isinstance(recorded, str) else found


def _levels(said: Mapping[str, Any], path: Path) -> list[tuple[float, str]]:
    """Return the levels of a pyramid, each with its scale and where its maps lie."""
    paths = said["features"]
    if IN_MEMORY in paths or not all(isinstance(one, str) for one in paths):
        raise SourceError.advising(
            f"{path} was made from maps that are no single files", "pass {level}"
        )
    datasets = said.get("features_dataset") or [""] * len(paths)
    places = [_beside(path, *each) for each in zip(paths, datasets, strict=True)]
    return list(zip(said["level_scales"], places, strict=True))


def _beside(path: Path, recorded: str, dataset: str | None) -> str:
    """Return where an input is that was recorded by its path from the folder of an output."""
    folder = Path() if isinstance(path, Url) else path.parent
    place = recorded if is_url(recorded) else str(folder / recorded)
    return f"{place}::{dataset}" if dataset else place
