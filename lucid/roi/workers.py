"""Threads that share a list of work, each with working memory of its own that it uses again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from threading import Lock
from typing import Generic, Protocol, TypeVar

AHEAD_ITEMS = 1024  # listed at least, so that both ends are worth taking from


class Workspace(Protocol):
    """Working memory of a thread."""

    def keep_at_most(self, size: int) -> None:
        """Free memory until at most `size` bytes are held."""


Item = TypeVar("Item")
Space = TypeVar("Space", bound=Workspace)


class Workers(Generic[Space]):
    """Some threads; the calling one is the first of them."""

    def __init__(self, count: int, workspace: Callable[[], Space]) -> None:
        self._spaces = [workspace() for _ in range(count)]

    def __len__(self) -> int:
        return len(self._spaces)

    def keep_at_most(self, size: int) -> None:
        """Free memory until that of all threads is at most `size` bytes."""
        for space in self._spaces:
            space.keep_at_most(size // len(self._spaces))

    @property
    def space(self) -> Space:
        """The working memory of the calling thread."""
        return self._spaces[0]

    def each(self, work: Callable[[Space, Item], None], items: Iterable[Item]) -> None:
        """Call `work` with every item, on whichever thread is free."""
        with self.in_background(work, items):
            pass

    @contextmanager
    def in_background(
        self, work: Callable[[Space, Item], None], items: Iterable[Item], alone: bool = False
    ) -> Iterator[None]:
        """Call `work` with every item; the calling thread takes part from the end of a block on.

        That thread takes the first items, the others take the last of those listed ahead. One item
        is not worth starting a thread for; with `alone` the calling thread does all.
        """
        shared, others = Shared(items), [] if alone else self._spaces[1:]
        if not others or not shared.has(2):
            yield
            for item in shared.rest():
                work(self.space, item)
            return

        def drain(space: Space) -> None:
            try:
                for item in shared.taken(last=space is not self.space):
                    work(space, item)
            except BaseException:
                shared.stop()
                raise

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

    def rest(self) -> Iterator[Item]:
        """Return what is left, for one thread that shares it with none."""
        return chain(self._ahead, self._items)

    def has(self, count: int) -> bool:
        """Return whether so many are left."""
        with self._lock:
            return self._has(count)

    def _has(self, count: int) -> bool:
        if len(self._ahead) < count:
            self._ahead += islice(self._items, max(AHEAD_ITEMS, count))
        return len(self._ahead) >= count

    def stop(self) -> None:
        """Leave the rest undone."""
        with self._lock:
            self._items, self._ahead = iter(()), deque()
