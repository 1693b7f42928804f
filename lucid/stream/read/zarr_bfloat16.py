"""Metadata of zarr arrays of bfloat16, rewritten to uint16: the zarr package has no bfloat16."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lucid.stream.read.bfloat16 import BFLOAT16

UNSIGNED = {"data_type": "uint16", "dtype": "<u2"}  # as formats 3 and 2 call it
ARRAY = ".zarray"  # where format 2 describes an array


def as_unsigned(text: bytes, key: str, halves: set[str]) -> bytes:
    """Return metadata with uint16 in place of bfloat16, and add the names of such arrays.

    Parameters
    ----------
    text : bytes
        What is under the key.
    key : str
        Where it is, which begins with the name of the array or group.
    halves : set of str
        Names of the arrays whose values are the upper halves of float32.
    """
    if f'"{BFLOAT16}"'.encode() not in text:
        return text
    about = json.loads(text)
    _replace(about, key.rpartition("/")[0], halves)
    return json.dumps(about).encode()


def _replace(about: Any, name: str, halves: set[str]) -> None:
    """Replace the dtype in what is said of an array, or of all that are below a group."""
    for word, unsigned in UNSIGNED.items():
        if about.get(word) == BFLOAT16:
            about |= {word: unsigned, "fill_value": _half(about.get("fill_value"))}
            halves.add(name)
    below = about.get("consolidated_metadata") or about
    for key, inner in (below.get("metadata") or {}).items():
        place = key.removesuffix(ARRAY).rstrip("/")
        _replace(inner, f"{name}/{place}".strip("/"), halves)


def _half(value: Any) -> int | None:
    """Return the bits of what missing chunks hold: a number, its bits, or its name."""
    if value is None:
        return None
    if isinstance(value, str) and value.startswith("0x"):
        return int(value, 16)
    return int(np.float32(float(value)).view(np.uint32)) >> 16
