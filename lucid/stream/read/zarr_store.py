"""A store for the zarr package that reads what is under keys, and writes nothing.

This module needs the zarr package, which is imported where a zarr file is met.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from lucid.stream.read.zarr_bfloat16 import as_unsigned
from lucid.stream.read.zarr_keys import Keys, Range

ABOUT = ("zarr.json", ".zarray", ".zmetadata")  # ends of the keys of metadata


class KeysStore(Store):
    """The values under keys, as zarr asks for them."""

    supports_writes = supports_deletes = False
    supports_listing = True

    def __init__(self, keys: Keys) -> None:
        super().__init__(read_only=True)
        self._keys = keys
        self.halves: set[str] = set()  # names of arrays of bfloat16, which zarr takes for uint16

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeysStore) and other._keys is self._keys

    __hash__ = object.__hash__

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a value or a part of it, None if there is none."""
        found = self._keys.read(key, _part(byte_range))
        if found is not None and key.endswith(ABOUT):
            found = as_unsigned(found, key, self.halves)
        return None if found is None else prototype.buffer.from_bytes(found)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of values."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether there is a value."""
        return self._keys.has(key)

    async def list(self) -> AsyncIterator[str]:
        """Yield all keys."""
        for key in self._keys.under(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with a prefix."""
        for key in self._keys.under(prefix):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield what follows a prefix in keys, up to the next '/'."""
        for key in self._keys.beside(prefix):
            yield key

    async def set(self, key: str, value: Any) -> None:
        """Refuse to write."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise NotImplementedError


def _part(request: ByteRequest | None) -> Range:
    """Return which part of a value is asked for."""
    if isinstance(request, RangeByteRequest):
        return request.start, request.end
    if isinstance(request, OffsetByteRequest):
        return request.offset, None
    if isinstance(request, SuffixByteRequest):
        return -request.suffix, None
    return 0, None
