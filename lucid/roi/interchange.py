"""Arrays of other libraries as NumPy's; those of the CPU's memory are shared and not copied."""

from __future__ import annotations

from typing import Any

import numpy as np

from lucid.errors import DTypeError, GradientError, LucidError

IN_MEMORY = {1, 3, 11}  # devices of DLPack: the CPU, and memory that is pinned for CUDA and ROCm
DEVICES = {2: "CUDA", 7: "Vulkan", 8: "Metal", 10: "ROCm", 13: "CUDA", 14: "oneAPI"}


def is_array(data: Any) -> bool:
    """Return whether data are an array of any library.

    Examples
    --------
    >>> is_array(np.zeros(3)), is_array([0.0, 0.0])
    (True, False)
    """
    return hasattr(data, "__array__") or hasattr(data, "__dlpack__")


def as_numpy(data: Any, name: str = "an array") -> Any:
    """Return an array of NumPy from one of another library, and of a list those that are in it.

    What is no array stays as it is; `name` is what the caller calls it. Raises `DTypeError` if it
    is not in the memory of the CPU or holds what NumPy does not know, and `GradientError` if
    another library is to compute its gradient.
    """
    if isinstance(data, (list, tuple)) and any(map(is_array, data)):
        return [as_numpy(one, name) for one in data]
    if isinstance(data, (np.ndarray, np.generic)) or not is_array(data):
        return data
    _require_memory(data, name)
    try:
        return np.asarray(data) if hasattr(data, "__array__") else np.from_dlpack(data)
    except (TypeError, RuntimeError, BufferError) as error:
        raise _refusal(data, name, error) from error


def _require_memory(data: Any, name: str) -> None:
    """Raise unless an array is in the memory of the CPU, or does not say where it is."""
    try:
        device = data.__dlpack_device__()[0]
    except (AttributeError, TypeError, ValueError, RuntimeError, BufferError):
        return
    if device not in IN_MEMORY:
        where = DEVICES.get(device, f"device {device} of DLPack")
        raise DTypeError(
            f"{name} must be in the memory of the CPU, got {type(data).__module__} array on "
            f"{where}; copy it first, as .cpu() of torch or .get() of CuPy does"
        )


def _refusal(data: Any, name: str, error: Exception) -> LucidError:
    """Return what is wrong with an array that cannot be taken."""
    if getattr(data, "requires_grad", False):
        return GradientError(
            f"{name} requires a gradient, and its library could not follow what is computed here: "
            "pass it without, as .detach() of torch returns it"
        )
    fact = str(error).partition("\n")[0]
    return DTypeError(f"{name} cannot be taken as an array: {fact}")
