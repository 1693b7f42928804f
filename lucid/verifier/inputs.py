"""What has changed in the inputs of a file of crops since it was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lucid.stream.read.fingerprint import SAMPLED, Input
from lucid.stream.write.identity import IN_MEMORY, printable


class InputState(NamedTuple):
    """An input, held against what is recorded of it."""

    role: str
    name: str
    state: str  # 'same', 'changed', 'other' where it was named anew, 'unknown' if not recorded
    is_sampled: bool = False  # whether only a sample of it was compared
    is_newer: bool = False  # than the crops

    def in_words(self) -> str:
        """Say what it is."""
        words = {
            "same": "unchanged",
            "changed": "CHANGED since the crops were written",
            "other": "not the file that is recorded",
            "unknown": "as given; nothing is recorded of it",
        }[self.state]
        sampled = " in the blocks that are compared" * (self.is_sampled and self.state == "same")
        newer = ", though modified later" * (self.is_newer and self.state == "same")
        return f"{words}{sampled}{newer}"


def states_of(
    inputs: Sequence[Input], said: Mapping[str, Any], crops: Path, given: Mapping[str, Any]
) -> Iterator[InputState]:
    """Yield the state of each input; of those that are `given`, others than recorded will do."""
    seen: Counter[str] = Counter()
    written = crops.stat().st_mtime_ns if crops.exists() else 0  # as of a store that says no times
    for one in inputs:
        recorded = said.get(f"{one.role}_fingerprint")
        if isinstance(recorded, list):  # of the levels of a pyramid
            recorded = recorded[seen[one.role]] if seen[one.role] < len(recorded) else None
        seen[one.role] += 1
        now = one.fingerprint()
        name = str(one.path) if one.path else IN_MEMORY
        is_given = one.role in given or (one.role == "features" and "level" in given)
        yield InputState(
            role=one.role,
            name=printable(f"{name}::{one.dataset}" if one.dataset else name),
            state=_state(recorded, now, is_given),
            is_sampled=now.startswith(SAMPLED),
            is_newer=0 < written < one.modified(),
        )


def _state(recorded: str | None, now: str, is_given: bool) -> str:
    if recorded is None:
        return "unknown"
    if recorded == now:
        return "same"
    return "other" if is_given else "changed"
