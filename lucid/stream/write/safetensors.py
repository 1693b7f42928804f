"""Crops in a safetensors file, with what stands beside them; its metadata say the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lucid.stream.read.safetensors import DTYPES, read_header
from lucid.stream.write.companions import Companion
from lucid.stream.write.hdf5 import fill
from lucid.stream.write.layout import DATASET, OneFile

KINDS = {np.dtype(dtype): kind for kind, dtype in DTYPES.items() if kind != "BF16"}
ALIGNMENT = 8  # of the values, as the library's own files have it


class Safetensors(OneFile):
    """A safetensors file: arrays of eight-byte values first, then the crops, then texts."""

    has_companions: ClassVar[bool] = True

    def lay_out(self, path: Path) -> None:
        """Write a file of zeros, complete but for the rows; there must be none."""
        beside = sorted(self.layout.companions or (), key=lambda one: one.dtype.kind == "S")
        texts = [one for one in beside if one.dtype.kind == "S"]
        header: dict[str, Any] = {"__metadata__": texts_of(self.layout.attributes)}
        at, places = 0, []
        for one in [*beside[: len(beside) - len(texts)], None, *texts]:
            name, dtype, shape, size = self._about(one)
            end = at + size
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
            places += [(at, one)] if one else []
            at = end
        data = json.dumps(header, separators=(",", ":")).encode()
        data += b" " * (-len(data) % ALIGNMENT)
        with path.open("xb") as stream:
            stream.write(len(data).to_bytes(8, "little") + data)
            begin = stream.tell()
            stream.truncate(begin + at)
        fill(path, [(begin + place, one) for place, one in places])

    def begin(self, path: Path) -> int:
        """Return where the rows begin in a file that was laid out."""
        with path.open("rb") as stream:
            tensors, _, begin = read_header(stream, str(path))
        return begin + tensors[DATASET].begin

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job."""
        return said_by(self.layout.path)

    def _about(self, one: Companion | None) -> tuple[str, str, list[int], int]:
        """Return name, kind, shape and size of an array, or of the crops; texts are bytes."""
        if one is None:
            layout = self.layout
            return DATASET, KINDS[layout.dtype], list(layout.shape), layout.nbytes
        if one.dtype.kind == "S":
            return one.name, "U8", [*one.shape, one.dtype.itemsize], one.nbytes
        return one.name, KINDS[one.dtype], list(one.shape), one.nbytes


def said_by(path: Path) -> dict[str, Any] | None:
    """Return what the metadata of a file say about a job, None if it is none of ours."""
    with path.open("rb") as stream:
        tensors, metadata, _ = read_header(stream, str(path))
    said = {name: _value(text) for name, text in metadata.items()}
    crops = tensors[DATASET]
    said |= {"shape": list(crops.shape), "dtype": np.dtype(DTYPES[crops.kind]).name}
    return said if {"features", "rois", "lucid_version"} <= set(said) else None


def texts_of(attributes: Any) -> dict[str, str]:
    """Return attributes as texts: as they are, unless JSON would read them as something else."""
    return {name: _text(value) for name, value in attributes.items()}


def _text(value: Any) -> str:
    plain = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    is_plain = isinstance(plain, str) and _value(plain) == plain
    return plain if is_plain else json.dumps(plain)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
