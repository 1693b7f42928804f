"""Arrays in memory, that a caller passes instead of the path of a file."""

from __future__ import annotations

from pathlib import Path

from lucid.stream.checks import Held
from lucid.stream.read.fingerprint import Input
from lucid.stream.read.source import Source


class HeldArray(Source):
    """An array in memory."""

    def __init__(self, held: Held, role: str) -> None:
        super().__init__(role, Path(), held.values)

    def as_input(self, role: str) -> Input:
        """Return what is recorded of it."""
        return Input(role, None, None, self.shape, str(self.dtype), values=self._array)
