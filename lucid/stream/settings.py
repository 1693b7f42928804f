"""What a caller asks of a run, checked before any file is opened."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lucid.roi.operator import as_invalid, as_output_size, as_sampling_ratio, as_spatial_scale

OUTPUT_SUFFIXES = (".h5", ".hdf5", ".npy")
CROP_DTYPES = ("float16", "float32", "float64")


def as_bytes(memory: int | str) -> int:
    """Return a number of bytes from one, or from text as '512M'; units are powers of 1024.

    Examples
    --------
    >>> as_bytes("1.5G")
    1610612736
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", str(memory).strip(), re.IGNORECASE)
    size = int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")) if match else 0
    if size <= 0:
        raise ValueError(f"memory must be a size such as 512M or 2G, got {memory}")
    return size


def as_output(path: str | os.PathLike[str]) -> Path:
    """Return the path of an output, if its suffix is of a format that can be written."""
    output = Path(path)
    if output.suffix not in OUTPUT_SUFFIXES:
        raise ValueError(f"output must end in {', '.join(OUTPUT_SUFFIXES)}, got {path}")
    return output


def as_crop_dtype(dtype: Any) -> np.dtype[Any]:
    """Return a dtype that crops can have."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in CROP_DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(CROP_DTYPES)}, got {dtype}")
    crops: np.dtype[Any] = np.dtype(name)
    return crops


# Each argument of a run that can be wrong by itself, and what makes it right or raises.
# None, where an argument may be None, leaves the choice to the features.
CHECKS: dict[str, Callable[[Any], Any]] = {
    "output": as_output,
    "output_size": as_output_size,
    "spatial_scale": lambda value: None if value is None else as_spatial_scale(value),
    "sampling_ratio": as_sampling_ratio,
    "aligned": bool,
    "invalid": as_invalid,
    "memory": as_bytes,
    "dtype": lambda value: None if value is None else as_crop_dtype(value),
    "overwrite": bool,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked arguments of a run that are not its inputs; see `lucid.extract`."""

    output: Path
    output_size: tuple[int, int]
    spatial_scale: tuple[float, float] | None
    sampling_ratio: int
    aligned: bool
    invalid: str
    memory: int
    dtype: np.dtype[Any] | None
    overwrite: bool

    @classmethod
    def checked(cls, **arguments: Any) -> "Settings":
        """Return the settings that a caller's arguments mean.

        Raises
        ------
        TypeError, ValueError
            If one has no meaning.
        """
        return cls(**{name: CHECKS[name](value) for name, value in arguments.items()})
