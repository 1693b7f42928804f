"""What is under the keys of a zarr store that has a URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from lucid.stream.read.url import Url
from lucid.stream.read.zarr_keys import MOST_BYTES, Range, require_bounded


class Remote:
    """Files below a URL."""

    def __init__(self, url: Url) -> None:
        self._url, self.most = url, MOST_BYTES

    def read(self, key: str, part: Range = (0, None)) -> bytes | None:
        """Return a value or a part of it, None if there is none."""
        with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            begin, end = part
            data = (self._url / key).read_part(
                begin, begin + self.most + 1 if end is None and begin >= 0 else end
            )
            require_bounded(len(data), self.most, key)
            return data
        return None

    def has(self, key: str) -> bool:
        """Return whether there is a value."""
        return (self._url / key).is_file()

    def under(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix."""
        with suppress(FileNotFoundError, NotADirectoryError):
            before = f"{prefix.rstrip('/')}/" if prefix else ""
            yield from (before + key for key in (self._url / prefix).files())

    def beside(self, prefix: str) -> list[str]:
        """Return what follows a prefix in keys, up to the next '/'."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return [path.name for path in (self._url / prefix).iterdir()]
        return []

    def close(self) -> None:
        """Close nothing."""
