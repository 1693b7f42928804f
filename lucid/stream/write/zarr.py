"""Crops in a zarr store: a folder with a folder for each array, in which each chunk is a file.

The rows of a chunk that is not compressed lie in its file one after the other, so that they are
written in place, by any number of processes. What zarr reads is plain JSON and bytes; the zarr
package is not needed to write them.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lucid.errors import SinkError, SourceError
from lucid.stream.read.url import UNFINISHED, is_store
from lucid.stream.types import Array
from lucid.stream.write import disk
from lucid.stream.write.companions import Companion, bin_axes
from lucid.stream.write.layout import DATASET, Layout, OneFile, RowsApart
from lucid.stream.write.rows import Place
from lucid.stream.write.sidecars import sidecar_paths

ABOUT = "zarr.json"  # what says in each folder what is there
CHUNK_BYTES = 4 << 20  # of crops, where no number of rows is asked for
BESIDE_BYTES = 1 << 20  # of the chunks of what stands beside them
CODECS: dict[str, dict[str, Any]] = {
    "gzip": {"level": 1},  # higher levels take much longer and save little
    "zstd": {"level": 0, "checksum": False},
}
Packer = Callable[[Any], bytes]


class Zarr(OneFile):
    """A store of format 3, whose rows are written in place."""

    has_companions: ClassVar[bool] = True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        rows = layout.chunks or CHUNK_BYTES // max(layout.row_bytes, 1)
        self._rows = max(min(rows, layout.shape[0]), 1)

    def replaces_folder(self) -> bool:
        """Return whether the folder that has the name of the output is a store."""
        return is_store(self.layout.path)

    def lay_out(self, path: Path) -> None:
        """Write a store of zeros, complete but for the rows; there must be none."""
        self._write_all_but_rows(path, bytes)
        disk.sync_tree(path)

    def place(self, path: Path) -> Place:
        """Return where the rows are to be written; files of chunks that are not there are made."""
        place = Place(path / DATASET, 0, self._rows, _key("{}", len(self.layout.shape)))
        for chunk in range(self._chunks):
            disk.stretch(place.file(chunk), self._rows * self.layout.row_bytes)
        disk.sync_names(place.path)
        return place

    @property
    def border_rows(self) -> int:
        """After how many rows others may write without touching the same file."""
        return self._rows

    def publish(self, part: Path) -> None:
        """Give the store its name; a folder cannot take that of another, which steps aside."""
        path, aside = self.layout.path, sidecar_paths(self.layout.path).packed
        if os.path.lexists(path):
            path.replace(aside)
        super().publish(part)
        disk.sync_names(path.parent)
        disk.remove(aside)

    def said(self) -> dict[str, Any] | None:
        """Return what a complete output says about its job."""
        return said_by(self.layout.path)

    @property
    def _chunks(self) -> int:
        """How many chunks of rows there are; none without values."""
        return -(-self.layout.shape[0] // self._rows) if self.layout.row_bytes else 0

    def _write_all_but_rows(self, path: Path, pack: Packer) -> None:
        """Write what stands beside the rows, and what says so."""
        layout = self.layout
        axes, attributes = bin_axes("roi", "channel", axes=len(layout.shape)), layout.attributes
        about = {DATASET: self._about(layout.shape, layout.dtype, axes, self._rows, attributes)}
        path.mkdir()
        (path / DATASET).mkdir()
        for one in layout.companions or ():
            rows = max(min(BESIDE_BYTES * one.shape[0] // max(one.nbytes, 1), one.shape[0]), 1)
            about[one.name] = self._about(one.shape, one.dtype, one.axes, rows)
            (path / one.name).mkdir()
            for chunk, values in enumerate(_chunks_of(one, rows)):
                file = path / one.name / _key(chunk, len(one.shape))
                file.write_bytes(pack(_encoded(values)))
        for name, said in about.items():
            _write_json(path / name / ABOUT, said)
        together = {"kind": "inline", "must_understand": False, "metadata": about}
        group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        _write_json(path / ABOUT, group | {"consolidated_metadata": together})

    def _about(
        self,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        axes: Sequence[str],
        rows: int,
        attributes: Any = None,
    ) -> dict[str, Any]:
        """Return what is said of an array that is stored in chunks of so many rows."""
        is_text = dtype.kind == "S"
        values = {"name": "bytes", "configuration": {"endian": "little"}}
        first = {"name": "vlen-utf8", "configuration": {}} if is_text else values
        name = self.layout.compression
        packing = [{"name": name, "configuration": CODECS[name]}] if name in CODECS else []
        chunk = [rows, *(max(length, 1) for length in shape[1:])]
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": "string" if is_text else dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            "fill_value": "" if is_text else dtype.type(0).item(),
            "codecs": [first, *packing],
            "attributes": dict(attributes or {}),
            "dimension_names": list(axes),
            "storage_transformers": [],
        }


class PackedZarr(RowsApart, Zarr):
    """A store whose chunks are compressed, which cannot be filled in place."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._pack = _packer(layout)
        self.packing_bytes = 4 * self._rows * layout.row_bytes  # of a chunk, as read and as packed

    def pack(self, rows: Path, path: Path) -> None:
        """Write the output from a file that holds the rows."""
        self._write_all_but_rows(path, self._pack)
        size, axes = self._rows * self.layout.row_bytes, len(self.layout.shape)
        with rows.open("rb") as stream:
            for chunk in range(self._chunks):
                data = stream.read(size).ljust(size, b"\0")
                (path / DATASET / _key(chunk, axes)).write_bytes(self._pack(data))


def said_by(path: Path) -> dict[str, Any] | None:
    """Return what a store says about a job, None if it is none of ours."""
    if (path / UNFINISHED).is_file():
        raise SinkError.advising(
            f"{path} was begun from elsewhere and is not complete",
            "finish it there, or pass {overwrite:True}",
        )
    try:
        about = json.loads((path / DATASET / ABOUT).read_bytes())
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} has no valid {DATASET}/{ABOUT}") from error
    said: dict[str, Any] = about["attributes"]
    names = [codec["name"] for codec in about["codecs"] if codec["name"] in CODECS]
    said |= {"shape": about["shape"], "dtype": about["data_type"]}
    said["compression"] = names[0] if names else "none"
    return said if {"features", "rois", "lucid_version"} <= set(said) else None


def checksums_of(path: Path) -> str:
    """Say which checksums the chunks of crops have, nothing if they have none."""
    about = json.loads((path / DATASET / ABOUT).read_bytes())
    return "gzip's CRC-32" if "gzip" in [codec["name"] for codec in about["codecs"]] else ""


def _key(chunk: int | str, axes: int) -> str:
    """Return what a chunk of whole rows is called."""
    return ".".join(["c", str(chunk), *["0"] * (axes - 1)])


def _chunks_of(one: Companion, rows: int) -> Iterator[Array]:
    """Yield an array in chunks of so many rows, the last filled up with zeros."""
    held = np.empty((0, *one.shape[1:]), one.dtype)
    for part in one.parts():
        held = np.concatenate([held, part])
        while len(held) >= rows:
            yield held[:rows]
            held = held[rows:]
    if len(held):
        yield np.concatenate([held, np.zeros((rows - len(held), *one.shape[1:]), one.dtype)])


def _encoded(values: Array) -> bytes:
    """Return the bytes of a chunk; of texts each after its length, and their number first."""
    if values.dtype.kind != "S":
        return values.tobytes()
    texts = b"".join(len(text).to_bytes(4, "little") + text for text in values.tolist())
    return len(values).to_bytes(4, "little") + texts


def _packer(layout: Layout) -> Packer:
    """Return what compresses a chunk."""
    options = CODECS[layout.compression]
    if layout.compression == "gzip":
        return lambda data: zlib.compress(data, options["level"], wbits=31)
    try:
        zstd: Any = import_module("numcodecs.zstd")
    except ImportError:
        raise SinkError(
            f"{layout.path}: zstd needs a package: pip install 'lucid-roialign[zarr]'; "
            "gzip needs none"
        ) from None
    codec = zstd.Zstd(**options)
    return lambda data: bytes(codec.encode(data))


def _write_json(path: Path, said: dict[str, Any]) -> None:
    with path.open("x") as stream:
        json.dump(said, stream, default=lambda value: value.tolist())
