"""The arguments of operators, checked once, and the dtypes that crops have."""

import math
from operator import index
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from lucid.errors import DTypeError, ShapeError

MAX_SAMPLING_RATIO = 1024
MAX_OUTPUT_SIZE = 1 << 16

OutputSize = int | tuple[int, int]
SpatialScale = float | tuple[float, float]
VolumeSize = int | tuple[int, int, int]
VolumeScale = float | tuple[float, float, float]


def as_output_size(value: OutputSize) -> tuple[int, int]:
    """Return (pooled_height, pooled_width); an int means a square."""
    size = as_size(value, "output_size")
    if max(size) > MAX_OUTPUT_SIZE:
        raise ValueError(f"output_size must be at most {MAX_OUTPUT_SIZE} a side, got {value}")
    return size


def as_size(value: Any, name: str) -> tuple[int, int]:
    """Return (height, width), whole numbers of at least 1; one means both."""
    height, width = _pair(value, name)
    try:
        size = index(height), index(width)
    except TypeError:
        raise TypeError(f"{name} must be an int or (height, width), got {value!r}") from None
    if min(size) < 1:
        raise ValueError(f"{name} must be at least 1 by 1, got {size[0]} by {size[1]}")
    return size


def as_spatial_scale(value: SpatialScale) -> tuple[float, float]:
    """Return the factors (y, x) from input coordinates to cells; one number means both."""
    vertical, horizontal = _pair(value, "spatial_scale")
    try:
        scale = float(vertical), float(horizontal)
    except (TypeError, OverflowError):
        raise ValueError(f"spatial_scale must be a number or (y, x), got {value!r}") from None
    if not all(math.isfinite(factor) and factor > 0 for factor in scale):
        raise ValueError(f"spatial_scale must be finite and > 0, got {value}")
    return scale


def as_bins(value: Any) -> Any:
    """Return bins along each axis, one number for all, of an operator that is not known yet."""
    if isinstance(value, (tuple, list)) and len(value) == 3:
        return as_volume_size((value[0], value[1], value[2]))
    return as_output_size(value)[0] if np.ndim(value) == 0 else as_output_size(value)


def as_factors(value: Any) -> Any:
    """Return factors to cells along each axis, one number for all, as `as_bins` does."""
    if isinstance(value, (tuple, list)) and len(value) == 3:
        return as_volume_scale((value[0], value[1], value[2]))
    return as_spatial_scale(value)[0] if np.ndim(value) == 0 else as_spatial_scale(value)


def as_volume_size(value: VolumeSize) -> tuple[int, int, int]:
    """Return (pooled_depth, pooled_height, pooled_width); an int means a cube."""
    deep, high, wide = _each(value, "output_size")
    return as_output_size(deep)[0], *as_output_size((high, wide))


def as_volume_scale(value: VolumeScale) -> tuple[float, float, float]:
    """Return the factors (z, y, x) from input coordinates to cells; one number means all."""
    deep, high, wide = _each(value, "spatial_scale")
    return as_spatial_scale(deep)[0], *as_spatial_scale((high, wide))


def _each(value: Any, name: str) -> tuple[Any, Any, Any]:
    """Return a triple, depth first, from one or from a single value."""
    if isinstance(value, np.ndarray) and value.ndim:
        value = value.tolist()
    if not isinstance(value, (tuple, list)):
        return value, value, value
    if len(value) != 3:
        raise ValueError(f"{name} must be one value or three, depth first, got {value}")
    return value[0], value[1], value[2]


def _pair(value: Any, name: str) -> tuple[Any, Any]:
    """Return a pair, height before width, from one or from a single value."""
    if isinstance(value, np.ndarray) and value.ndim:
        value = value.tolist()
    if not isinstance(value, (tuple, list)):
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name} must be one value or a pair, height first, got {value}")
    return value[0], value[1]


def as_sampling_ratio(value: SupportsIndex | float) -> int | float:
    """Return the samples per bin and axis; every value <= 0 means adaptive and becomes -1.

    Infinity stays what it is: the limit of more and more of them.
    """
    if isinstance(value, (float, np.floating)) and math.isinf(value) and value > 0:
        return math.inf
    try:
        ratio = index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"sampling_ratio must be an int or inf, got {value!r}") from None
    if ratio > MAX_SAMPLING_RATIO:
        raise ValueError(f"sampling_ratio must be at most {MAX_SAMPLING_RATIO}, got {value}")
    return ratio if ratio > 0 else -1


def as_max_samples(value: SupportsIndex | None) -> int | None:
    """Return the most samples per bin and axis, None for as many as are counted."""
    if value is None:
        return None
    most = index(value)
    if most < 1:
        raise ValueError(f"max_samples must be at least 1, got {value}")
    return most


def as_expand(value: float) -> float:
    """Return how many times as large boxes are taken."""
    try:
        factor = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"expand must be a number, got {value!r}") from None
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"expand must be finite and > 0, got {value}")
    return factor


def as_channels(value: slice | None, channels: int) -> slice:
    """Return the channels that are taken, of so many; None means all."""
    if value is None:
        return slice(0, channels, 1)
    if not isinstance(value, slice):
        raise TypeError(f"channels must be a slice, got {value!r}")
    some = slice(*value.indices(channels))
    if some.step < 1 or (channels and not range(channels)[some]):
        raise ValueError(f"channels must be some of {channels}, in order, got {value}")
    return some


def as_method(value: str) -> str:
    """Return how a bin is read: 'bilinear' or 'nearest'."""
    return _one_of("method", value, "bilinear", "nearest")


def as_extrapolation_value(value: float) -> float:
    """Return what bins are that are read beyond the map."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"extrapolation_value must be a number, got {value!r}") from None


def as_mode(value: str) -> str:
    """Return what becomes of the samples of a bin: 'avg' or 'max'."""
    return _one_of("mode", value, "avg", "max")


def as_outside(value: str) -> str:
    """Return what becomes of samples out of range: 'zero' or 'renormalize'."""
    return _one_of("outside", value, "zero", "renormalize")


def as_angle(value: str) -> str:
    """Return the unit of angles: 'degrees' or 'radians'."""
    return _one_of("angle", value, "degrees", "radians")


def as_clockwise(value: Any) -> bool:
    """Return whether angles turn as the hands of a clock."""
    return _as_flag("clockwise", value)


def _one_of(name: str, value: str, *choices: str) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")
    return value


def as_aligned(value: Any) -> bool:
    """Return whether half a cell is subtracted; True and False, 1 and 0 say it, and no text."""
    return _as_flag("aligned", value)


def _as_flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)) and value not in (0, 1):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def as_invalid(value: str) -> str:
    """Return what is to become of an invalid RoI: 'raise' or 'zero'."""
    return _one_of("invalid", value, "raise", "zero")


def crop_dtype(features: DTypeLike, name: str = "features") -> np.dtype[Any]:
    """Return the dtype of the crops of such features: theirs if it is a float, else float32."""
    dtype: np.dtype[Any] = np.dtype(features)
    if dtype.kind in "biu":
        return np.dtype(np.float32)
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise DTypeError(f"{name} must hold real numbers of at most 64 bits, got {dtype}")
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def compute_dtype(features: DTypeLike) -> np.dtype[Any]:
    """Return the dtype in which such features are weighted: float64 for float64, else float32."""
    dtype = crop_dtype(features)
    return dtype if dtype.itemsize == 8 else np.dtype(np.float32)


def crop_channels(operator: Any, channels: int) -> int:
    """Return how many channels crops have on maps of so many.

    Raises
    ------
    ShapeError
        If these cannot be shared among bins.
    """
    if not getattr(operator, "has_channels_of_bins", False):
        return channels
    bins: int = operator.output_size[0] * operator.output_size[1]
    if channels % bins:
        raise ShapeError(
            f"features must have a multiple of {bins} channels, one for each bin of a "
            f"position-sensitive crop, got {channels}"
        )
    return channels // bins
