"""What a caller asks of a run, checked before any file is opened."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from lucid.roi.operator import (
    as_invalid,
    as_output_size,
    as_sampling_ratio,
    as_size,
    as_spatial_scale,
)

PathLike = str | os.PathLike[str]

PIPE = "-"  # standard input or output
PLACE = "{id}"  # what an id is put in for, in the name of a dataset per image

HDF5_SUFFIXES = (".h5", ".hdf5")
OUTPUT_SUFFIXES = (*HDF5_SUFFIXES, ".npy")
USUAL = (None, False, "nchw", "xyxy")  # of what says how inputs are understood
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
    if output.suffix not in OUTPUT_SUFFIXES and str(path) != PIPE:
        raise ValueError(f"output must end in {', '.join(OUTPUT_SUFFIXES)} or be -, got {path}")
    return output


def as_image_size(value: Any) -> tuple[int, int] | str:
    """Return (height, width) from such a pair, a number or 'HxW'; anything else is a path."""
    if isinstance(value, str):
        pair = re.fullmatch(r"(\d+)(?:x(\d+))?", value)
        if not pair:
            return value
        value = int(pair[1]), int(pair[2] or pair[1])
    return str(value) if isinstance(value, os.PathLike) else as_size(value, "image_size")


def one_of(name: str, choices: tuple[str, ...]) -> Callable[[Any], str]:
    """Return a check that a value is one of some texts."""

    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value}")
        return str(value)

    return check


def optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a check that takes None too, which leaves the choice to the inputs."""
    return lambda value: None if value is None else check(value)


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


def as_chunks(value: SupportsIndex) -> int:
    """Return how many rows a block of an HDF5 output has."""
    rows = index(value)
    if rows < 1:
        raise ValueError(f"chunks must be at least 1 row, got {value}")
    return rows


def as_jobs(value: SupportsIndex | str) -> int | str:
    """Return how many processes work on a run: a number, or 'auto'."""
    if value == "auto":
        return "auto"
    jobs = int(value) if isinstance(value, str) and value.isdecimal() else value
    try:
        jobs = index(jobs)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"jobs must be a whole number or 'auto', got {value}") from None
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {value}")
    return jobs


# Each argument of a run that can be wrong by itself, and what makes it right or raises.
CHECKS: dict[str, Callable[[Any], Any]] = {
    "features": os.fsdecode,
    "rois": os.fsdecode,
    "output": as_output,
    "output_size": as_output_size,
    "spatial_scale": optional(as_spatial_scale),
    "sampling_ratio": as_sampling_ratio,
    "aligned": bool,
    "invalid": as_invalid,
    "memory": as_bytes,
    "dtype": optional(as_crop_dtype),
    "layout": one_of("layout", ("nchw", "nhwc")),
    "ids": optional(os.fsdecode),
    "boxes": one_of("boxes", ("xyxy", "xywh", "cxcywh")),
    "normalized": bool,
    "image_size": optional(as_image_size),
    "batch_index": optional(os.fsdecode),
    "box_ranges": optional(os.fsdecode),
    "box_counts": optional(os.fsdecode),
    "trust_input": bool,
    "compression": one_of("compression", COMPRESSIONS),
    "chunks": optional(as_chunks),
    "checksum": bool,
    "overwrite": bool,
    "resume": bool,
    "jobs": as_jobs,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked arguments of a run; see `lucid.extract`."""

    features: str
    rois: str
    output: Path
    output_size: tuple[int, int]
    spatial_scale: tuple[float, float] | None
    sampling_ratio: int
    aligned: bool
    invalid: str
    memory: int
    dtype: np.dtype[Any] | None
    layout: str
    ids: str | None
    boxes: str
    normalized: bool
    image_size: tuple[int, int] | str | None
    batch_index: str | None
    box_ranges: str | None
    box_counts: str | None
    trust_input: bool
    compression: str
    chunks: int | None
    checksum: bool
    overwrite: bool
    resume: bool
    jobs: int | str

    @classmethod
    def checked(cls, **arguments: Any) -> "Settings":
        """Return the settings that a caller's arguments mean.

        Raises
        ------
        TypeError, ValueError
            If one has no meaning, or two contradict each other.
        """
        settings = cls(**{name: CHECKS[name](value) for name, value in arguments.items()})
        for contradicts, fact in settings._contradictions():
            if contradicts:
                raise ValueError(fact)
        return settings

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        chunked = bool(self.compression != "none" or self.chunks or self.checksum)
        yield self.overwrite and self.resume, "overwrite and resume contradict each other"
        yield (
            chunked and self.output.suffix not in HDF5_SUFFIXES,
            "compression, chunks and checksum are for HDF5, not for .npy",
        )
        yield self.features == self.rois == PIPE, "features and rois cannot both be piped in"
        yield self.resume and not self.can_resume, "a run from or to a pipe cannot be resumed"
        yield (
            self.jobs not in {"auto", 1} and not self.can_resume,
            "a run from or to a pipe is one of one process; drop jobs",
        )
        yield (
            self.normalized and self.image_size is None,
            "normalized needs image_size: HxW, or an array of a height and width per image",
        )
        yield (
            self.image_size is not None and not self.normalized,
            "image_size is for normalized boxes",
        )
        owners = (self.batch_index, self.box_ranges, self.box_counts)
        yield (
            sum(owner is not None for owner in owners) > 1,
            "batch_index, box_ranges and box_counts contradict each other; pass one of them",
        )
        yield (
            self.ids is not None and PLACE not in self.features,
            "ids are for features with one dataset per image: PATH::{id} or the like",
        )

    @property
    def to_stream(self) -> bool:
        """Whether crops go to standard output."""
        return str(self.output) == PIPE

    @property
    def can_resume(self) -> bool:
        """Whether an interrupted run could be gone on with: a pipe cannot be read again."""
        return PIPE not in (self.features, self.rois, str(self.output))
