"""Checks of the values of options: each returns the value that the run uses, or raises.

Nothing here needs NumPy until a value is checked that does.
"""

import os
import re
from importlib import import_module
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

from lucid.stream.checks import (
    HDF5_SUFFIXES,
    IN_GROUPS,
    OUTPUT_SUFFIXES,
    PIPE,
    PLACE,
    ZARR_SUFFIX,
    Held,
    PathLike,
    is_url,
)

IMAGE_SUFFIXES = (".npz", *HDF5_SUFFIXES, ".npy")  # of a file for each image
GROUP_SUFFIXES = tuple(suffix + IN_GROUPS for suffix in HDF5_SUFFIXES)
VOLUMES = ("ncdhw", "cdhw")
LAYOUTS = {"".join(sorted(letters)) for letters in (*VOLUMES, "nchw", "chw", "ncl", "cl")}
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


def as_sources(value: Any) -> str | tuple[str, ...] | Held:
    """Return what `as_source` does; of a list of paths, the paths."""
    if not isinstance(value, (list, tuple)):
        return as_source(value)
    if not value:
        raise ValueError("features must be a path or several, got none")
    if not all(isinstance(one, (str, bytes, os.PathLike)) for one in value):
        return as_source(value)
    paths = tuple(map(os.fsdecode, value))
    return paths[0] if len(paths) == 1 else paths


def as_output(path: PathLike) -> Path | str:
    """Return the path or URL of an output, if its suffix is of a format that can be written."""
    output = Path(path)
    if is_url(path) and (output.suffix != ZARR_SUFFIX or str(path).startswith("http")):
        raise ValueError(f"output with a URL must end in .zarr, and not be https:, got {path}")
    if is_url(path):
        return str(path)
    if str(path).endswith(IN_GROUPS):
        if PLACE in str(path).removesuffix(IN_GROUPS) or output.suffix not in GROUP_SUFFIXES:
            raise ValueError(f"output must be FILE.h5{IN_GROUPS} for groups, got {path}")
    elif PLACE in str(path):
        if PLACE in str(output.parent) or output.suffix not in IMAGE_SUFFIXES:
            raise ValueError(
                f"output must have {PLACE} in the name of the file alone, and end in "
                f"{', '.join(IMAGE_SUFFIXES)}, got {path}"
            )
    elif output.suffix not in OUTPUT_SUFFIXES and str(path) != PIPE:
        raise ValueError(f"output must end in {', '.join(OUTPUT_SUFFIXES)} or be -, got {path}")
    return output


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or hasattr(value, "__dlpack__")


def as_source(value: Any) -> str | Held:
    """Return the path of an array, or an array itself; sequences become arrays."""
    if isinstance(value, (str, bytes, os.PathLike)):
        if not os.fspath(value):
            raise ValueError("a path was expected, got an empty text")
        return os.fsdecode(value)
    if isinstance(value, (list, tuple)) or _is_array(value):
        return Held(value)
    raise TypeError(f"a path or an array was expected, got {value!r}")


def as_rois(value: Any) -> str | Held:
    """Return the path of RoIs, or RoIs themselves; in a list of arrays, each is of an image."""
    if not isinstance(value, (list, tuple)):
        return as_source(value)
    numpy = import_module("numpy")
    others = import_module("lucid.roi.interchange")
    parts = [numpy.asarray(others.as_numpy(part, "rois")) for part in value]
    if all(part.ndim == 1 and part.size for part in parts):  # rows of a table
        return as_source(value)
    columns = next((part.shape[-1] for part in parts if part.size), 4)
    parts = [part if part.size else numpy.empty((0, columns)) for part in parts]
    for image, part in enumerate(parts):
        if part.ndim != 2 or part.shape[1] != columns:
            raise ValueError(f"rois must have boxes (n, {columns}) for each image, got "
                             f"{part.shape} for image {image}")  # fmt: skip
    boxes = Held(numpy.concatenate(parts))
    boxes.counts = Held([len(part) for part in parts])
    return boxes


def as_image_size(value: Any, name: str = "image_size") -> tuple[int, int] | str | Held:
    """Return (height, width) from such a pair, a number or 'HxW'; anything else is a source."""
    if _is_array(value) or (isinstance(value, list) and type(value[0]) is list):
        return Held(value)
    if isinstance(value, str):
        pair = re.fullmatch(r"(\d+)(?:x(\d+))?", value)
        if not pair and re.fullmatch(r"[\d.x, ]*", value):
            raise ValueError(f"{name} must be HxW, one number for both, or a path, got {value}")
        if not pair:
            return value
        value = int(pair[1]), int(pair[2] or pair[1])
    if isinstance(value, os.PathLike):
        return str(value)
    size: tuple[int, int] = import_module("lucid.roi.operator").as_size(value, name)
    return size


def as_grid(value: Any) -> tuple[int, int] | str | Held:
    """Return (height, width) of a grid of tokens, or the source of those of images."""
    return as_image_size(value, "grid")


def as_layout(text: str) -> str:
    """Return the letters of axes, if they are those of maps or of lists of tokens."""
    if "".join(sorted(text)) not in LAYOUTS or not isinstance(text, str):
        raise ValueError(
            "layout must have the letters n, c, h, w, or n, c, l for tokens, or n, c, d, h, w for "
            f"volumes, in the order of the axes, n or not; got {text}"
        )
    return text


def as_slice(value: Any) -> slice:
    """Return a slice of channels, in ascending order."""
    if not isinstance(value, slice):
        raise TypeError(f"channels must be a slice, got {value!r}")
    step = 1 if value.step is None else index(value.step)
    if step < 1:
        raise ValueError(f"channels must be in ascending order, got a step of {step}")
    return value


def as_skipped(value: SupportsIndex) -> int:
    """Return a number of tokens."""
    number = index(value)
    if number < 0:
        raise ValueError(f"skip_tokens must be at least 0, got {value}")
    return number


def as_crop_dtype(dtype: Any) -> Any:
    """Return a dtype that crops can have."""
    numpy = import_module("numpy")
    try:
        name = numpy.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in CROP_DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(CROP_DTYPES)}, got {dtype}")
    return numpy.dtype(name)


def as_chunks(value: SupportsIndex) -> int:
    """Return how many rows a chunk of an output has."""
    rows = index(value)
    if rows < 1:
        raise ValueError(f"chunks must be at least 1 row, got {value}")
    return rows


def as_names(value: Any) -> tuple[int | str, ...]:
    """Return numbers, or else names, from a sequence or from text with commas."""
    parts = value.split(",") if isinstance(value, str) else list(value)
    if all(isinstance(part, int) for part in parts):
        return tuple(parts)
    return tuple(str(part).strip() for part in parts)


def as_stride(value: Any) -> Any:
    """Return the input pixels (y, x) per cell, or (z, y, x); one number means all."""
    try:
        return import_module("lucid.roi.operator").as_factors(value)
    except ValueError as error:
        raise ValueError(f"stride must be finite and > 0, or a pair (y, x), got {value}") from error


def as_engine(name: str) -> str | None:
    """Return an engine that is there; None for 'auto'."""
    engine: str = import_module("lucid.roi.engines.selection").as_engine(name)
    return None if name == "auto" else engine


def as_resize(text: str) -> str:
    """Return the name of a rule of resizing, if there is one."""
    rule: str = import_module("lucid.stream.read.resize").as_resize(text).text
    return rule


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


def as_patience(value: float | str) -> float:
    """Return a number of seconds to wait."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"patience must be a number of seconds > 0, got {value}")
    return seconds


def as_scheduler(value: Any) -> str:
    """Return where a scheduler of dask is, or 'local'."""
    name = os.fspath(value)
    if name != "local" and "://" not in name and not name.endswith(".json"):
        raise ValueError(f"scheduler must be tcp://HOST:PORT, FILE.json or local, got {name}")
    return str(name)


def as_shard(value: Any) -> tuple[int, int]:
    """Return the number of a shard, from 1, and how many there are, from a pair or 'I/N'."""
    parts = value.split("/") if isinstance(value, str) else list(value)
    try:
        number, shards = (index(int(one) if isinstance(one, str) else one) for one in parts)
    except (TypeError, ValueError):
        raise ValueError(f"shard must be I/N, such as 3/8, got {value}") from None
    if not 1 <= number <= shards:
        raise ValueError(f"shard must be I/N with 1 <= I <= N, got {value}")
    return number, shards
