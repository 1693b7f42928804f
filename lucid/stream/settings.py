"""What a caller asks of a run, checked before any file is opened."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from lucid.roi.operator import as_invalid, as_output_size, as_sampling_ratio, as_spatial_scale
from lucid.stream.formats import Layout

OUTPUT_SUFFIXES = (".h5", ".hdf5", ".npy")
CROP_DTYPES = ("float16", "float32", "float64")
COMPRESSIONS = ("none", "gzip", "lzf")


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


def as_compression(value: str) -> str:
    """Return how the blocks of an HDF5 output are compressed."""
    if value not in COMPRESSIONS:
        raise ValueError(f"compression must be one of {', '.join(COMPRESSIONS)}, got {value!r}")
    return value


def as_blocks(value: SupportsIndex) -> int:
    """Return how many rows a block of an HDF5 output has."""
    rows = index(value)
    if rows < 1:
        raise ValueError(f"blocks must be at least 1 row, got {value}")
    return rows


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
    "compression": as_compression,
    "blocks": lambda value: None if value is None else as_blocks(value),
    "checksum": bool,
    "overwrite": bool,
    "resume": bool,
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
    compression: str
    blocks: int | None
    checksum: bool
    overwrite: bool
    resume: bool

    @classmethod
    def checked(cls, **arguments: Any) -> "Settings":
        """Return the settings that a caller's arguments mean.

        Raises
        ------
        TypeError, ValueError
            If one has no meaning, or two contradict each other.
        """
        settings = cls(**{name: CHECKS[name](value) for name, value in arguments.items()})
        if settings.overwrite and settings.resume:
            raise ValueError("overwrite and resume contradict each other; pass one of them")
        blocked = settings.compression != "none" or settings.blocks or settings.checksum
        if blocked and settings.output.suffix == ".npy":
            raise ValueError(
                "compression, blocks and checksum need an HDF5 output; .npy has no blocks"
            )
        return settings

    def layout_of(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], attributes: dict[str, Any]
    ) -> Layout:
        """Return what the output file is to be."""
        storage = self.compression, self.blocks, self.checksum
        return Layout(self.output, shape, dtype, attributes, *storage)
