"""The files beside an output that is not complete yet, and what tells whether its run goes on."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from lucid.stream.read.url import Url

RUN_BYTES = 32  # of the number of a run


class Names(NamedTuple):
    """The files that may stand beside an output while it is not complete."""

    part: Path  # what becomes the output
    rows: Path  # what a chunked output is packed from
    packed: Path  # while it is packed
    journal: Path
    table: Path  # of the RoIs that are to be done, where several processes do them


def sidecar_paths(output: Path) -> Names:
    """Return the names that a run uses until its output is complete.

    What will have a URL is made in the current folder.
    """
    if isinstance(output, Url):
        number = blake2b(str(output).encode(), digest_size=4).hexdigest()
        output = Path(f"{output.name}.{number}")
    part = output.name + ".part"
    endings = ("", ".rows", ".packed", ".journal", ".table")
    return Names(*(output.with_name(part + ending) for ending in endings))


class ShardNames(NamedTuple):
    """The files of one of several shards, beside what is common to them."""

    common: Path  # which job it is, and how many shards: the journal of a run of one process
    new: Path  # what is laid out, until it has its name
    journal: Path
    done: Path  # the journal, when all rows of the shard are on the disk
    table: Path


def shard_paths(output: Path, number: int, shards: int) -> ShardNames:
    """Return the names that a shard uses until the output is complete."""
    names = sidecar_paths(output)
    stem = f"{names.part.name}.{number}-of-{shards}"
    own = [
        names.part.with_name(stem + ending) for ending in (".new", ".journal", ".done", ".table")
    ]
    return ShardNames(names.journal, *own)


class RunMark(NamedTuple):
    """The number of a run, and where it stands as long as the run goes on."""

    journal: Path
    place: int
    number: bytes

    def stands(self) -> bool:
        """Return whether the run is going on."""
        try:
            file = os.open(self.journal, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return os.pread(file, RUN_BYTES, self.place) == self.number
        finally:
            os.close(file)
