"""Threads that share a list of work, each with arrays of its own that it uses again."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from math import prod
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Item = TypeVar("Item")

SMALL = 1 << 20  # numbers


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
            self._held.pop(name, None)  # never two at a time
            # Small ones a power of two, so that they grow few times.
            room = 1 << (size - 1).bit_length() if 0 < size <= SMALL else size
            held = self._held[name] = np.empty(room, dtype)
        return held[:size].reshape(shape)

    def let_go(self, most: int) -> None:
        """Keep only arrays of at most so many bytes."""
        self._held = {name: held for name, held in self._held.items() if held.nbytes <= most}
        self.last = (None, None)


class Workers:
    """Some threads; the calling one is the first of them."""

    def __init__(self, count: int = 1) -> None:
        self._spaces = [Workspace() for _ in range(count)]

    def __len__(self) -> int:
        return len(self._spaces)

    def let_go(self, most: int) -> None:
        """Keep only arrays of at most so many bytes."""
        for space in self._spaces:
            space.let_go(most)

    @property
    def space(self) -> Workspace:
        """The arrays of the calling thread."""
        return self._spaces[0]

    def each(self, work: Callable[[Workspace, Item], None], items: Iterable[Item]) -> None:
        """Call `work` with every item, on whichever thread is free."""
        shared = Shared(items)

        def drain(space: Workspace) -> None:
            try:
                for item in shared:
                    work(space, item)
            except BaseException:
                shared.stop()
                raise

        for item in shared:  # so that no thread is started for one
            work(self.space, item)
            break
        if len(self._spaces) == 1:
            drain(self.space)
        elif shared.has_more():
            with ThreadPoolExecutor(len(self._spaces) - 1) as threads:
                others = [threads.submit(drain, space) for space in self._spaces[1:]]
                drain(self.space)
            for other in others:
                other.result()


class Shared(Iterator[Item]):
    """An iterator that several threads take from."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items, self._lock = iter(items), Lock()
        self._ahead: list[Item] = []

    def __next__(self) -> Item:
        with self._lock:
            return self._ahead.pop() if self._ahead else next(self._items)

    def has_more(self) -> bool:
        """Return whether something is left."""
        with self._lock:
            self._ahead += islice(self._items, 1)
            return bool(self._ahead)

    def stop(self) -> None:
        """Leave the rest undone."""
        with self._lock:
            self._items, self._ahead = iter(()), []
