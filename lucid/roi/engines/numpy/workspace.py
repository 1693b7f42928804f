"""The memory of a thread, which it uses again."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lucid.roi.memory import in_lines
from lucid.roi.types import Array

SMALL_VALUES = 1 << 20


class Scratch:
    """Memory that is used again: the first touch of fresh memory costs as much as arithmetic."""

    __slots__ = ("memory",)
    _fresh = staticmethod(np.empty)

    def __init__(self) -> None:
        self.memory: Array = np.empty(0, np.float32)

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return an array that is not initialized, and good until the next one."""
        size = prod(shape)
        if self.memory.dtype != dtype or self.memory.size < size:
            self.free()  # never two at a time
            # Small ones a power of two, so that they grow few times.
            room = 1 << (size - 1).bit_length() if 0 < size <= SMALL_VALUES else size
            self.memory = in_lines((room,), dtype, self._fresh)
        return self.memory[:size].reshape(shape)

    def free(self) -> None:
        """Hold nothing."""
        self.memory = np.empty(0, np.float32)


class Zeros(Scratch):
    """Memory that is zeros whenever nobody works on it: who does leaves zeros, or frees it."""

    __slots__ = ()
    _fresh = staticmethod(np.zeros)


@dataclass(slots=True)
class Workspace:
    """The memory of one thread."""

    table: Scratch = field(default_factory=Scratch)  # of cells
    sums: Zeros = field(default_factory=Zeros)  # of cells
    patch: Scratch = field(default_factory=Scratch)  # gathered cells
    by_row: Scratch = field(default_factory=Scratch)  # weighted by row
    bins: Scratch = field(default_factory=Scratch)  # weighted by row and column
    staged: Scratch = field(default_factory=Scratch)  # of a map, while it is copied
    scattered: Scratch = field(default_factory=Scratch)  # cells with others between them
    last: tuple[Any, Any] = (None, None)  # the buffers of the batch before, and for what

    def held(self) -> list[Scratch]:
        """Return the memory of each purpose."""
        of_cells = [self.table, self.sums, self.patch]
        return [*of_cells, self.by_row, self.bins, self.staged, self.scattered]

    def keep_at_most(self, size: int) -> None:
        """Free memory, the largest arrays first, until at most `size` bytes are held."""
        self.last = None, None
        held, total = self.held(), 0
        if sum(scratch.memory.nbytes for scratch in held) <= size:
            return
        for scratch in sorted(held, key=lambda scratch: scratch.memory.nbytes):
            total += scratch.memory.nbytes
            if total > size:
                scratch.free()
