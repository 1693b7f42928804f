"""Zarr stores with a URL: made in the current folder, and copied to their place at the end.

Object stores cannot rename. A file `unfinished` is therefore the first that is written there and
the last that is removed; as long as it is there, the store is no output, and is not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from lucid.stream.read.url import ROOTS, UNFINISHED, Url
from lucid.stream.write import disk
from lucid.stream.write.layout import Layout
from lucid.stream.write.sidecars import sidecar_paths
from lucid.stream.write.zarr import ABOUT, PackedZarr, Zarr

AT_ONCE, AT_ONCE_BYTES = 8, 32 << 20  # files that are copied at once, which are held in memory


class UploadedZarr(Zarr):
    """A store with a URL."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._url = Url(layout.path)
        size = self._rows * layout.row_bytes
        self._at_once = max(min(AT_ONCE_BYTES // max(size, 1), AT_ONCE), 1)
        self.packing_bytes += self._at_once * size
        job = json.dumps(layout.attributes, default=str, sort_keys=True)
        self._token = blake2b(job.encode(), digest_size=16).hexdigest().encode()

    def files(self) -> Sequence[Path]:
        """Return the file that is written last."""
        return [self._url / ABOUT]

    def lay_out(self, path: Path) -> None:
        """Write what is filled in here; first try whether anything can be written at the URL."""
        if not self._url.exists():
            self._mark.write_bytes(self._token)
            self._mark.unlink()
        super().lay_out(path)

    def in_the_way(self, part: Path) -> Path | None:
        """Return the URL if any file is there, but what this job has not finished."""
        is_there = self._url.exists() and self._url.files()
        return self._url if is_there and not self._is_begun() else None

    def publish(self, part: Path) -> None:
        """Copy the store that is ready to its URL, in place of what is there."""
        url, names = self._url, [path.relative_to(part).as_posix() for path in _files_in(part)]
        self._mark.write_bytes(self._token)
        there = {*url.files()}
        for name in (there & {*ROOTS}) | (there - {*names, UNFINISHED}):
            (url / name).unlink()
        for start in range(0, len(names), self._at_once):
            some = names[start : start + self._at_once]
            url.upload({name: part / name for name in some})
        self._mark.unlink()
        aside = sidecar_paths(url).packed
        part.replace(aside)  # of what is removed, nothing is taken for an unfinished run
        disk.remove(aside)

    @property
    def _mark(self) -> Url:
        return self._url / UNFINISHED

    def _is_begun(self) -> bool:
        """Return whether what is there is what this job has not finished."""
        return self._mark.is_file() and self._mark.read_bytes() == self._token


class UploadedPackedZarr(UploadedZarr, PackedZarr):
    """A store with a URL whose chunks are compressed."""


def _files_in(part: Path) -> Iterator[Path]:
    """Yield the files of a store: chunks first, then what says that they are there."""
    files = sorted(path for path in part.rglob("*") if path.is_file())
    yield from sorted(files, key=lambda path: (path.name == ABOUT, path == part / ABOUT))
