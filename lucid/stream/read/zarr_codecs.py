"""Bounds for what the codecs of zarr unpack: no more than a chunk can need.

All of them unpack with an object of numcodecs, whose `decode` is told here how much that is. Those
that say in a header what comes out are asked for it first; the others are unpacked step by step.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

HOLDERS = ("_codec", "_gzip_codec", "_zstd_codec", "_blosc_codec", "compressor")  # of such objects
LISTS = ("codecs", "index_codecs", "filters")
ROOM, LEAST = 8, 1 << 20  # times the values and bytes that a codec may have made of them
TEXT_BYTES = 64 << 20  # of a chunk of texts, whose length nothing says
ZSTD_MARK, ZSTD_BLOCK_BYTES = b"\x28\xb5\x2f\xfd", 128 << 10


def bound(array: Any) -> int:
    """Have the codecs of an array refuse to unpack much more than a chunk has values.

    Returns
    -------
    int
        How many bytes that is, of which no more need be read either.
    """
    dtype: Any = array.dtype
    values = math.prod(array.shards or array.chunks)
    is_text = getattr(dtype, "kind", "O") not in "biufcSUVmM"
    most = LEAST + (TEXT_BYTES if is_text else ROOM * values * dtype.itemsize)
    for codec in _codecs_in(array.metadata):
        name = getattr(codec, "codec_id", "")
        if name in WAYS:
            vars(codec)["decode"] = partial(_decode, WAYS[name], codec, codec.decode, most)
    return most


def _codecs_in(item: Any) -> Iterator[Any]:
    """Yield the objects that unpack, those within other codecs as well."""
    for name in HOLDERS:
        if (codec := getattr(item, name, None)) is not None:
            yield codec
    for name in LISTS:
        for inner in getattr(item, name, None) or ():
            yield inner
            yield from _codecs_in(inner)


def _decode(
    way: Callable[..., Any], codec: Any, decode: Any, most: int, data: Any, out: Any = None
) -> Any:
    """Do what the codec does, unless that would be too much."""
    packed = memoryview(data).cast("B")
    found = way(codec, packed, most)
    size = len(found) if isinstance(found, bytes) else found
    if size > most:
        raise ValueError(f"a chunk unpacks to more than {most} bytes")
    return found if isinstance(found, bytes) and out is None else decode(data, out)


def _inflated(codec: Any, data: memoryview, most: int) -> bytes:
    return _stepwise(partial(zlib.decompressobj, zlib.MAX_WBITS | 32), data, most)


def _unpacked_bz2(codec: Any, data: memoryview, most: int) -> bytes:
    return _stepwise(bz2.BZ2Decompressor, data, most)


def _unpacked_lzma(codec: Any, data: memoryview, most: int) -> bytes:
    start = partial(lzma.LZMADecompressor, _lzma_format(codec), filters=_lzma_filters(codec))
    return _stepwise(start, data, most)


def _lzma_format(codec: Any) -> int:
    return lzma.FORMAT_AUTO if codec.format == lzma.FORMAT_XZ else int(codec.format)


def _lzma_filters(codec: Any) -> Any:
    return codec.filters if codec.format == lzma.FORMAT_RAW else None


def _stepwise(start: Callable[[], Any], data: memoryview, most: int) -> bytes:
    """Return what streams, one after the other, unpack to, up to one byte more than `most`."""
    found, left = bytearray(), bytes(data)
    while left and len(found) <= most:
        stream = start()
        found += stream.decompress(left, most + 1 - len(found))
        if not stream.eof and len(found) <= most:
            raise ValueError("it is cut off")
        left = stream.unused_data
    return bytes(found)


def _said_by_blosc(codec: Any, data: memoryview, most: int) -> int:
    return int.from_bytes(data[4:8], "little")


def _said_by_lz4(codec: Any, data: memoryview, most: int) -> int:
    return int.from_bytes(data[:4], "little")


def _said_by_zstd(codec: Any, data: memoryview, most: int) -> int:
    """Return what a frame says that it unpacks to, or the most that its blocks can."""
    if data[:4] != ZSTD_MARK:
        return 0  # the codec says what is wrong
    flags = data[4]
    has_window, width = not flags & 32, (flags & 32 and 1, 2, 4, 8)[flags >> 6]
    at = 5 + has_window + (0, 1, 2, 4)[flags & 3]
    if width:
        return int.from_bytes(data[at : at + width], "little") + 256 * (width == 2)
    blocks, last = 0, 0
    while not last and at + 3 <= len(data):
        header = int.from_bytes(data[at : at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at, blocks = at + 3 + (1 if kind == 1 else size), blocks + 1
    return 0 if blocks * ZSTD_BLOCK_BYTES <= TEXT_BYTES else blocks * ZSTD_BLOCK_BYTES


WAYS: dict[str, Callable[[Any, memoryview, int], Any]] = {
    "gzip": _inflated,
    "zlib": _inflated,
    "bz2": _unpacked_bz2,
    "lzma": _unpacked_lzma,
    "blosc": _said_by_blosc,
    "lz4": _said_by_lz4,
    "zstd": _said_by_zstd,
}  # by the name that numcodecs has for a codec
