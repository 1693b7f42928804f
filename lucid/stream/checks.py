"""What arguments may be, how errors about them are worded, and checks of which many are made.

Nothing here needs NumPy until a value is checked that does.
"""

import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lucid.errors import spelled

PathLike = str | os.PathLike[str]
if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    SourceLike = PathLike | ArrayLike  # what an array is passed as
else:
    SourceLike = PathLike  # without NumPy, which takes long to import
Check = Callable[[Any], Any]

SCALES = "spatial_scale", "stride"
PIPE = "-"  # standard input or output
PLACE = "{id}"  # what an id is put in for, in the name of a dataset per image

HDF5_SUFFIXES = (".h5", ".hdf5")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
ZARR_SUFFIX = ".zarr"
OUTPUT_SUFFIXES = (*HDF5_SUFFIXES, ".npy", ".npz", ".safetensors", ZARR_SUFFIX)
IN_GROUPS = f"::{PLACE}"  # what the name of a file with a group for each image ends in


def is_url(path: PathLike) -> bool:
    """Return whether a path is the URL of a file, such as s3://bucket/features.zarr.

    Examples
    --------
    >>> is_url("https://example.org/f.npy"), is_url("f.h5::x")
    (True, False)
    """
    text = str(path)
    return "://" in text and re.match("[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


class Held:
    """An array that a caller passes instead of the path of one."""

    counts: "Held | None" = None  # how many rows are of each image, where a list said it

    def __init__(self, values: Any) -> None:
        numpy, others = map(import_module, ("numpy", "lucid.roi.interchange"))
        self.values = numpy.asarray(others.as_numpy(values))

    def __str__(self) -> str:
        return "array"


class ArgumentError(ValueError):
    """Arguments that contradict each other.

    Parameters
    ----------
    fact : str
        What is wrong, to be `spelled`.
    """

    def __init__(self, fact: str) -> None:
        super().__init__(spelled(fact))
        self.fact = fact


def as_flag(name: str) -> Check:
    """Return a check that a value is true or false, and not a text such as 'no'."""

    def check(value: Any) -> bool:
        is_flag = type(value).__name__ in {"bool", "bool_"}  # without NumPy, which takes long
        if not is_flag and not (type(value) is int and value in (0, 1)):
            raise TypeError(f"{name} must be True or False, got {value!r}")
        return bool(value)

    return check


def one_of(name: str, *choices: str) -> Check:
    """Return a check that a value is one of some texts."""

    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value}")
        return str(value)

    return check


def optional(check: Check) -> Check:
    """Return a check that takes None too, which leaves the choice to the inputs."""
    return lambda value: None if value is None else check(value)


def by_core(name: str, module: str = "lucid.roi.operator") -> Check:
    """Return a check of the core, which is imported when a value is checked."""

    def check(value: Any) -> Any:
        return getattr(import_module(module), name)(value)

    return check
