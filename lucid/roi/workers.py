"""Threads that share a list of work, each with arrays of its own that it uses again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from math import prod
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Item = TypeVar("Item")

SMALL = 1 << 20  # numbers
AHEAD = 1024  # items that are listed at least, so that both ends are worth taking from


class Workspace:
    """Arrays that are used again: the first touch of fresh memory costs as much as arithmetic."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}
        self.last: tuple[Any, Any] = (None, None)  # what was made of them last, and for what

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array that is not initialized and good until the next of that name."""
        size = prod(shape)
        held = self._held.get(name)
        if held is None or held.dtype != dtype or held.size < size:
            del held  # never two at a time
            self._held.pop(name, None)
            # Small ones a power of two, so that they grow few times.
            room = 1 << (size - 1).bit_length() if 0 < size <= SMALL else size
            held = self._held[name] = np.empty(room, dtype)
        return held[:size].reshape(shape)

    def keep_at_most(self, size: int) -> None:
        """Free arrays, the largest first, until they take at most `size` bytes."""
        self.last = (None, None)
        total = 0
        for name in sorted(self._held, key=lambda name: self._held[name].nbytes):
            total += self._held[name].nbytes
            if total > size:
                del self._held[name]


class Workers:
    """Some threads; the calling one is the first of them."""

    def __init__(self, count: int = 1) -> None:
        self._spaces = [Workspace() for _ in range(count)]

    def __len__(self) -> int:
        return len(self._spaces)

    def keep_at_most(self, size: int) -> None:
        """Free buffers, the largest first, until those of all threads take at most `size` bytes."""
        for space in self._spaces:
            space.keep_at_most(size // len(self._spaces))

    @property
    def space(self) -> Workspace:
        """The arrays of the calling thread."""
        return self._spaces[0]

    def each(self, work: Callable[[Workspace, Item], None], items: Iterable[Item]) -> None:
        """Call `work` with every item, on whichever thread is free."""
        with self.beginning(work, items):
            pass

    @contextmanager
    def beginning(
        self, work: Callable[[Workspace, Item], None], items: Iterable[Item], alone: bool = False
    ) -> Iterator[None]:
        """Call `work` with every item; the calling thread takes part from the end of a block on.

        That thread takes the first items, the others take the last of those listed ahead. One item
        is not worth starting a thread for.
        """
        shared = Shared(items)

        def drain(space: Workspace) -> None:
            try:
                for item in shared.taken(last=space is not self.space):
                    work(space, item)
            except BaseException:
                shared.stop()
                raise

        others = [] if alone else self._spaces[1:]
        if not others or not shared.has(2):
            yield
            drain(self.space)
            return
        with ThreadPoolExecutor(len(others)) as threads:
            try:
                drained = [threads.submit(drain, space) for space in others]
                yield
            except BaseException:
                shared.stop()
                raise
            drain(self.space)
        for each in drained:
            each.result()


class Shared(Generic[Item]):
    """Items that several threads take, each once, from both ends of those that are listed ahead."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items, self._lock = iter(items), Lock()
        self._ahead: deque[Item] = deque()

    def taken(self, last: bool = False) -> Iterator[Item]:
        """Yield items that nobody has taken yet: the first of them, or the last."""
        while True:
            with self._lock:
                if not self._has(1):
                    return
                item = self._ahead.pop() if last else self._ahead.popleft()
            yield item

    def has(self, count: int) -> bool:
        """Return whether so many are left."""
        with self._lock:
            return self._has(count)

    def _has(self, count: int) -> bool:
        if len(self._ahead) < count:
            self._ahead += islice(self._items, max(AHEAD, count))
        return len(self._ahead) >= count

    def stop(self) -> None:
        """Leave the rest undone."""
        with self._lock:
            self._items, self._ahead = iter(()), deque()
