"""What is there of an output that several shards write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lucid.stream.write import disk
from lucid.stream.write.journal_file import JournalState, look, read_journal
from lucid.stream.write.sidecars import shard_paths, sidecar_paths

SHARDS, LAYOUT = "shards", "laid_out"  # of a job: how many there are, and what they write to


class Progress(NamedTuple):
    """How far the shards of an output are."""

    shards: int
    missing: Sequence[int]  # that are not done

    def __str__(self) -> str:
        some = ", ".join(map(str, self.missing[:20])) + ", ..." * (len(self.missing) > 20)
        verb = "is" if len(self.missing) == 1 else "are"
        return f"{len(self.missing)} of {self.shards} shards {verb} missing: {some}"


def progress_of(output: Path) -> Progress | None:
    """Return how far the shards of an unfinished output are, None if it has none."""
    common = look(sidecar_paths(output).journal)
    if common is None or common.job.get(SHARDS) is None:
        return None
    shards = common.job[SHARDS]
    missing = [number for number in range(1, shards + 1) if not is_done(output, number, common)]
    return Progress(shards, missing)


def shards_of(path: str) -> Progress | None:
    """Return how far the shards of a file `OUTPUT.part` are, None if it is none of any."""
    return progress_of(Path(path.removesuffix(".part"))) if path.endswith(".part") else None


def is_done(output: Path, number: int, common: JournalState) -> bool:
    """Return whether all rows of a shard are on the disk."""
    own = look(shard_paths(output, number, common.job[SHARDS]).done)
    return own is not None and own.job.get(LAYOUT) == common.run


def require_idle(output: Path) -> None:
    """Raise if a shard of an unfinished output is at work."""
    for number, shards in _shards(output):
        read_journal(shard_paths(output, number, shards).journal)


def remove_shards(output: Path) -> None:
    """Remove the files that only shards have."""
    for number, shards in _shards(output):
        for path in shard_paths(output, number, shards)[1:]:
            disk.remove(path)


def clear(output: Path) -> None:
    """Remove what is left beside a complete output, holding the lock of what is common."""
    names = sidecar_paths(output)
    remove_shards(output)
    disk.remove(names.packed)
    disk.remove(names.journal)


def _shards(output: Path) -> Sequence[tuple[int, int]]:
    """Return the shards that an unfinished output says it has."""
    common = look(sidecar_paths(output).journal)
    shards = common.job.get(SHARDS) or 0 if common else 0
    return [(number, shards) for number in range(1, shards + 1)]
